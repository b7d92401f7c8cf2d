//! What was typed. Nothing here is interpreted: `ctx` and the commands say what it means.

mod config_values;
mod duration;
mod history;
mod size;
mod target;

pub(crate) use config_values::{parse_rate_per_minute, parse_ratio};
pub(crate) use duration::{Span, parse_duration};
pub(crate) use history::HistoryArgs;
pub(crate) use size::parse_size;
pub(crate) use target::TargetArgs;

use crate::commands;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  an objective missed or a regression found
  2  wrong usage
  3  the target is gone
  4  no permission
  5  unsupported or unreadable target
  6  inconclusive or incomplete

Durations: 90, 30s, 5m, 24h. Sizes: 40MB, 40MiB (both are 1024 x 1024 bytes, as the objectives count).
Every global option can be given as M5_NAME in the environment; the option on the command line wins.";

/// Keeps long-running Python services flat: measures, explains and lowers memory use and GC pauses, from
/// outside, on an unmodified process.
#[derive(Debug, Parser)]
#[command(name = "m5", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command understands.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Language of reports and messages [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_enum, env = "M5_LANG")]
    pub(crate) lang: Option<LangArg>,
    /// Colours in text
    #[arg(long, global = true, value_enum, default_value_t, env = "M5_COLOR")]
    pub(crate) color: ColorArg,
    /// Say more about what is being done; twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print JSON: the same values, bytes and seconds
    #[arg(short, long, global = true, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Form of the report
    #[arg(short, long, global = true, value_enum, env = "M5_FORMAT")]
    pub(crate) format: Option<Format>,
    /// Write the report to this file instead of standard output (`-`)
    #[arg(short, long, global = true, value_name = "FILE", env = "M5_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Objectives [default: m5.toml in this directory, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "M5_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// Languages by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangArg {
    /// English
    En,
    /// 中文
    Zh,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Forms of a report. A command refuses those that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// A table for a comment on a pull request
    Markdown,
    /// Annotations in the log of a GitHub workflow
    Github,
    /// Test results for a CI
    Junit,
    /// For Perfetto and chrome://tracing
    Chrome,
    /// One page for a browser, with nothing to fetch
    Html,
    /// For `go tool pprof`, speedscope, Pyroscope (gzipped)
    Pprof,
    /// Folded stacks for flame graphs
    Folded,
    /// For the memory panel of Chrome's developer tools
    Heapsnapshot,
}

impl Format {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

/// The commands, one file each below `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The Python processes of this machine, and whether m5 can read them
    List(commands::list::ListArgs),
    /// Record a process: memory, CPU, descriptors, connections, every GC pause; say whether it grows
    Baseline(commands::baseline::BaselineArgs),
    /// One line per objective after two seconds of looking
    Health(commands::health::HealthArgs),
    /// Every collection and its pause, exact; the collector's settings; tuning that is measured
    Gc(commands::gc::GcArgs),
    /// Hold a recorded baseline against the completion criteria
    Check(commands::check::CheckArgs),
    /// Two baselines side by side; a regression exits with 1
    Compare(commands::compare::CompareArgs),
    /// Fresh processes of a command, measured at their end; against a base, in turns
    BenchRun(commands::bench_run::BenchRunArgs),
    /// What each iteration of a workload keeps
    Leaks(commands::leaks::LeaksArgs),
    /// Which service and version of a fleet grows, asked of Prometheus
    Fleet(commands::fleet::FleetArgs),
    /// Prometheus alert rules made from the objectives
    Rules(commands::rules::RulesArgs),
    /// Export metrics of the Python processes of this machine, with a page to look at
    Serve(commands::serve::ServeArgs),
    /// What is in memory, who holds it, and where every byte of RSS went
    Snapshot(commands::snapshot::SnapshotArgs),
    /// What grew between two snapshots, and who holds it
    Diff(commands::diff::DiffArgs),
    /// The watchdog: rules on a service, evidence first, everything written down
    Watch(commands::watch::WatchArgs),
    /// Hours under load, with a check each hour: does it grow?
    Stress(commands::stress::StressArgs),
    /// The Python processes of this machine, live in the terminal
    Top(commands::top::TopArgs),
    /// Completions for a shell
    Completions(commands::completions::CompletionsArgs),
}
