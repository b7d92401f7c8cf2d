//! `m5 health`: one line per objective after two seconds of looking.

use crate::args::{Span, TargetArgs};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use crate::{objectives, target};
use clap::Args;
use m5_agent::record::{RecordOptions, record};
use m5_process::Process;
use m5_report::doc::{Criterion, HEALTH_SCHEMA, Health, Lack};
use m5_stats::Status;
use std::time::Duration;

/// Arguments of `m5 health`.
#[derive(Debug, Args)]
#[command(after_help = "\
Growth cannot be told in seconds; `m5 baseline` tells it. The exit code is 0 if every objective that could be \
measured is met, 1 if one is missed, 6 if the interpreter or its pauses could not be read, or somebody has stopped the process.")]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to look
    #[arg(short, long, default_value = "2s")]
    duration: Span,
}

/// What tracing may add to the target's CPU in so short a time.
const OVERHEAD: f64 = 0.05;
/// Samples in that time: enough for a rate.
const SAMPLES: u32 = 8;

/// How one process is recorded for a short time, in so many samples.
pub(crate) fn short(duration: Duration, samples: u32, max_overhead: f64) -> RecordOptions {
    RecordOptions {
        duration,
        interval: (duration / samples).max(Duration::from_millis(10)),
        children: false,
        pauses: Some(true),
        max_overhead: Some(max_overhead),
        stacks_above: None,
        workload: None,
    }
}

pub(crate) fn run(args: &HealthArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    let stop = Stop::listen();
    let (process, launched) = target::one(&args.target, ctx)?;
    let doubt = target::doubt(&process, ctx)?;
    let options = short(args.duration.0, SAMPLES, OVERHEAD);
    let mut baseline = record(&[process], &options, &mut |_| ctx.looked.begun() && !stop.asked())?;
    ctx.looked.recorded()?;
    drop(launched);
    m5_agent::derive::complete(&mut baseline, &objectives);
    let observed_seconds = baseline.recorded.observed_seconds;
    let record = baseline.processes.into_iter().next().ok_or(CliError::NoTarget)?;
    if record.samples.is_empty() {
        return Err(CliError::Gone { pid: record.identity.pid });
    }
    let looked_at = Process::open(record.identity.pid).ok();
    let stopped =
        looked_at.is_some_and(|p| target::stands_still(&p)) && ctx.looked.replaced_seconds().is_none();
    let health = Health {
        schema: HEALTH_SCHEMA.to_owned(),
        pid: record.identity.pid,
        python: record.interpreter.map(|i| i.version),
        command: record.command,
        service: record.service,
        observed_seconds,
        re_executed_seconds: record.re_executed_seconds,
        stopped,
        healthy: exit(&record.criteria) == Exit::Fine && !stopped,
        criteria: record.criteria,
        objectives_from: record.objectives_from.unwrap_or_default(),
        derived: record.derived.unwrap_or_default(),
        application: record.application,
        unread: record.unread,
    };
    ctx.emit_document(json, &health, |style| m5_report::text::health(&health, style))?;
    Ok(match (exit(&health.criteria), doubt) {
        (Exit::Missed, _) => Exit::Missed,
        (_, Some(doubt)) => doubt,
        (Exit::Fine, None) if stopped => Exit::Incomplete,
        (exit, None) => exit,
    })
}

fn exit(criteria: &[Criterion]) -> Exit {
    if criteria.iter().any(Criterion::missed) {
        return Exit::Missed;
    }
    let unread = |c: &Criterion| {
        let unread = [Lack::InterpreterUnread, Lack::NotTraced, Lack::NotReadable];
        c.told() && c.status == Status::NotMeasured && c.lack.is_some_and(|lack| unread.contains(&lack))
    };
    if criteria.iter().any(unread) { Exit::Incomplete } else { Exit::Fine }
}
