//! What a verdict costs: CPU time of a call (what else runs on the machine is no cost of ours) for the two sizes that
//! matter, and the memory of the state that it is made of.
//!
//! ```text
//! cargo run --release -p m5-bench-verdicts --bin cost
//! ```

use m5_bench_verdicts::wide::{self, DAY, FAMILIES, Family};
use m5_stats::{Options, Point, Series, assess_with};
use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<28}{:>12}{:>12}", "ms a call, median / worst", "6 h at 15 s", "3 d at 1 Hz")?;
    let mut all = [Vec::new(), Vec::new()];
    let mut most = 0;
    for (family, name, _) in FAMILIES {
        let short = wide::trace(family, 7, 21_600.0, 15.0);
        let load = short.load.as_deref();
        let six_hours = milliseconds(&short.points, &Options { load, ..Options::default() });
        let (series, bytes) = three_days(family);
        most = most.max(bytes);
        let days = milliseconds(&series, &Options::default());
        writeln!(out, "{name:<28}{six_hours:>12.1}{days:>12.1}")?;
        all[0].push(six_hours);
        all[1].push(days);
    }
    for (ms, aim) in all.iter_mut().zip(["6 h at 15 s (aim 20)", "3 d at 1 Hz (aim 30)"]) {
        let middle = m5_stats::median(ms).unwrap_or(f64::NAN);
        let worst = ms.iter().copied().fold(0.0, f64::max);
        writeln!(out, "{aim}: median {middle:.1} ms, worst {worst:.1} ms")?;
    }
    writeln!(out, "state of a series: at most {most} bytes")
}

/// The best of five calls.
fn milliseconds(points: &[Point], options: &Options<'_>) -> f64 {
    let once = |_| {
        let begin = cpu_seconds();
        std::hint::black_box(assess_with(points, options));
        1000.0 * (cpu_seconds() - begin)
    };
    (0..5).map(once).fold(f64::INFINITY, f64::min)
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Three days at a sample a second, through the state that watchers keep, and its size.
fn three_days(family: Family) -> (Vec<Point>, usize) {
    let mut series = Series::default();
    wide::trace(family, 7, 3.0 * DAY, 1.0).points.iter().for_each(|p| series.push(*p));
    (series.all(), series.bytes())
}
