//! How often m5's verdict is right, beside the usual tests. Every series comes from a seed:
//!
//! ```text
//! cargo run --release -p m5-bench-verdicts -- --traces 200 --seed 2
//! ```
//!
//! Seed 1 is the one on which constants were chosen; report on any other.
#![allow(clippy::indexing_slicing)]

mod families;
mod score;

use clap::Parser;
use families::{Family, HEALTHY, LEAKING, Setting};
use m5_bench_verdicts::rivals;
use score::{Plan, Score, judge};
use std::io::Write;

/// False alarms, recall, abstention, delay and forecast coverage per family of series.
#[derive(Debug, Parser)]
struct Args {
    /// Series per family.
    #[arg(long, default_value_t = 200)]
    traces: usize,
    /// Seed of the generators (1 is the one that constants were chosen on).
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// Seconds watched.
    #[arg(long, default_value_t = 21_600.0)]
    window: f64,
    /// Seconds between samples.
    #[arg(long, default_value_t = 15.0)]
    every: f64,
    /// Watch one of so many series while it comes in, for delay and repeated looks (0: none).
    #[arg(long, default_value_t = 10)]
    watch_every: usize,
    /// Only families whose name contains one of these, separated by `/`.
    #[arg(long, default_value = "")]
    only: String,
    /// Print every series on standard error: family, number, verdict, reason, growth a window, probability, and
    /// (as parts of the level) the forecast's low end, middle, high end, and the truth.
    #[arg(long)]
    show: bool,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let setting = Setting { seconds: args.window, every: args.every };
    let plan = Plan {
        setting,
        traces: args.traces,
        seed: args.seed,
        watch_every: args.watch_every,
        show: args.show,
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} series a family, {} s every {} s, seed {}",
        args.traces, args.window, args.every, args.seed
    )?;
    let wanted = |list: &[(Family, &'static str)]| {
        let named = |name: &str| args.only.split('/').any(|part| name.contains(part));
        list.iter().copied().filter(|(_, name)| named(name)).collect::<Vec<_>>()
    };
    let mut all = Score::default();
    heading(&mut out, "healthy", "false %")?;
    table(&mut out, &wanted(&HEALTHY), &plan, &mut all, healthy)?;
    heading(&mut out, "leaking", "found %")?;
    table(&mut out, &wanted(&LEAKING), &plan, &mut all, leaking)?;
    let judged = (all.inside + all.below + all.above).max(1) as f64;
    let part = |n: usize| 100.0 * n as f64 / judged;
    writeln!(
        out,
        "\nforecast of 24 h, 90 % interval: {:.1} % inside, {:.1} % below, {:.1} % above",
        part(all.inside),
        part(all.below),
        part(all.above)
    )
}

fn heading(out: &mut impl Write, kind: &str, what: &str) -> std::io::Result<()> {
    write!(
        out,
        "\n{kind:<26}{what:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "flat", "satur.", "step", "insuff.", "24h in", "watch"
    )?;
    write!(out, "{:>8} |", if kind == "leaking" { "delay" } else { "" })?;
    rivals::NAMES.iter().try_for_each(|n| write!(out, "{n:>6}"))?;
    writeln!(out)
}

type Row = fn(&Score) -> (f64, f64, [f64; 5]);

/// False alarms of all.
fn healthy(s: &Score) -> (f64, f64, [f64; 5]) {
    (share(s.verdicts[1], s.traces), f64::NAN, s.rivals.map(|n| share(n, s.traces)))
}

/// Found among those of 5 % a window and more.
fn leaking(s: &Score) -> (f64, f64, [f64; 5]) {
    let mut delays = s.delays.clone();
    delays.sort_by(f64::total_cmp);
    let delay = m5_stats::quantile(&delays, 0.5).unwrap_or(f64::NAN);
    (share(s.strong_found, s.strong), delay, s.rivals_strong.map(|n| share(n, s.strong)))
}

fn share(n: usize, of: usize) -> f64 {
    100.0 * n as f64 / of.max(1) as f64
}

fn table(
    out: &mut impl Write,
    families: &[(Family, &str)],
    plan: &Plan,
    all: &mut Score,
    row: Row,
) -> std::io::Result<()> {
    let mut sum = Score::default();
    for (family, name) in families {
        let score = judge(*family, plan);
        line(out, name, &score, row)?;
        sum.add(&score);
    }
    line(out, "all", &sum, row)?;
    all.add(&sum);
    Ok(())
}

fn line(out: &mut impl Write, name: &str, s: &Score, row: Row) -> std::io::Result<()> {
    let (right, delay, rivals) = row(s);
    let verdict = |i: usize| share(s.verdicts[i], s.traces);
    let inside = share(s.inside, s.inside + s.below + s.above);
    write!(out, "{name:<26}{right:>8.1}")?;
    for v in [verdict(0), verdict(2), verdict(3), verdict(5), inside, share(s.alarmed, s.watched)] {
        write!(out, "{v:>8.1}")?;
    }
    if delay.is_nan() {
        write!(out, "{:>8} |", "")?
    } else {
        write!(out, "{delay:>8.2} |")?
    }
    rivals.iter().try_for_each(|v| write!(out, "{v:>6.0}"))?;
    writeln!(out)
}
