//! The commands. Each file reads its arguments, asks an engine, and hands values to a report.

pub(crate) mod alloc;
pub(crate) mod baseline;
pub(crate) mod bench_run;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod dump;
mod examples;
pub(crate) mod fleet;
pub(crate) mod gc;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod leaks;
pub(crate) mod list;
pub(crate) mod manual;
pub(crate) mod refused;
mod rules;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod stalls;
pub(crate) mod stress;
pub(crate) mod top;
pub(crate) mod trim;
pub(crate) mod tune;
pub(crate) mod watch;
pub(crate) mod why;

use crate::args::GlobalArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
#[command(name = "m5", version = version(), after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The version, with the commit where the build named one (`M5_COMMIT`).
fn version() -> &'static str {
    static VERSION: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    VERSION.get_or_init(|| {
        let commit = option_env!("M5_COMMIT").filter(|commit| !commit.is_empty());
        let commit = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
        format!("{}{commit}", env!("CARGO_PKG_VERSION"))
    })
}

/// The command line with its examples, and with the forms of report that each command has.
pub(crate) fn command() -> clap::Command {
    crate::args::forms::add(examples::add(Cli::command()))
}

/// Reads what was typed.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&examples::first(command()).try_get_matches()?)
}

/// The commands, one file each in this folder.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The Python processes of this machine, and whether m5 can read them
    List(list::ListArgs),
    /// Record a process: memory, CPU, descriptors, connections, every GC pause; say whether it grows
    Baseline(baseline::BaselineArgs),
    /// What is wrong with a process, the evidence, and what to type next: half a minute, twelve lines
    Why(why::WhyArgs),
    /// One line per objective after two seconds of looking
    Health(health::HealthArgs),
    /// An m5.toml for this service, from what is measured
    Init(init::InitArgs),
    /// What every thread and asyncio task does now: stacks with lines, who holds the GIL; nothing is stopped
    Dump(dump::DumpArgs),
    /// Every collection and its pause, exact; the collector's settings; tuning that is measured
    Gc(gc::GcArgs),
    /// Which lines allocate, and how much of it survives
    Alloc(alloc::AllocArgs),
    /// How long each turn of the event loop takes, and what the long ones were doing
    Stalls(stalls::StallsArgs),
    /// Hold a recorded baseline against the completion criteria
    Check(check::CheckArgs),
    /// Two baselines side by side; a regression exits with 1
    Compare(compare::CompareArgs),
    /// Fresh processes of a command, measured at their end; against a base, in turns
    BenchRun(bench_run::BenchRunArgs),
    /// What each iteration of a workload keeps
    Leaks(leaks::LeaksArgs),
    /// Which service and version of a fleet grows, asked of Prometheus
    Fleet(fleet::FleetArgs),
    /// Prometheus alert rules made from the objectives
    Rules(rules::RulesArgs),
    /// Export metrics of the Python processes of this machine, with a page to look at
    Serve(serve::ServeArgs),
    /// What is in memory, who holds it, and where every byte of RSS went
    Snapshot(snapshot::SnapshotArgs),
    /// What grew between two snapshots, and who holds it
    Diff(diff::DiffArgs),
    /// Give memory back that is free and was not returned, in short stops, and prove it
    Trim(trim::TrimArgs),
    /// Try settings of the allocator on fresh processes, and recommend only what is proved
    Tune(tune::TuneArgs),
    /// The watchdog: rules on a service, evidence first, everything written down
    Watch(watch::WatchArgs),
    /// Hours under load, with a check each hour: does it grow?
    Stress(stress::StressArgs),
    /// The Python processes of this machine, live in the terminal
    Top(top::TopArgs),
    /// Completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages and completions that a package installs
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

impl Command {
    /// Whether it looks at processes that run already, starts none, and ends.
    pub(crate) fn looks_and_ends(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Health(_)
                | Self::Dump(_)
                | Self::Gc(_)
                | Self::Snapshot(_)
                | Self::Diff(_)
                | Self::Why(_)
                | Self::Alloc(_)
                | Self::Stalls(_)
                | Self::Trim(_)
        )
    }

    /// Whether it looks at processes that run already.
    pub(crate) fn looks_at_processes(&self) -> bool {
        let stays = matches!(self, Self::Baseline(_) | Self::Serve(_) | Self::Watch(_) | Self::Top(_));
        stays || self.looks_and_ends()
    }
}

/// Runs what was asked for.
pub(crate) fn run(command: &Command, ctx: &Ctx) -> Result<Exit, CliError> {
    match command {
        Command::Alloc(args) => alloc::run(args, ctx),
        Command::Stalls(args) => stalls::run(args, ctx),
        Command::Baseline(args) => baseline::run(args, ctx),
        Command::BenchRun(args) => bench_run::run(args, ctx),
        Command::Check(args) => check::run(args, ctx),
        Command::Compare(args) => compare::run(args, ctx),
        Command::Dump(args) => dump::run(args, ctx),
        Command::Gc(args) => gc::run(args, ctx),
        Command::Health(args) => health::run(args, ctx),
        Command::Init(args) => init::run(args, ctx),
        Command::Leaks(args) => leaks::run(args, ctx),
        Command::List(args) => list::run(args, ctx),
        Command::Fleet(args) => fleet::run(args, ctx),
        Command::Rules(args) => rules::run(args, ctx),
        Command::Serve(args) => serve::run(args, ctx),
        Command::Snapshot(args) => snapshot::run(args, ctx),
        Command::Diff(args) => diff::run(args, ctx),
        Command::Watch(args) => watch::run(args, ctx),
        Command::Why(args) => why::run(args, ctx),
        Command::Stress(args) => stress::run(args, ctx),
        Command::Top(args) => top::run(args, ctx),
        Command::Trim(args) => trim::run(args, ctx),
        Command::Tune(args) => tune::run(args, ctx),
        Command::Completions(args) => completions::run(args, &mut self::command(), ctx),
        Command::Manual(args) => manual::run(args, &self::command()),
    }
}
