//! Verdicts on series that m5 was not built on: generators of their own, and real machines.
//!
//! ```text
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --held-out
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --events --seed 77
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --held-out --real FOLDER
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --held-out --weeks 20
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --programs --traces 60 --seed 7001
//! cargo run --release -p m5-bench-verdicts --bin unseen -- --workloads --traces 60 --seed 12001
//! ```
#![allow(clippy::indexing_slicing)]

mod cases;
mod export;
mod score;
mod weeks;

use cases::Case;
use clap::Parser;
use m5_bench_verdicts::{real, wide};
use score::{Score, Summary};
use std::io::Write;
use std::path::PathBuf;

/// False alarms, recall, abstention, coverage and pinball loss on series that no constant was chosen on.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Series per family.
    #[arg(long, default_value_t = 200)]
    traces: usize,
    /// Seed of the generators (1 is the one that constants were chosen on).
    #[arg(long, default_value_t = 11)]
    seed: u64,
    /// Seconds watched.
    #[arg(long, default_value_t = 21_600.0)]
    window: f64,
    /// Seconds between samples.
    #[arg(long, default_value_t = 15.0)]
    every: f64,
    /// Only what is held out.
    #[arg(long)]
    held_out: bool,
    /// Only what is not.
    #[arg(long, conflicts_with = "held_out")]
    tuning: bool,
    /// Families of the third set, that are run event by event, in place of the second's.
    #[arg(long)]
    events: bool,
    /// Families of the fourth set: services of several parts.
    #[arg(long, conflicts_with = "events")]
    services: bool,
    /// Families of the fifth set, all of it held out: what watchers see of services in containers.
    #[arg(long, conflicts_with_all = ["events", "services"])]
    containers: bool,
    /// Families of the sixth set, all of it held out: the layers of a process.
    #[arg(long, conflicts_with_all = ["events", "services", "containers"])]
    layers: bool,
    /// Families of the seventh set, all of it held out: small programs that are run.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers"])]
    programs: bool,
    /// Families of the eighth set, all of it held out: habits of programs.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers", "programs"])]
    habits: bool,
    /// Families of the ninth set, all of it held out: what runtimes, allocators and kernels do.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers", "programs", "habits"])]
    runtimes: bool,
    /// Families of the tenth set: what applications do.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers", "programs", "habits", "runtimes"])]
    applications: bool,
    /// Families of the eleventh set, all of it held out: what services of other kinds do.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers", "programs", "habits", "runtimes", "applications"])]
    workloads: bool,
    /// A few kinds of processes, drawn widely: to learn from.
    #[arg(long, conflicts_with_all = ["events", "services", "containers", "layers", "programs", "habits", "runtimes"])]
    drawn: bool,
    /// Only healthy families.
    #[arg(long)]
    healthy: bool,
    /// Only families whose name contains one of these, separated by `/`.
    #[arg(long, default_value = "")]
    only: String,
    /// Real series: a folder of files with lines `seconds,value`, judged by windows of `--window`.
    #[arg(long)]
    real: Option<PathBuf>,
    /// Watch this many healthy lives of a week a family, look by look.
    #[arg(long, default_value_t = 0)]
    weeks: usize,
    /// Write every series and its truth into a folder, for `rivals.py`.
    #[arg(long)]
    export: Option<PathBuf>,
    /// Write the blocks of every series and its truth into a table, for `ceiling.py`.
    #[arg(long)]
    table: Option<PathBuf>,
    /// Write the signs of every series, its forecast and its truth into a table, for `learn.py`.
    #[arg(long)]
    signs: Option<PathBuf>,
    /// Do not judge: only write what was asked for.
    #[arg(long)]
    only_write: bool,
    /// Print every series on standard error.
    #[arg(long)]
    show: bool,
}

impl Args {
    fn wants(&self, held_out: bool) -> bool {
        !(self.held_out && !held_out || self.tuning && held_out)
    }

    /// The families that are wanted.
    fn families(&self) -> impl Iterator<Item = Case> + '_ {
        let named = |name: &str| self.only.split('/').any(|part| name.contains(part));
        cases::all(self)
            .into_iter()
            .filter(move |c| named(c.name) && self.wants(c.held_out) && !(self.healthy && c.leaks))
    }

    fn seed(&self, case: &Case, i: usize) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(case.number * 7_919 + i as u64 * 104_729)
    }
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    if args.weeks > 0 {
        return weeks::run(&args, &mut out);
    }
    writeln!(out, "{:<28}{}", "", Score::HEADING)?;
    if let Some(folder) = &args.real {
        let mut score = Score::default();
        let mut signs = export::Signs::create(args.signs.as_deref())?;
        for series in real::read(folder)?.iter().filter(|r| args.wants(r.held_out)) {
            for (i, (points, later)) in
                real::windows(&series.points, args.window, wide::DAY).iter().enumerate()
            {
                let options = m5_stats::Options { started: Some(-1e9), ..Default::default() };
                signs.window(&format!("real {}", series.name), None, points, *later, &options)?;
                if !args.only_write {
                    let shown = score.real(points, *later, &options);
                    if args.show {
                        eprintln!("{}\t{i}\t{shown}", series.name);
                    }
                }
                export::write(&args, &format!("{}-{i}", series.name), points, *later, 0.0)?;
            }
        }
        return writeln!(out, "{:<28}{score}", "real");
    }
    let mut summary = Summary::default();
    let mut table = export::Table::create(args.table.as_deref())?;
    let mut signs = export::Signs::create(args.signs.as_deref())?;
    for case in args.families() {
        let name = case.name;
        let mut score = Score::default();
        for i in 0..args.traces {
            let trace = (case.trace)(args.seed(&case, i), args.window, args.every);
            table.add(name, case.leaks, &trace)?;
            signs.add(name, case.leaks, &trace)?;
            if !args.only_write {
                let shown = score.trace(&trace, case.leaks);
                if args.show {
                    eprintln!("{name}\t{i}\t{shown}");
                }
            }
            export::write(&args, &format!("{name}-{i}"), &trace.points, trace.floor_24h, trace.growth)?;
        }
        let name = format!("{name}{}", if case.held_out { " *" } else { "" });
        writeln!(out, "{name:<28}{score}")?;
        summary.add(&score, case.moves);
    }
    writeln!(out, "{summary}")?;
    writeln!(out, "* held out while constants were chosen")
}
