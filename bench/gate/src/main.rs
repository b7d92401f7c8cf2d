//! How often the regression gate is wrong. Simulated sides with known noise, and real ones: the runs of one Python
//! program in fresh processes, drawn into pairs that differ by nothing, by the threshold, and by twice that.
//!
//! ```text
//! cargo run --release -p m5-bench-gate -- --pairs 4000 --real 45
//! ```

use clap::Parser;
use m5_agent::runs::measure;
use m5_bench_verdicts::Rng;
use m5_report::text::RUN_FIELDS;
use m5_stats::{GateConfig, GateVerdict, gate, gate_with};
use std::io::Write;

/// False failures and power of the gate.
#[derive(Debug, Parser)]
struct Args {
    /// Pairs of sides per row.
    #[arg(long, default_value_t = 4000)]
    pairs: usize,
    /// Real runs to draw from (0: none). Pairs are drawn without putting back, so 30 at least.
    #[arg(long, default_value_t = 45)]
    real: usize,
    /// The interpreter of the real runs.
    #[arg(long, default_value = "python3")]
    python: String,
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// The threshold, percent.
    #[arg(long, default_value_t = 5.0)]
    threshold: f64,
}

/// A program of the usual kind: imports, some data, garbage.
const PROGRAM: &str = "import json, logging, collections\n\
    rows = [json.loads(json.dumps({'i': i, 'v': [i] * 5})) for i in range(20000)]\n\
    seen = {str(r['i']) for r in rows}\n\
    for r in rows[::7]: r['self'] = r\n\
    del rows[::2]\n";

/// How often each verdict came, and how many runs a side it took.
#[derive(Debug, Default)]
struct Count {
    failed: usize,
    passed: usize,
    open: usize,
    runs: usize,
}

/// One gate as `m5 bench-run` runs it: five runs a side, then ten, then fifteen while undecided.
fn sequential(side: &mut dyn FnMut(bool) -> f64, threshold: f64, count: &mut Count) {
    let (mut base, mut new) = (Vec::new(), Vec::new());
    loop {
        for _ in 0..5 {
            base.push(side(false));
            new.push(side(true));
        }
        let outcome = gate(&base, &new, threshold);
        if outcome.need_more {
            continue;
        }
        count.runs += base.len();
        match outcome.verdict {
            GateVerdict::Regression => count.failed += 1,
            GateVerdict::Pass => count.passed += 1,
            GateVerdict::Inconclusive | GateVerdict::Missing => count.open += 1,
        }
        return;
    }
}

/// One look at so many runs a side, as `m5 compare` has at saved runs.
fn once(side: &mut dyn FnMut(bool) -> f64, runs: usize, threshold: f64, count: &mut Count) {
    let base: Vec<f64> = (0..runs).map(|_| side(false)).collect();
    let new: Vec<f64> = (0..runs).map(|_| side(true)).collect();
    count.runs += runs;
    match gate_with(&base, &new, &GateConfig::one_look(threshold)).verdict {
        GateVerdict::Regression => count.failed += 1,
        GateVerdict::Pass => count.passed += 1,
        GateVerdict::Inconclusive | GateVerdict::Missing => count.open += 1,
    }
}

/// Runs a side of a single look.
const ONCE: [usize; 4] = [3, 5, 8, 10];

const NOISES: [&str; 3] = ["normal", "heavy tails", "two levels"];

/// Noise of unit standard deviation.
fn noise(kind: usize, rng: &mut Rng) -> f64 {
    match kind {
        0 => rng.normal(),
        // Student's t with three degrees of freedom.
        1 => {
            let chi: f64 = (0..3).map(|_| rng.normal().powi(2)).sum();
            rng.normal() / (chi / 3.0).sqrt() / 3_f64.sqrt()
        }
        _ => (if rng.chance(0.2) { 2.0 } else { -0.5 }) + 0.1 * rng.normal(),
    }
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let threshold = args.threshold / 100.0;
    let mut rng = Rng::new(args.seed);
    let mut out = std::io::stdout().lock();
    let effects = [("none", 1.0), ("threshold", 1.0 + threshold), ("2 thresholds", 1.0 + 2.0 * threshold)];
    writeln!(out, "{} pairs a row, threshold {} %, seed {}", args.pairs, args.threshold, args.seed)?;
    writeln!(
        out,
        "{:<34}{:>14}{:>9}{:>9}{:>9}{:>10}",
        "noise", "change", "failed", "passed", "open", "runs"
    )?;
    for (kind, name) in NOISES.iter().enumerate() {
        for cv in [0.003, 0.01, 0.03] {
            for (effect, ratio) in effects {
                let mut count = Count::default();
                for _ in 0..args.pairs {
                    let mut side = |new: bool| {
                        (if new { ratio } else { 1.0 }) * (1.0 + cv * noise(kind, &mut rng)).max(0.01)
                    };
                    sequential(&mut side, threshold, &mut count);
                }
                row(&mut out, &format!("{name}, CV {:.1} %", cv * 100.0), effect, &count, args.pairs)?;
            }
        }
    }
    for (kind, name) in NOISES.iter().enumerate() {
        for runs in ONCE {
            for (effect, ratio) in effects {
                let mut count = Count::default();
                for _ in 0..args.pairs {
                    let mut side = |new: bool| {
                        (if new { ratio } else { 1.0 }) * (1.0 + 0.01 * noise(kind, &mut rng)).max(0.01)
                    };
                    once(&mut side, runs, threshold, &mut count);
                }
                row(&mut out, &format!("{name}, CV 1.0 %, one look"), effect, &count, args.pairs)?;
            }
        }
    }
    real(&args, &effects, &mut rng, &mut out)
}

fn real(args: &Args, effects: &[(&str, f64)], rng: &mut Rng, out: &mut impl Write) -> std::io::Result<()> {
    if args.real == 0 {
        return Ok(());
    }
    let command = [args.python.as_str(), "-c", PROGRAM].map(Into::into);
    let runs: Result<Vec<_>, _> = (0..args.real).map(|_| measure(&command, 0)).collect();
    let runs = runs.map_err(std::io::Error::other)?;
    for (name, of) in RUN_FIELDS {
        let values: Vec<f64> = runs.iter().filter_map(of).collect();
        if values.len() < 30 {
            writeln!(out, "{name}: {} real runs, 30 are needed", values.len())?;
            continue;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt();
        for (effect, ratio) in effects {
            let mut count = Count::default();
            for _ in 0..args.pairs {
                let mut pool = values.clone();
                let mut side = |new: bool| {
                    let i = rng.count(0, pool.len() - 1);
                    pool.swap_remove(i) * if new { *ratio } else { 1.0 }
                };
                sequential(&mut side, args.threshold / 100.0, &mut count);
            }
            row(out, &format!("{name}, CV {:.3} %", 100.0 * sd / mean), effect, &count, args.pairs)?;
        }
    }
    Ok(())
}

fn row(out: &mut impl Write, noise: &str, effect: &str, count: &Count, pairs: usize) -> std::io::Result<()> {
    let share = |n: usize| format!("{:.1} %", 100.0 * n as f64 / pairs.max(1) as f64);
    let runs = count.runs as f64 / pairs.max(1) as f64;
    let [failed, passed, open] = [count.failed, count.passed, count.open].map(share);
    writeln!(out, "{noise:<34}{effect:>14}{failed:>9}{passed:>9}{open:>9}{runs:>10.1}")
}
