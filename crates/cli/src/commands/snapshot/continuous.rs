//! `--continuous`: cheap samples all the way, full captures at both ends, and what grew between them.

use super::{SnapshotArgs, emit};
use crate::args::Format;
use crate::births::Sampling;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use m5_heap::{Births, Diff, Snapshot};
use m5_process::Process;
use m5_report::heap::{GuideSummary, Sample, continuous_text};
use m5_report::texts::Heap;
use m5_report::units;
use std::time::{Duration, Instant};

pub(super) fn run(
    args: &SnapshotArgs,
    process: &Process,
    time: Duration,
    format: Format,
    ctx: &Ctx,
) -> Result<Exit, CliError> {
    if format == Format::Heapsnapshot {
        return Err(CliError::Format { known: "text, json, html, pprof, folded".to_owned() });
    }
    let stop = Stop::listen();
    let first = args.capture.take(process, ctx)?;
    args.save(&first, "start", ctx)?;
    let sampled = (args.max_overhead > 0.0).then(|| Sampling::begin(process, args.max_overhead));
    let (samples, whole) = sample(args, process, time, &stop, ctx);
    // No breakpoint is open while the memory is copied.
    let (births, allocations) = sampled.map(|s| s.end(ctx)).unzip();
    let last = args.capture.take(process, ctx).ok().filter(|_| ctx.looked.whole().is_ok());
    let exit = match &last {
        Some(last) => {
            args.save(last, "end", ctx)?;
            if whole { Exit::Fine } else { Exit::Incomplete }
        }
        // Gone before its time: what was seen is still told.
        None => Exit::Gone,
    };
    let mut doc = emit::document(last.as_ref().unwrap_or(&first), args.options());
    doc.summary = GuideSummary::of(&samples);
    doc.samples = samples;
    doc.growth = last.map(|last| growth(args, &first, &last, &births.unwrap_or_default()));
    doc.allocations = allocations;
    emit::doc(&doc, format, ctx, |style| continuous_text(&doc, style))?;
    Ok(exit)
}

/// Reads the kernel's counters until the time is over; false where it ended early.
fn sample(
    args: &SnapshotArgs,
    process: &Process,
    time: Duration,
    stop: &Stop,
    ctx: &Ctx,
) -> (Vec<Sample>, bool) {
    let count = (time.as_secs_f64() / args.interval.as_secs_f64()).ceil() as usize + 1;
    let began = Instant::now();
    let mut samples = Vec::new();
    for number in 0..count {
        if number > 0 && !ctx.looked.wait(due(began, args.interval, number, time), stop) {
            return (samples, false);
        }
        let alive = process.alive();
        let Some(rss_bytes) = process.status().ok().filter(|_| alive).and_then(|s| s.rss_bytes) else {
            return (samples, false);
        };
        let open_fds = process.fds().ok().map(|f| f.total);
        if !ctx.looked.go_on() {
            return (samples, false);
        }
        samples.push(Sample { at_seconds: began.elapsed().as_secs_f64(), rss_bytes, open_fds });
        ctx.note(Heap::ContinuousStart, &[&(number + 1), &count, &units::bytes(rss_bytes as f64)]);
    }
    (samples, true)
}

/// Time until the sample with this number, without drift; the last one is due at the end.
fn due(began: Instant, interval: Duration, number: usize, time: Duration) -> Duration {
    let at = interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)).min(time);
    at.saturating_sub(began.elapsed())
}

/// What grew, and where it was made.
fn growth(args: &SnapshotArgs, first: &Snapshot, last: &Snapshot, births: &Births) -> Diff {
    let mut diff = m5_heap::diff_with_births(first, last, births);
    diff.culprits.truncate(args.top);
    diff.types.truncate(args.top);
    diff
}
