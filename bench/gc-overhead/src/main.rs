//! What tracing costs the target, and how near its pauses are to the truth: `--help` says how.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod error;
mod rivals;
mod target;
mod way;

use clap::Parser;
use target::Worker;
use way::Way;

/// What tracing costs the target's CPU time, and how near its pauses are to the truth.
#[derive(Debug, Parser)]
#[command(after_help = "\
One Python process does the same work again and again: plain, and in each of the ways. They take turns in short runs, so that \
what else the machine does hits all of them; each ratio is to the plain run of the same round. Medians are printed with their \
95 % interval, which is the noise; the way `nothing` is the plain run once more, so what it shows is noise alone. Then the \
pauses that m5 saw are laid beside those that callbacks measured, and, where the interpreter keeps records of its own, \
beside those.

Examples:
  cargo run --release -p m5-bench-gc-overhead
  The cost of the default budget alone, ten minutes on a quiet machine:
  cargo run --release -p m5-bench-gc-overhead -- --ways nothing,budget --rounds 60 --no-errors")]
struct Args {
    /// The interpreter
    #[arg(default_value = "/usr/bin/python3")]
    python: String,
    /// Rounds of each load; 0 leaves out all but the records
    #[arg(default_value_t = 25)]
    rounds: usize,
    /// The same, by name
    #[arg(long = "rounds", value_name = "ROUNDS")]
    named_rounds: Option<usize>,
    /// Collections a CPU second to aim at
    #[arg(long, value_delimiter = ',', default_values_t = [30.0, 400.0, 4000.0])]
    rates: Vec<f64>,
    /// Rests a CPU second to aim at: each switches to another task and back
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 5000.0])]
    rests: Vec<f64>,
    /// The ways to compare
    #[arg(long, value_enum, value_delimiter = ',',
          default_values_t = [Way::Nothing, Way::Budget, Way::Unlimited, Way::Callbacks, Way::Poll])]
    ways: Vec<Way>,
    /// CPU seconds of one run, about
    #[arg(long, default_value_t = 0.35)]
    seconds: f64,
    /// Leave out how near the pauses are to the truth
    #[arg(long)]
    no_errors: bool,
}

fn main() {
    let args = Args::parse();
    let rounds = args.named_rounds.unwrap_or(args.rounds);
    println!("{}, {rounds} rounds; target's CPU time against the plain run of the same round", args.python);
    let heads: Vec<String> = args.ways.iter().map(|w| format!("{:>28}", w.name())).collect();
    println!("{:>12} {:>12} | {}", "collections", "switches", heads.join(" | "));
    let mut worker = Worker::start(&args.python);
    let speed = worker.speed();
    let work = (speed * args.seconds) as u64;
    for rests in args.rests.iter().filter(|_| rounds > 0) {
        worker.rest_every(if *rests > 0.0 { (speed / rests) as u64 } else { 0 });
        for rate in &args.rates {
            worker.threshold((speed / rate) as u64);
            overhead(&mut worker, work, rounds, &args.ways);
        }
    }
    worker.rest_every(0);
    if args.no_errors {
        return;
    }
    println!("\nlength of each pause against gc.callbacks, youngest generation");
    for rate in args.rates.iter().filter(|_| rounds > 0) {
        worker.threshold((speed / rate) as u64);
        error::compare(&mut worker, (speed * args.seconds * 8.0) as u64);
    }
    println!("\nlength of each pause against the interpreter's own records (3.15 and later)");
    rivals::compare(&args.python);
}

fn overhead(worker: &mut Worker, work: u64, rounds: usize, ways: &[Way]) {
    let mut ratios: Vec<Vec<f64>> = ways.iter().map(|_| Vec::new()).collect();
    let mut coverage: Vec<Option<f64>> = vec![None; ways.len()];
    let (mut rate, mut switches) = (0.0, 0.0);
    for round in 0..rounds {
        let plain = Way::Nothing.run(worker, work);
        rate = plain.done.collections as f64 / plain.done.cpu;
        switches = plain.done.switches as f64 / plain.done.cpu;
        // None always follows the same one.
        for i in (0..ways.len()).map(|i| (i + round) % ways.len()) {
            let run = ways[i].run(worker, work);
            ratios[i].push(run.done.cpu / plain.done.cpu);
            coverage[i] = run.coverage.or(coverage[i]);
        }
    }
    let cells = ratios.iter_mut().zip(coverage).map(|(ratios, coverage)| {
        let seen = coverage.map_or(String::new(), |c| format!(" ({:.0} % seen)", c * 100.0));
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let middle = percent(median(ratios));
        let [low, high] = interval(ratios).map(percent);
        format!("{:>28}", format!("{middle:+.2} [{low:+.2}, {high:+.2}] %{seen}"))
    });
    let cells = cells.collect::<Vec<_>>().join(" | ");
    println!("{:>10}/s {:>10}/s | {cells}", rate.round(), switches.round());
}

/// The 95 % interval of the median of sorted values, by their ranks.
fn interval(sorted: &[f64]) -> [f64; 2] {
    let (many, middle) = (sorted.len() as f64, (sorted.len() as f64 - 1.0) / 2.0);
    let reach = 1.96 * many.sqrt() / 2.0;
    let at = |rank: f64| sorted[(rank.round().max(0.0) as usize).min(sorted.len() - 1)];
    [at((middle - reach).floor()), at((middle + reach).ceil())]
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    m5_stats::quantile(values, 0.5).expect("rounds were run")
}
