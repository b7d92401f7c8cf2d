//! `m5 compare`: two recordings side by side; a regression exits with 1.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::{documents, objectives};
use clap::Args;
use m5_agent::compare::compare;
use m5_stats::GateVerdict;
use std::path::PathBuf;

/// Arguments of `m5 compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 0 if nothing got worse by more than the threshold, 1 if something did, 6 if a metric is
missing on one side.")]
pub(crate) struct CompareArgs {
    /// The new recording
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The recording to compare it with
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// How much worse a metric may be, percent
    #[arg(long, default_value_t = 15.0, value_name = "PERCENT", value_parser = percent, env = "M5_THRESHOLD")]
    threshold: f64,
}

pub(crate) fn run(args: &CompareArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    let new = documents::read(&args.new, &objectives)?;
    let old = documents::read(&args.old, &objectives)?;
    let names = (args.new.display().to_string(), args.old.display().to_string());
    let comparison = compare((&names.0, &new), (&names.1, &old), args.threshold / 100.0);
    ctx.emit_document(json, &comparison, |style| m5_report::text::compare(&comparison, style))?;
    Ok(exit(comparison.verdict))
}

/// How a comparison ends.
pub(crate) fn exit(verdict: GateVerdict) -> Exit {
    match verdict {
        GateVerdict::Pass => Exit::Fine,
        GateVerdict::Regression => Exit::Missed,
        GateVerdict::Inconclusive | GateVerdict::Missing => Exit::Incomplete,
    }
}

/// A percentage that makes sense as a threshold.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim();
    let value: f64 = number.parse().map_err(|_| "not a percentage: use 15 or 15%".to_owned())?;
    if (0.0..=10_000.0).contains(&value) { Ok(value) } else { Err("must be between 0 and 10000".to_owned()) }
}
