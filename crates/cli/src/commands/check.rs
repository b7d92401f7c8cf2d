//! `m5 check`: the completion criteria against a recording. What was not measured does not pass.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::{documents, objectives};
use clap::Args;
use m5_report::doc::{CHECK_SCHEMA, Check, CheckedProcess, Criterion, ProcessRecord};
use m5_stats::{Objective, Status};
use std::path::PathBuf;

/// Arguments of `m5 check`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 0 if every criterion is measured and met, 1 if one is missed, 6 if one was not measured or the \
process ended or executed another program before the time was over.")]
pub(crate) struct CheckArgs {
    /// A recording of `m5 baseline --save FILE`; `-` is standard input
    #[arg(value_name = "BASELINE.json")]
    file: PathBuf,
}

/// The criteria of completion. Connections and the growth per minute are matters of a running service.
const CRITERIA: [&str; 11] = [
    "rss_peak_bytes",
    "rss_limit_ratio",
    "cgroup_peak_ratio",
    "cpu_throttled_ratio",
    "gc_pause_p95_seconds",
    "open_fds",
    "fd_limit_ratio",
    "growth_24h_ratio",
    "gc_gen0_per_second",
    "gc_gen1_per_second",
    "gc_gen2_per_second",
];

pub(crate) fn run(args: &CheckArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    // "Under 500 descriptors" is the criterion; too few of them is a matter of health.
    let objectives = objectives.each(|all| all.open_fds = all.open_fds.map(|o| Objective { low: None, ..o }));
    let baseline = documents::read(&args.file, &objectives)?;
    let early = baseline.recorded.ended_early;
    let processes: Vec<CheckedProcess> = baseline.processes.into_iter().map(|p| checked(p, early)).collect();
    let any = |pick: fn(&Criterion) -> bool| processes.iter().flat_map(|p| &p.criteria).any(pick);
    let missed = any(Criterion::missed);
    let cut = early || processes.iter().any(|p| p.re_executed_seconds.is_some());
    let unmeasured = cut || any(|c| c.told() && c.status == Status::NotMeasured);
    let check = Check {
        schema: CHECK_SCHEMA.to_owned(),
        file: args.file.display().to_string(),
        passed: !missed && !unmeasured,
        objectives_from: objectives.general().1.clone(),
        processes,
    };
    ctx.emit_document(json, &check, |style| m5_report::text::check(&check, style))?;
    Ok(match (missed, unmeasured) {
        (true, _) => Exit::Missed,
        (false, true) => Exit::Incomplete,
        (false, false) => Exit::Fine,
    })
}

fn checked(process: ProcessRecord, early: bool) -> CheckedProcess {
    let derived = process.derived.unwrap_or_default();
    let of = |name: &&'static str| {
        let name = *name;
        process.criteria.iter().filter(move |c| c.name == name).cloned()
    };
    CheckedProcess {
        pid: process.identity.pid,
        observed_seconds: derived.observed_seconds,
        re_executed_seconds: process.re_executed_seconds,
        ended_early: early && process.exited,
        verdict: derived.growth.get("rss").map(|a| a.verdict),
        objectives_from: process.objectives_from.unwrap_or_default(),
        criteria: CRITERIA.iter().flat_map(of).collect(),
        leak_detection: derived.leak_detection,
        layers: derived.layers,
    }
}
