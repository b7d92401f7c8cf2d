//! `m5 bench-run`: fresh processes of a command, base and new in turns, and a gate that fails only on proof.

use crate::args::{Format, forms};
use crate::commands::compare::{self, percent};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::{documents, output};
use clap::Args;
use m5_agent::gate::gate_runs;
use m5_agent::runs::{RunError, measure};
use m5_report::doc::{RUNS_SCHEMA, Runs};
use m5_report::texts::Bench;
use m5_stats::{GateConfig, GateVerdict};
use std::ffi::OsString;
use std::path::PathBuf;

/// Arguments of `m5 bench-run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every run is a fresh process with the same hash seed; a few lines of Python inside it write down, as the last \
thing it does, what it holds (PYTHONPATH gets a folder with a sitecustomize module). Nothing else is changed.

With --base or --base-runs: 0 if nothing got worse by more than the threshold, 1 if something provably did or \
could not be measured, 6 if even 15 runs a side decide nothing.")]
pub(crate) struct BenchRunArgs {
    /// Runs a side to begin with; 10 and 15 follow while undecided
    #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    runs: u64,
    /// The command to compare with, run by `sh -c`, in turns with the new one
    #[arg(long, value_name = "CMD", conflicts_with = "base_runs")]
    base: Option<String>,
    /// Saved runs to compare with
    #[arg(long, value_name = "FILE")]
    base_runs: Option<PathBuf>,
    /// Save the runs of the new command here
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Save the runs of the base here: `m5 compare` then shows both in any form
    #[arg(long, value_name = "FILE", requires = "base")]
    save_base: Option<PathBuf>,
    /// How much worse a metric may be, percent
    #[arg(long, default_value_t = 15.0, value_name = "PERCENT", value_parser = percent, env = "M5_THRESHOLD")]
    threshold: f64,
    /// How much higher the peak of RSS may be, percent; as --threshold unless given
    #[arg(long, value_name = "PERCENT", value_parser = percent, env = "M5_PEAK_THRESHOLD")]
    peak_threshold: Option<f64>,
    /// PYTHONHASHSEED of every run
    #[arg(long, default_value_t = 0)]
    hash_seed: u32,
    /// The command to measure
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A gate stops asking for more at so many runs a side.
const MOST: u64 = 15;
/// Runs that are added while undecided.
const MORE: u64 = 5;

pub(crate) fn run(args: &BenchRunArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let form = ctx.format_among(forms::COMPARE)?;
    for path in args.save.iter().chain(&args.save_base) {
        output::check_writable(path)?;
    }
    let base_command = args.base.as_ref().map(|cmd| ["sh", "-c", cmd].map(OsString::from).to_vec());
    let saved = args.base_runs.as_deref().map(documents::read_runs_file).transpose()?;
    let mut new = empty(shown(&args.command), args.hash_seed);
    let mut base =
        saved.clone().unwrap_or_else(|| empty(args.base.clone().unwrap_or_default(), args.hash_seed));
    let mut wanted = args.runs;
    let comparison = loop {
        take_turns(args, base_command.as_deref(), &mut base, &mut new, wanted, ctx)?;
        if base.runs.is_empty() {
            break None;
        }
        let threshold = args.threshold / 100.0;
        // Without a base command nothing is added: the runs are judged once.
        let config = if base_command.is_some() { GateConfig::looks } else { GateConfig::one_look };
        let peak = args.peak_threshold.map(|p| p / 100.0);
        let comparison = gate_runs(&base, &new, &config(threshold).peak(peak));
        if comparison.verdict != GateVerdict::Inconclusive || base_command.is_none() || wanted >= MOST {
            break Some(comparison);
        }
        wanted = (wanted + MORE).min(MOST);
    };
    if let Some(path) = &args.save {
        documents::save_any(path, &new)?;
    }
    if let Some(path) = &args.save_base {
        documents::save_any(path, &base)?;
    }
    match comparison {
        Some(comparison) => compare::report(&comparison, form, ctx),
        None => report_runs(&new, form, ctx),
    }
}

/// Runs both sides in turns, so that a machine that slows down slows both, until each has as many as wanted.
fn take_turns(
    args: &BenchRunArgs,
    base_command: Option<&[OsString]>,
    base: &mut Runs,
    new: &mut Runs,
    wanted: u64,
    ctx: &Ctx,
) -> Result<(), CliError> {
    for i in new.runs.len() as u64..wanted {
        ctx.detail(Bench::Round, &[&(i + 1), &wanted]);
        let one = |command: &[OsString]| measure(command, args.hash_seed).map_err(CliError::from);
        // Who goes first takes turns too.
        let base_first = || base_command.map(one).transpose();
        if i % 2 == 0 {
            base.runs.extend(base_first()?);
            new.runs.push(one(&args.command)?);
        } else {
            new.runs.push(one(&args.command)?);
            base.runs.extend(base_first()?);
        }
    }
    Ok(())
}

fn report_runs(runs: &Runs, form: Format, ctx: &Ctx) -> Result<Exit, CliError> {
    if !matches!(form, Format::Text | Format::Json) {
        return Err(CliError::Format { known: "text, json (the others show a comparison)".to_owned() });
    }
    ctx.emit_document(form == Format::Json, runs, |style| m5_report::text::runs(runs, style))?;
    let measured = runs.runs.iter().all(|r| r.gc_objects.is_some());
    Ok(if measured { Exit::Fine } else { Exit::Incomplete })
}

fn empty(command: String, hash_seed: u32) -> Runs {
    Runs { schema: RUNS_SCHEMA.to_owned(), command, hash_seed, runs: Vec::new() }
}

/// A command for people.
pub(crate) fn shown(command: &[OsString]) -> String {
    command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Start { command, reason } => Self::Spawn { command, reason },
            RunError::Failed { command, status } => Self::RunFailed { command, status },
            RunError::NotPython => Self::NotIterable,
            RunError::Files(error) => Self::Kernel { message: error.to_string() },
        }
    }
}
