//! What tracing costs the target: `--help` says how.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ratio;
mod rivals;
mod target;
mod way;

use clap::Parser;
use ratio::Ratio;
use target::Worker;
use way::Way;

/// What tracing costs the target's CPU time, and how near its pauses are to the interpreter's own records.
#[derive(Debug, Parser)]
#[command(after_help = "\
One Python process does the same work again and again: plain, twice in one of the ways, plain, twice in the next way, plain. \
Each way's CPU time is to the plain runs right before and after it, so that what drifts meanwhile cancels. Printed are the \
middle of the ratios (their mean without the outer fifths) and its 95 % interval; the way `nothing` is the plain run once \
more, so what it shows is noise alone. A cost is `shown` to be within the aim where all of the interval is, and `refuted` \
where none of it is. Then, where the interpreter keeps records of its own (3.15 and later), the pauses that m5 saw are laid \
beside those.

Examples:
  The default budget at three rates, eight minutes on a quiet machine:
  cargo run --release -p m5-bench-gc-overhead -- --no-errors
  One rate, beside all other ways:
  cargo run --release -p m5-bench-gc-overhead -- --rates 400 --rounds 25 --no-errors \\
      --ways nothing,budget,unlimited,callbacks,poll")]
struct Args {
    /// The interpreter
    #[arg(default_value = "/usr/bin/python3")]
    python: String,
    /// Rounds of each load; 0 leaves out all but the records
    #[arg(long, default_value_t = 75)]
    rounds: usize,
    /// Collections a CPU second
    #[arg(long, value_delimiter = ',', default_values_t = [30.0, 400.0, 4000.0])]
    rates: Vec<f64>,
    /// Rests a CPU second to aim at: each switches to another task and back
    #[arg(long, value_delimiter = ',', default_values_t = [0.0])]
    rests: Vec<f64>,
    /// The ways to compare
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Way::Nothing, Way::Budget])]
    ways: Vec<Way>,
    /// CPU seconds of one run, about
    #[arg(long, default_value_t = 0.25)]
    seconds: f64,
    /// Leave out how near the pauses are to the interpreter's own records
    #[arg(long)]
    no_errors: bool,
}

/// What the default budget may cost, percent, and half of the widest interval that says anything of it.
const AIM: f64 = 1.0;
const NOISE: f64 = 0.5;

fn main() {
    let args = Args::parse();
    println!("{}, {} rounds; target's CPU time against the plain runs around", args.python, args.rounds);
    let heads: Vec<String> = args.ways.iter().map(|w| format!("{:>34}", w.name())).collect();
    println!("{:>12} {:>12} | {}", "collections", "switches", heads.join(" | "));
    let mut worker = Worker::start(&args.python);
    for rests in args.rests.iter().filter(|_| args.rounds > 0) {
        for rate in &args.rates {
            let speed = worker.collect_at(*rate);
            worker.rest_every(if *rests > 0.0 { (speed / rests).max(1.0) as u64 } else { 0 });
            overhead(&mut worker, (speed * args.seconds) as u64, &args);
        }
    }
    worker.rest_every(0);
    if args.no_errors {
        return;
    }
    println!("\nlength of each pause against the interpreter's own records (3.15 and later)");
    rivals::compare(&args.python);
}

fn overhead(worker: &mut Worker, work: u64, args: &Args) {
    let ways = &args.ways;
    let mut ratios: Vec<Vec<f64>> = ways.iter().map(|_| Vec::new()).collect();
    let mut coverage: Vec<Option<f64>> = vec![None; ways.len()];
    let (mut rates, mut switches) = (Vec::new(), Vec::new());
    worker.work(work);
    let mut before = worker.work(work);
    for round in 0..args.rounds {
        // None always follows the same one.
        for i in (0..ways.len()).map(|i| (i + round) % ways.len()) {
            let run = ways[i].run(worker, work);
            let after = worker.work(work);
            ratios[i].push(run.cpu / (before.cpu + after.cpu));
            coverage[i] = run.coverage.or(coverage[i]);
            rates.push(after.collections as f64 / after.cpu);
            switches.push(after.switches as f64 / after.cpu);
            before = after;
        }
    }
    let cells = ways.iter().zip(&ratios).zip(coverage).map(|((way, ratios), coverage)| {
        let seen = coverage.map_or(String::new(), |c| format!(" ({:.0} % seen)", c * 100.0));
        let ratio = Ratio::of(ratios);
        let said = match way {
            Way::Budget => format!(" {}", ratio.within(AIM)),
            Way::Nothing if ratio.half() > NOISE => " too noisy".to_owned(),
            _ => String::new(),
        };
        format!("{:>34}", format!("{ratio}{seen}{said}"))
    });
    let cells = cells.collect::<Vec<_>>().join(" | ");
    println!("{:>10.0}/s {:>10.0}/s | {cells}", median(&mut rates), median(&mut switches));
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    m5_stats::quantile(values, 0.5).expect("rounds were run")
}
