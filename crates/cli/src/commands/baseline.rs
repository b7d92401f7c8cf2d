//! `m5 baseline`: record a process and say what it does.

use crate::args::{Span, TargetArgs, parse_ratio};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::Bar;
use crate::signals::Stop;
use crate::{documents, objectives, output, page, target};
use clap::Args;
use m5_agent::compare::compare;
use m5_agent::history::Query;
use m5_agent::record::{RecordOptions, record};
use m5_agent::workload::WorkloadSource;
use m5_report::doc::{Baseline, Criterion, End};
use m5_report::text;
use m5_report::texts::{Record, Say};
use m5_stats::objectives::COMPARE_THRESHOLD;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `m5 baseline`.
#[derive(Debug, Args)]
pub(crate) struct BaselineArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to record; Ctrl-C ends earlier and keeps what was seen
    #[arg(short, long, default_value = "30m", env = "M5_DURATION")]
    duration: Span,
    /// Time between samples [default: 1s, longer where the recording is longer than an hour]
    #[arg(long, env = "M5_INTERVAL")]
    interval: Option<Span>,
    /// Save the recording here, whole, for `m5 check` and `m5 compare`
    #[arg(long, value_name = "FILE", env = "M5_SAVE")]
    save: Option<PathBuf>,
    /// Write the page with its charts to this file: one file, for any browser, with nothing to fetch
    #[arg(long, value_name = "FILE", env = "M5_HTML")]
    html: Option<PathBuf>,
    /// Record nothing: take the samples from a history that `m5 serve` or `m5 watch` keeps
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["command", "duration", "interval", "subprocesses", "pauses"])]
    from_history: Option<PathBuf>,
    /// Of the history only services whose name matches (`*` and `?`); several times for several
    #[arg(long, value_name = "GLOB", requires = "from_history")]
    name: Vec<String>,
    /// Of the history only the last so much
    #[arg(long, value_name = "SPAN", requires = "from_history")]
    since: Option<Span>,
    /// Compare with this recording
    #[arg(long, value_name = "FILE", env = "M5_COMPARE")]
    compare: Option<PathBuf>,
    /// Record child processes too, also those that are born meanwhile
    #[arg(short, long, env = "M5_SUBPROCESSES")]
    subprocesses: bool,
    /// Trace every GC pause, or only count collections [default: trace of at most 8 processes]
    #[arg(long, value_name = "BOOL", env = "M5_PAUSES")]
    pauses: Option<bool>,
    /// The most that tracing may add to the target's CPU; above it a fair sample of the pauses is seen
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_ratio, env = "M5_MAX_OVERHEAD")]
    max_overhead: f64,
    /// Hold growth against this load instead of CPU time: a file that begins with a number, or a metric of a
    /// Prometheus endpoint, as in http://127.0.0.1:8000/metrics#orders_total
    #[arg(long, alias = "load", value_name = "FILE|URL#METRIC", env = "M5_WORKLOAD")]
    workload: Option<WorkloadSource>,
}

/// Samples of a recording whose interval nobody chose.
const SAMPLES: u32 = 3600;
/// What a comparison calls the recording that was made just now.
const CURRENT: &str = "current";

pub(crate) fn run(args: &BaselineArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    // A recording that could not be saved or compared in the end would be a pity: look before.
    let old = args
        .compare
        .as_deref()
        .map(|path| Ok::<_, CliError>((path.display().to_string(), documents::read(path, &objectives)?)));
    let old = old.transpose()?;
    for path in args.save.iter().chain(&args.html) {
        output::check_writable(path)?;
    }
    if let Some(workload) = &args.workload {
        workload.check()?;
    }
    let (mut baseline, doubts) = match &args.from_history {
        Some(path) => (replayed(path, args)?, None),
        None => recorded(args, ctx)?,
    };
    m5_agent::derive::complete(&mut baseline, &objectives);
    for process in &baseline.processes {
        if let Some(log) = &process.pauses {
            let why = log.choice.as_ref().map(|c| text::why(c, ctx.lang)).unwrap_or_default();
            ctx.detail(Say::PausesBy, &[&process.identity.pid, &why]);
        }
    }
    if let Some(path) = &args.save {
        documents::save(path, &baseline)?;
        ctx.note(Record::Saved, &[&path.display()]);
    }
    if let Some(path) = &args.html {
        page::save(path, &m5_agent::page::saved(&baseline, &objectives), ctx)?;
    }
    baseline.comparison =
        old.map(|(name, old)| compare((CURRENT, &baseline), (&name, &old), COMPARE_THRESHOLD));
    ctx.emit_document(json, &baseline, |style| text::baseline(&baseline, style))?;
    Ok(match exit(&baseline)? {
        Exit::Fine => doubts.unwrap_or(Exit::Fine),
        other => other,
    })
}

/// What a history holds of those who were asked for.
fn replayed(path: &Path, args: &BaselineArgs) -> Result<Baseline, CliError> {
    let query = Query { since: args.since.map(|s| s.0), pids: args.target.pids()?, names: args.name.clone() };
    m5_agent::history::read(path, &query).map_err(CliError::History)
}

/// Records, and says how m5 ends where something in a process could not be read.
fn recorded(args: &BaselineArgs, ctx: &Ctx) -> Result<(Baseline, Option<Exit>), CliError> {
    let stop = Stop::listen();
    let chosen = target::several(&args.target, ctx)?;
    let doubts = chosen.doubts(ctx)?;
    let least = Duration::from_secs(1).max(args.duration.0 / SAMPLES);
    let options = RecordOptions {
        duration: args.duration.0,
        interval: args.interval.map_or(least, |i| i.0).max(Duration::from_millis(10)),
        children: args.subprocesses,
        pauses: args.pauses,
        max_overhead: Some(args.max_overhead),
        stacks_above: None,
        workload: args.workload.clone(),
    };
    let bar = Bar::new(ctx, args.duration.0);
    let mut said = false;
    let recorded = record(&chosen.processes, &options, &mut |progress| {
        if !std::mem::replace(&mut said, true) {
            ctx.detail(Say::Recording, &[&progress.running]);
        }
        bar.show(progress);
        ctx.looked.begun() && !stop.asked()
    });
    bar.clear();
    ctx.looked.recorded()?;
    let mut baseline = recorded?;
    // A command that m5 started itself may end when it is done.
    baseline.recorded.ended_early =
        baseline.recorded.end == End::TargetExited && args.target.command.is_empty();
    Ok((baseline, doubts))
}

/// An objective that is missed or a regression is told first; a recording that saw nothing, or less than was asked for
/// because the target ended, is incomplete.
fn exit(baseline: &Baseline) -> Result<Exit, CliError> {
    let seen = baseline.processes.iter().any(|p| !p.samples.is_empty());
    let compared = baseline.comparison.as_ref().map_or(Exit::Fine, |c| super::compare::exit(c.verdict));
    match (seen, baseline.recorded.end) {
        (true, _) if compared == Exit::Missed => Ok(Exit::Missed),
        (true, _) if baseline.processes.iter().flat_map(|p| &p.criteria).any(Criterion::missed) => {
            Ok(Exit::Missed)
        }
        (true, _) if baseline.recorded.ended_early => Ok(Exit::Incomplete),
        (true, _) => Ok(compared),
        (false, End::TargetExited) => Err(CliError::EndedEarly),
        (false, _) => Ok(Exit::Incomplete),
    }
}
