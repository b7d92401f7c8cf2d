//! `m5 compare`: two recordings side by side, or several a side; a regression exits with 1.

use crate::args::{Format, forms};
use crate::ctx::Ctx;
use crate::documents::Stored;
use crate::error::CliError;
use crate::exit::Exit;
use crate::{documents, objectives};
use clap::Args;
use m5_agent::compare::compare_runs;
use m5_agent::gate::gate_runs;
use m5_report::doc::{Baseline, Comparison, Runs};
use m5_report::gate;
use m5_report::text::Style;
use m5_stats::{GateConfig, GateVerdict};
use std::path::PathBuf;

/// Arguments of `m5 compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Recordings of `m5 baseline --save` or runs of `m5 bench-run --save`. With one recording a side the plain ratio \
decides; with several, a regression is called only where it is proved (a one-sided bound of the Hodges-Lehmann \
ratio beyond the threshold).

The exit code is 0 if nothing got worse by more than the threshold, 1 if something did or a metric is missing on \
one side, 6 if neither is proved, or a recording ended midway because its process ended or executed another program.")]
pub(crate) struct CompareArgs {
    /// The new recording
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The recording to compare it with
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// One more recording of the new side; may be given again
    #[arg(long = "new", value_name = "FILE")]
    more_new: Vec<PathBuf>,
    /// One more recording of the old side; may be given again
    #[arg(long = "old", value_name = "FILE")]
    more_old: Vec<PathBuf>,
    /// How much worse a metric may be, percent
    #[arg(long, default_value_t = 15.0, value_name = "PERCENT", value_parser = percent, env = "M5_THRESHOLD")]
    threshold: f64,
    /// How much higher the peak of RSS may be, percent; as --threshold unless given
    #[arg(long, value_name = "PERCENT", value_parser = percent, env = "M5_PEAK_THRESHOLD")]
    peak_threshold: Option<f64>,
}

/// The forms of a comparison.
pub(crate) fn run(args: &CompareArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let form = ctx.format_among(forms::COMPARE)?;
    let objectives = objectives::objectives(ctx)?;
    let read = |first: &PathBuf, more: &[PathBuf]| -> Result<Vec<(String, Stored)>, CliError> {
        let paths = std::iter::once(first).chain(more);
        paths.map(|p| Ok((p.display().to_string(), documents::read_any(p, &objectives)?))).collect()
    };
    let (new, old) = (read(&args.new, &args.more_new)?, read(&args.old, &args.more_old)?);
    let peak = args.peak_threshold.map(|p| p / 100.0);
    let config = GateConfig::one_look(args.threshold / 100.0).peak(peak);
    let comparison = match (recordings(&new), recordings(&old)) {
        (Some(new), Some(old)) => compare_runs(&new, &old, &config),
        _ => match (runs(&new), runs(&old)) {
            (Some(new), Some(old)) => gate_runs(&old, &new, &config),
            _ => return Err(CliError::Mixed),
        },
    };
    report(&comparison, form, ctx)
}

fn recordings(side: &[(String, Stored)]) -> Option<Vec<(&str, &Baseline)>> {
    let mut all = Vec::with_capacity(side.len());
    for (name, stored) in side {
        let Stored::Baseline(baseline) = stored else { return None };
        all.push((name.as_str(), baseline.as_ref()));
    }
    Some(all)
}

/// All runs of a side as one.
fn runs(side: &[(String, Stored)]) -> Option<Runs> {
    let mut all: Option<Runs> = None;
    for (name, stored) in side {
        let Stored::Runs(runs) = stored else { return None };
        match &mut all {
            Some(all) => {
                all.command = format!("{}, {name}", all.command);
                all.runs.extend(&runs.runs);
            }
            None => all = Some(Runs { command: name.clone(), ..runs.clone() }),
        }
    }
    all
}

/// Writes a comparison in the form asked for, and says how to end.
pub(crate) fn report(comparison: &Comparison, form: Format, ctx: &Ctx) -> Result<Exit, CliError> {
    let style = Style { lang: ctx.lang, color: ctx.color };
    match form {
        Format::Markdown => ctx.emit(&gate::markdown(comparison, style))?,
        Format::Github => ctx.emit(&gate::github(comparison, style))?,
        Format::Junit => ctx.emit(&gate::junit(comparison, style))?,
        form => ctx.emit_document(form == Format::Json, comparison, |style| {
            m5_report::text::compare(comparison, style)
        })?,
    }
    Ok(exit(comparison.verdict))
}

/// How a comparison ends. What is missing fails: a gate that passes where nothing was measured is none.
pub(crate) fn exit(verdict: GateVerdict) -> Exit {
    match verdict {
        GateVerdict::Pass => Exit::Fine,
        GateVerdict::Regression | GateVerdict::Missing => Exit::Missed,
        GateVerdict::Inconclusive => Exit::Incomplete,
    }
}

/// A percentage that makes sense as a threshold.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim();
    let value: f64 = number.parse().map_err(|_| "not a percentage: use 15 or 15%".to_owned())?;
    if (0.0..=10_000.0).contains(&value) { Ok(value) } else { Err("must be between 0 and 10000".to_owned()) }
}
