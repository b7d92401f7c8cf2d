//! Two recordings compared, metric by metric.

use m5_report::doc::{Baseline, COMPARE_SCHEMA, Comparison, Derived, Level, Metric, Side};
use m5_stats::objectives::MIB;
use m5_stats::{GateVerdict, single};

/// A metric: where it is found, and the difference that is too small to matter whatever the ratio.
struct Measure {
    name: &'static str,
    slack: f64,
    decides: bool,
    of: fn(&Derived) -> Option<f64>,
}

const fn measure(name: &'static str, slack: f64, of: fn(&Derived) -> Option<f64>) -> Measure {
    Measure { name, slack, decides: true, of }
}

const fn shown(name: &'static str, of: fn(&Derived) -> Option<f64>) -> Measure {
    Measure { name, slack: 0.0, decides: false, of }
}

fn p50(level: Option<Level>) -> Option<f64> {
    level.map(|l| l.p50)
}

fn max(level: Option<Level>) -> Option<f64> {
    level.map(|l| l.max)
}

fn per_second(d: &Derived, generation: usize) -> Option<f64> {
    d.gc.as_ref()?.generations.get(generation)?.per_second
}

/// Anonymous memory, medians and sums are steady from run to run and decide; RSS depends on the page cache
/// and single longest pauses on luck, but people know them, so peak RSS decides too.
const MEASURES: &[Measure] = &[
    measure("rss_peak_bytes", MIB, |d| d.memory.peak_rss_bytes),
    measure("rss_bytes", MIB, |d| p50(d.memory.rss)),
    measure("anon_bytes", MIB, |d| p50(d.memory.anon)),
    measure("uss_bytes", MIB, |d| d.memory.uss_bytes),
    shown("pss_bytes", |d| d.memory.pss_bytes),
    shown("growth_bytes_per_second", |d| d.growth.get("rss").and_then(|a| a.slope)),
    measure("gc_pause_p95_seconds", 0.001, |d| Some(d.gc.as_ref()?.pauses?.p95)),
    measure("gc_pause_older_p95_seconds", 0.001, |d| Some(d.gc.as_ref()?.pauses_older?.p95)),
    measure("gc_pause_per_minute_seconds", 0.010, |d| d.gc.as_ref()?.pause_seconds_per_minute),
    shown("gc_pause_max_seconds", |d| d.gc.as_ref()?.max_seconds),
    shown("gc_gen0_per_second", |d| per_second(d, 0)),
    shown("gc_gen1_per_second", |d| per_second(d, 1)),
    shown("gc_gen2_per_second", |d| per_second(d, 2)),
    measure("cpu_ratio", 0.01, |d| d.cpu_ratio),
    measure("open_fds", 5.0, |d| max(d.fds)),
    measure("connections", 5.0, |d| max(d.connections)),
    measure("threads", 2.0, |d| max(d.threads)),
];

/// Compares the first process of two recordings whose figures are derived. Files are named for the report.
#[must_use]
pub fn compare(new: (&str, &Baseline), old: (&str, &Baseline), threshold: f64) -> Comparison {
    let derived = |b: &Baseline| b.processes.first().and_then(|p| p.derived.clone()).unwrap_or_default();
    let (new_figures, old_figures) = (derived(new.1), derived(old.1));
    let polled = |d: &Derived| d.gc.as_ref().is_some_and(|gc| gc.bounded);
    let bounded = polled(&new_figures) || polled(&old_figures);
    let metrics: Vec<Metric> = MEASURES
        .iter()
        .map(|m| metric(m, (m.of)(&old_figures), (m.of)(&new_figures), threshold))
        // Lengths that polling caught are bounds, and bounds do not decide.
        .map(|m| Metric { decides: m.decides && !(bounded && m.name.starts_with("gc_pause")), ..m })
        // What neither has (no interpreter, no connection) is no part of the comparison.
        .filter(|m| m.old.is_some() || m.new.is_some())
        .collect();
    let of = |v: GateVerdict| metrics.iter().any(|m| m.decides && m.verdict == v);
    let decided = metrics.iter().any(|m| m.decides);
    Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        new: side(new),
        old: side(old),
        threshold,
        verdict: match () {
            () if of(GateVerdict::Regression) => GateVerdict::Regression,
            () if of(GateVerdict::Missing) || !decided => GateVerdict::Missing,
            () => GateVerdict::Pass,
        },
        machines_differ: (&new.1.machine.cpu, new.1.machine.cpus) != (&old.1.machine.cpu, old.1.machine.cpus),
        metrics,
    }
}

fn metric(measure: &Measure, old: Option<f64>, new: Option<f64>, threshold: f64) -> Metric {
    let mut outcome = single(old, new, threshold);
    if let (Some(old), Some(new)) = (old, new) {
        // A growth that fell below zero has no ratio, and is none.
        if new - old <= measure.slack && outcome.verdict != GateVerdict::Pass {
            outcome.verdict = GateVerdict::Pass;
        }
    }
    let (verdict, ratio) = (outcome.verdict, outcome.ratio);
    Metric { name: measure.name.to_owned(), old, new, ratio, verdict, decides: measure.decides }
}

fn side((file, baseline): (&str, &Baseline)) -> Side {
    let process = baseline.processes.first();
    Side {
        file: file.to_owned(),
        pid: process.map_or(0, |p| p.identity.pid),
        python: process.and_then(|p| p.interpreter.as_ref()).map(|i| i.version.clone()),
        observed_seconds: process.and_then(|p| p.derived.as_ref()).map_or(0.0, |d| d.observed_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(old: Option<f64>, new: Option<f64>) -> GateVerdict {
        metric(&measure("x", 5.0, |_| None), old, new, 0.15).verdict
    }

    #[test]
    fn small_differences_of_small_numbers_do_not_matter() {
        assert_eq!(verdict(Some(3.0), Some(8.0)), GateVerdict::Pass);
        assert_eq!(verdict(Some(3.0), Some(9.0)), GateVerdict::Regression);
        assert_eq!(verdict(Some(0.0), Some(5.0)), GateVerdict::Pass);
        assert_eq!(verdict(Some(100.0), Some(114.0)), GateVerdict::Pass);
        assert_eq!(verdict(Some(100.0), Some(116.0)), GateVerdict::Regression);
    }

    #[test]
    fn what_is_missing_does_not_pass() {
        assert_eq!(verdict(Some(3.0), None), GateVerdict::Missing);
        assert_eq!(verdict(None, Some(3.0)), GateVerdict::Missing);
    }
}
