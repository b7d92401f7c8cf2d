//! The commands. Each file reads its arguments, asks an engine, and hands values to a report.

pub(crate) mod baseline;
pub(crate) mod bench_run;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod fleet;
pub(crate) mod gc;
pub(crate) mod health;
pub(crate) mod leaks;
pub(crate) mod list;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod stress;
pub(crate) mod watch;

use crate::args::Command;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;

/// Runs what was asked for.
pub(crate) fn run(command: &Command, ctx: &Ctx) -> Result<Exit, CliError> {
    match command {
        Command::Baseline(args) => baseline::run(args, ctx),
        Command::BenchRun(args) => bench_run::run(args, ctx),
        Command::Check(args) => check::run(args, ctx),
        Command::Compare(args) => compare::run(args, ctx),
        Command::Gc(args) => gc::run(args, ctx),
        Command::Health(args) => health::run(args, ctx),
        Command::Leaks(args) => leaks::run(args, ctx),
        Command::List(args) => list::run(args, ctx),
        Command::Fleet(args) => fleet::run(args, ctx),
        Command::Rules(args) => rules::run(args, ctx),
        Command::Serve(args) => serve::run(args, ctx),
        Command::Snapshot(args) => snapshot::run(args, ctx),
        Command::Diff(args) => diff::run(args, ctx),
        Command::Watch(args) => watch::run(args, ctx),
        Command::Stress(args) => stress::run(args, ctx),
        Command::Completions(args) => completions::run(args, ctx),
    }
}
