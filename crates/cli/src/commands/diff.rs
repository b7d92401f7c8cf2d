//! `m5 diff`: what grew between two snapshots, and who holds it; from files, or from a process twice.

use crate::args::{Span, TargetArgs, parse_pid, parse_ratio};
use crate::births::Sampling;
use crate::commands::snapshot::CaptureArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_heap::{Births, Snapshot};
use m5_report::heap::{Allocations, DIFF_SCHEMA, DiffDoc, diff_text};
use std::path::PathBuf;

/// Arguments of `m5 diff`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  m5 diff before.m5snap after.m5snap\n  m5 diff -p 4711 --interval 30s")]
pub(crate) struct DiffArgs {
    /// The earlier and the later snapshot
    #[arg(value_name = "FILE", num_args = 0..=2)]
    files: Vec<PathBuf>,
    /// Compare this process with itself, `--interval` apart
    #[arg(short = 'p', long = "pid", value_name = "PID", conflicts_with = "files",
          value_parser = parse_pid)]
    pid: Option<i32>,
    /// Time between the two snapshots of a process
    #[arg(long, value_name = "TIME", default_value = "30s", env = "M5_INTERVAL")]
    interval: Span,
    /// The most that sampling allocations meanwhile, for the lines that made what grew, may take of the process's time; 0
    /// samples none
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_ratio, env = "M5_MAX_OVERHEAD")]
    max_overhead: f64,
    /// Culprits and types to show
    #[arg(long, value_name = "N", default_value_t = 10, env = "M5_TOP")]
    top: usize,
    #[command(flatten)]
    capture: CaptureArgs,
}

pub(crate) fn run(args: &DiffArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let Looks { before, after, births, allocations } = match args.files.as_slice() {
        [before, after] => Looks {
            before: args.capture.read(before, ctx)?,
            after: args.capture.read(after, ctx)?,
            births: Births::default(),
            allocations: None,
        },
        [] => twice(args, ctx)?,
        _ => return Err(CliError::TwoFiles),
    };
    let diff = m5_heap::diff_with_births(&before, &after, &births);
    let (before, after) = (before.info, after.info);
    let mut doc = DiffDoc { schema: DIFF_SCHEMA.to_owned(), before, after, diff, allocations };
    doc.diff.culprits.truncate(if json { args.top.max(50) } else { args.top });
    ctx.emit_document(json, &doc, |style| diff_text(&doc, args.top, style))?;
    Ok(Exit::Fine)
}

/// Two snapshots, and what was sampled between them.
struct Looks {
    before: Snapshot,
    after: Snapshot,
    births: Births,
    allocations: Option<Allocations>,
}

fn twice(args: &DiffArgs, ctx: &Ctx) -> Result<Looks, CliError> {
    let target = TargetArgs { pid: args.pid.into_iter().collect(), ..TargetArgs::default() };
    let (process, _launched) = crate::target::one(&target, ctx)?;
    let stop = Stop::listen();
    let before = args.capture.take(&process, ctx)?;
    let sampled = (args.max_overhead > 0.0).then(|| Sampling::begin(&process, args.max_overhead));
    if !ctx.looked.wait(args.interval.0, &stop) {
        ctx.looked.whole()?;
        return Err(if stop.asked() { CliError::EndedEarly } else { CliError::Gone { pid: process.pid() } });
    }
    // No breakpoint is open while the memory is copied.
    let (births, allocations) = sampled.map(|s| s.end(ctx)).unzip();
    let after = args.capture.take(&process, ctx)?;
    ctx.looked.whole()?;
    Ok(Looks { before, after, births: births.unwrap_or_default(), allocations })
}
