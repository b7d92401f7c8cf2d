//! `m5 trim`: memory that is free goes back to the system.

use crate::args::{Span, TargetArgs, parse_duration, parse_size};
use crate::ctx::Ctx;
use crate::error::{CliError, of_capture, of_trim};
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_heap::trim::{Ended, Progress, TrimOptions, look, other_allocators, pinned, trim};
use m5_process::{Process, unix_ns};
use m5_report::trim::{Later, TRIM_SCHEMA, TrimDoc, text};
use std::time::{Duration, Instant};

/// Arguments of `m5 trim`.
#[derive(Debug, Args)]
#[command(after_help = "\
What `malloc_trim(0)` does from inside, from outside: whole pages inside of free chunks and of the unused top of the C \
library's heaps go back by madvise, in stops of at most --max-pause each, at moments in which no thread is inside the \
allocator. None of the target's code is run and none of its data changed. x86-64, GNU C library 2.27 to 2.43.")]
pub(crate) struct TrimArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Only say what is free, what could go back and what keeps the rest; nothing is stopped
    #[arg(long)]
    dry_run: bool,
    /// Say so after giving back too: which live objects keep free memory, and what other allocators hold free, by a look at all
    /// objects while the target runs
    #[arg(long)]
    pinned: bool,
    /// Longest single stop of the target
    #[arg(long, value_name = "TIME", default_value = "5ms", env = "M5_MAX_PAUSE")]
    max_pause: Span,
    /// Less than this is not worth a stop
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = parse_size)]
    min: u64,
    /// Look again after this time: how much came back; 0 does not wait
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_wait)]
    recheck: Duration,
    /// Longest time for giving back
    #[arg(long, value_name = "TIME", default_value = "1m")]
    max_time: Span,
}

/// A duration, or 0.
fn parse_wait(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { parse_duration(text) }
}

impl Progress for Stop {
    fn goes_on(&self, _bytes: u64) -> bool {
        !self.asked()
    }
}

pub(crate) fn run(args: &TrimArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let pid = process.pid();
    let fault = |error| of_trim(pid, error);
    let stop = Stop::listen();
    let options =
        TrimOptions { max_pause: args.max_pause.0, least_bytes: args.min, most_time: args.max_time.0 };
    let taken_at = unix_ns() as f64 / 1e9;
    let rss = || process.status().ok().and_then(|s| s.rss_bytes);
    let before = rss();
    let done = match args.dry_run {
        true => look(&process).map_err(fault)?,
        false => trim(&process, &options, &stop).map_err(fault)?,
    };
    let touched = done.stops > 0;
    let after = rss().filter(|_| touched);
    let later = if touched { recheck(&process, args.recheck, &stop, ctx) } else { None };
    let looks = (args.pinned || args.dry_run) && ctx.looked.go_on();
    let (pinned, pinned_unknown) = match looks.then(|| pinned(&process)).transpose() {
        Ok(pinned) => (pinned, None),
        // What the C library holds free is known of any program.
        Err(error) if !args.pinned => (None, Some(error.to_string())),
        Err(error) => return Err(of_capture(pid, error)),
    };
    let doc = TrimDoc {
        schema: TRIM_SCHEMA.to_owned(),
        pid,
        taken_at,
        dry_run: args.dry_run,
        free_bytes: done.free_bytes(),
        kept_bytes: done.kept_bytes(),
        least_bytes: args.min,
        max_pause_seconds: args.max_pause.0.as_secs_f64(),
        rss_before_bytes: before,
        rss_after_bytes: after,
        later,
        re_executed_seconds: ctx.looked.replaced_seconds(),
        pinned,
        pinned_unknown,
        others: other_allocators(&process).unwrap_or_default(),
        trim: done,
    };
    ctx.emit_document(json, &doc, |style| text(&doc, style))?;
    Ok(match doc.trim.ended {
        Ended::Done | Ended::TooLittle | Ended::Looked => Exit::Fine,
        _ => Exit::Incomplete,
    })
}

/// How the process stands after some time; `None` where nobody waits for it.
fn recheck(process: &Process, time: Duration, stop: &Stop, ctx: &Ctx) -> Option<Later> {
    if time.is_zero() {
        return None;
    }
    let began = Instant::now();
    let faults = || process.stat().ok().map(|s| s.minor_faults);
    let before = faults()?;
    ctx.looked.wait(time, stop);
    let after = faults().filter(|_| ctx.looked.go_on())?;
    Some(Later {
        after_seconds: began.elapsed().as_secs_f64(),
        rss_bytes: process.status().ok()?.rss_bytes?,
        minor_faults: after.saturating_sub(before),
    })
}
