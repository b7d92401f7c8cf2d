//! What tracing costs the target, and how near its pauses are to the truth.
//!
//!     cargo run --release -p m5-bench-gc-overhead [-- PYTHON [ROUNDS]]
//!
//! One Python process does the same work again and again: by itself, watched by m5 within its default budget,
//! without one, with a callback of its own in `gc.callbacks`, and polled at 1 kHz. The ways take turns in short
//! runs, so that what else the machine does hits all of them; each ratio is to the plain run of the same round,
//! and medians are printed. Then the pauses that m5 saw are laid beside those that the callbacks measured, and, where
//! the interpreter keeps records of its own, beside those. `ROUNDS` of 0 leaves out all but the records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod error;
mod rivals;
mod target;
mod way;

use target::Worker;
use way::{WAYS, Way};

/// Collections a second to aim at.
const RATES: [f64; 3] = [50.0, 500.0, 5000.0];
/// CPU seconds of one run, about.
const SECONDS: f64 = 0.25;

fn main() {
    let mut args = std::env::args().skip(1);
    let python = args.next().unwrap_or_else(|| "/usr/bin/python3".to_owned());
    let rounds: usize = args.next().map_or(25, |r| r.parse().expect("ROUNDS is a number"));
    println!("{python}, {rounds} rounds; target's CPU time against the plain run of the same round");
    println!("{:>12} | {}", "collections", WAYS.map(|w| format!("{:>20}", w.name())).join(" | "));
    let mut worker = Worker::start(&python);
    let speed = worker.speed();
    for rate in RATES.into_iter().filter(|_| rounds > 0) {
        let work = (speed * SECONDS) as u64;
        worker.threshold((speed / rate) as u64);
        overhead(&mut worker, work, rounds);
    }
    println!("\nlength of each pause against gc.callbacks, youngest generation");
    for rate in RATES.into_iter().filter(|_| rounds > 0) {
        worker.threshold((speed / rate) as u64);
        error::compare(&mut worker, (speed * SECONDS * 8.0) as u64);
    }
    println!("\nlength of each pause against the interpreter's own records (3.15 and later)");
    rivals::compare(&python);
}

fn overhead(worker: &mut Worker, work: u64, rounds: usize) {
    let mut ratios: Vec<Vec<f64>> = WAYS.iter().map(|_| Vec::new()).collect();
    let mut coverage: Vec<Option<f64>> = vec![None; WAYS.len()];
    let mut rate = 0.0;
    for _ in 0..rounds {
        let plain = Way::Nothing.run(worker, work);
        rate = plain.done.collections as f64 / plain.done.cpu;
        for (i, way) in WAYS.iter().enumerate() {
            let run = way.run(worker, work);
            ratios[i].push(run.done.cpu / plain.done.cpu);
            coverage[i] = run.coverage.or(coverage[i]);
        }
    }
    let cells = ratios.iter_mut().zip(coverage).map(|(ratios, coverage)| {
        let seen = coverage.map_or(String::new(), |c| format!(" ({:.0} % seen)", c * 100.0));
        format!("{:>20}", format!("{:+.2} %{seen}", (median(ratios) - 1.0) * 100.0))
    });
    println!("{:>10}/s | {}", rate.round(), cells.collect::<Vec<_>>().join(" | "));
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    m5_stats::quantile(values, 0.5).expect("rounds were run")
}
