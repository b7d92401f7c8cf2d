//! `m5 why`: the one command for three in the morning.

use crate::args::{Span, TargetArgs};
use crate::births::Sampling;
use crate::commands::snapshot::CaptureArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use crate::{objectives, target};
use clap::Args;
use m5_agent::record::{RecordOptions, record};
use m5_heap::{Births, Snapshot, SummaryOptions, summarize};
use m5_process::{Headroom, Process};
use m5_report::doc::{ProcessRecord, Seen, Why};
use m5_report::heap::{Allocations, MemoryVerdict, coarse_line, unnamed};
use m5_report::text::Style;
use m5_report::texts::Say;
use m5_stats::objectives::Objectives;
use std::time::Duration;

/// Arguments of `m5 why`.
#[derive(Debug, Args)]
#[command(after_help = "\
It looks for half a minute: objectives, pauses, a snapshot at each end, the account of RSS, the memory limit. Then it \
says what is wrong, the evidence, and the command to type next. What cannot be seen in so short a time is said too.

0: nothing is wrong that it can see. 1: something is. 3: it ended meanwhile; what was seen until then is told. 6: the \
objects could not be seen.

Examples:\n  m5 why 4711\n  m5 why -p 4711 --duration 2m --json")]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to look
    #[arg(short, long, default_value = "30s")]
    duration: Span,
    #[command(flatten)]
    capture: CaptureArgs,
}

/// What tracing may add to the target's CPU in so short a time.
const OVERHEAD: f64 = 0.05;
/// What sampling allocations may take of its time.
const MAKING: f64 = 0.01;
/// Growth that is worth a word where nobody said how much is: 0.1 MiB a minute, in bytes a second.
const GROWTH: f64 = 0.1 * 1_048_576.0 / 60.0;
/// Samples in that time.
const SAMPLES: u32 = 30;

pub(crate) fn run(args: &WhyArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    let stop = Stop::listen();
    let (process, launched) = target::one(&args.target, ctx)?;
    let identity = process.identity();
    // What has no interpreter, or may not be read, is told at once and not after half a minute.
    let doubt = target::doubt(&process, ctx)?;
    let before = args.capture.take(&process, ctx);
    ctx.note(Say::Looking, &[&m5_report::units::span(args.duration.0.as_secs_f64())]);
    let options = RecordOptions {
        duration: args.duration.0,
        interval: (args.duration.0 / SAMPLES).max(Duration::from_millis(100)),
        children: false,
        pauses: Some(true),
        max_overhead: Some(OVERHEAD),
        stacks_above: None,
        workload: None,
    };
    // First: of the debug registers one is enough for it, and the watch of collections makes do with what is left.
    let sampled = Sampling::begin(&process, MAKING);
    let mut baseline =
        record(&[Process::open(identity.pid)?], &options, &mut |_| ctx.looked.begun() && !stop.asked())?;
    ctx.looked.recorded()?;
    m5_agent::derive::complete(&mut baseline, &objectives);
    let observed = baseline.recorded.observed_seconds;
    let record = baseline.processes.into_iter().next().ok_or(CliError::NoTarget)?;
    if record.samples.is_empty() {
        return Err(CliError::Gone { pid: identity.pid });
    }
    // One that ended meanwhile: what was seen until then is told.
    let ended = !process.alive();
    let (births, allocations) = sampled.end(ctx);
    let taken = match ended {
        true => Err(CliError::Gone { pid: identity.pid }),
        false => {
            ctx.looked.whole().and(before).and_then(|before| Ok((before, args.capture.take(&process, ctx)?)))
        }
    };
    // What it executes since then is another program.
    let taken = ctx.looked.whole().and(taken);
    let taken = taken.map(|(before, after)| Taken { before, after, births, allocations });
    let (limits, _) = objectives.of_record(&record);
    let why = judge(&process, record, observed, taken, limits, ctx);
    drop(launched);
    ctx.emit_document(json, &why.0, |style| m5_report::text::why_text(&why.0, style))?;
    if ended {
        return Ok(Exit::Gone);
    }
    Ok(match (why.0.problem(), why.1) {
        (true, _) => Exit::Missed,
        (false, true) => Exit::Fine,
        (false, false) => doubt.unwrap_or(Exit::Incomplete),
    })
}

/// Two snapshots, and what was sampled between them.
struct Taken {
    before: Snapshot,
    after: Snapshot,
    births: Births,
    allocations: Allocations,
}

/// What is wrong, and whether the objects could be seen.
fn judge(
    process: &Process,
    record: ProcessRecord,
    observed_seconds: f64,
    taken: Result<Taken, CliError>,
    limits: &Objectives,
    ctx: &Ctx,
) -> (Why, bool) {
    let same = ctx.looked.replaced_seconds().is_none();
    let rss = || record.samples.rss_bytes.iter().copied().flatten();
    let grown = rss().next().zip(rss().last()).map(|(first, last)| last as i64 - first as i64);
    let mut seen = Seen {
        rss_grown_bytes: grown,
        stopped: same && process.stat().is_ok_and(|stat| matches!(stat.state, 'T' | 't')),
        pid: record.identity.pid,
        python: record.interpreter.as_ref().map(|i| i.version.clone()),
        command: record.command,
        service: record.service,
        observed_seconds,
        growth_objective: limits.growth_bytes_per_second.map_or(GROWTH, |o| o.pass),
        criteria: &record.criteria,
        objectives_from: record.objectives_from.unwrap_or_default(),
        // A first threshold of zero is off too, whatever `gc.isenabled()` says.
        collector_on: record
            .interpreter
            .as_ref()
            .map(|i| i.gc_end.enabled && i.gc_end.generations[0].threshold > 0),
        headroom_bytes: Headroom::of(process.pid()).left_in_groups(),
        rss_bytes: rss().last(),
        children: Process::descendants(process.pid()).map_or(0, |all| all.len() as u64),
        ..Seen::default()
    };
    let Taken { before, after, births, allocations } = match taken {
        Ok(both) => both,
        Err(error) => {
            seen.no_snapshot = Some(error.explain(ctx.lang).message);
            return (Why::of(seen), false);
        }
    };
    let diff = m5_heap::diff_with_births(&before, &after, &births);
    let options = SummaryOptions { top: 20, held: 0, ..SummaryOptions::default() };
    let heap = summarize(&after, &options);
    seen.diff = Some(&diff);
    seen.heap = Some(&heap);
    let coarse = coarse_line(&allocations, Style { lang: ctx.lang, color: false });
    let refused = allocations.reason.map(|reason| match coarse {
        Some(coarse) => format!("{reason}; {coarse}"),
        None => reason,
    });
    seen.no_lines = refused.or_else(|| unnamed(diff.culprits.first()?, ctx.lang));
    let full = before.info.full_collections.zip(after.info.full_collections);
    seen.full_collections = full.map(|(before, after)| after.saturating_sub(before));
    seen.coverage = after.info.coverage;
    seen.verdict = after.memory.as_ref().and_then(MemoryVerdict::of);
    seen.elsewhere = seen.verdict.and_then(|v| after.info.mostly_elsewhere(v.bytes).cloned());
    seen.returnable_bytes = m5_heap::trim::look(process).ok().map(|trim| trim.free_bytes());
    seen.through = after.never_freed_through();
    (Why::of(seen), true)
}
