//! Recordings compared, metric by metric: one of each side, or several, where only proof is a regression.

use m5_report::doc::{Baseline, COMPARE_SCHEMA, Comparison, Derived, Level, Metric, Side};
use m5_stats::objectives::MIB;
use m5_stats::{COLLECTIONS_PER_SECOND, GateConfig, GateVerdict, gate_with, median, single};

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
    shown(COLLECTIONS_PER_SECOND[0], |d| per_second(d, 0)),
    shown(COLLECTIONS_PER_SECOND[1], |d| per_second(d, 1)),
    shown(COLLECTIONS_PER_SECOND[2], |d| per_second(d, 2)),
    measure("cpu_ratio", 0.01, |d| d.cpu_ratio),
    measure("open_fds", 5.0, |d| max(d.fds)),
    measure("connections", 5.0, |d| max(d.connections)),
    measure("threads", 2.0, |d| max(d.threads)),
];

/// Compares the first process of two recordings whose figures are derived. Files are named for the report.
#[must_use]
pub fn compare(new: (&str, &Baseline), old: (&str, &Baseline), threshold: f64) -> Comparison {
    compare_runs(&[new], &[old], &GateConfig::one_look(threshold))
}

/// Compares several recordings a side. With one run a side the plain ratio decides; with more, a regression is
/// called only where it is proved.
#[must_use]
pub fn compare_runs(new: &[(&str, &Baseline)], old: &[(&str, &Baseline)], config: &GateConfig) -> Comparison {
    let derived = |side: &[(&str, &Baseline)]| -> Vec<Derived> {
        let first = |b: &Baseline| b.processes.first().and_then(|p| p.derived.clone()).unwrap_or_default();
        side.iter().map(|(_, b)| first(b)).collect()
    };
    let (new_figures, old_figures) = (derived(new), derived(old));
    let polled = |d: &Derived| d.gc.as_ref().is_some_and(|gc| gc.bounded);
    let bounded = new_figures.iter().chain(&old_figures).any(polled);
    let metrics: Vec<Metric> = MEASURES
        .iter()
        .filter_map(|m| {
            let values = |side: &[Derived]| side.iter().map(m.of).collect::<Vec<_>>();
            metric(
                m.name,
                m.slack,
                m.decides,
                &values(&old_figures),
                &values(&new_figures),
                &config.of(m.name),
            )
        })
        // Lengths that polling caught are bounds, and bounds do not decide.
        .map(|m| Metric { decides: m.decides && !(bounded && m.name.starts_with("gc_pause")), ..m })
        .collect();
    let (new_side, old_side) = (side(new), side(old));
    // What ended midway is no proof that nothing got worse.
    let cut = new_side.cut() || old_side.cut();
    let undecided = |m: &Metric| cut && m.decides && m.verdict == GateVerdict::Pass;
    let metrics: Vec<Metric> = metrics
        .into_iter()
        .map(|m| if undecided(&m) { Metric { verdict: GateVerdict::Inconclusive, ..m } } else { m })
        .collect();
    let machine = |side: &[(&str, &Baseline)]| -> Vec<_> {
        side.iter().map(|(_, b)| (b.machine.cpu.clone(), b.machine.cpus)).collect()
    };
    let machines: Vec<_> = machine(new).into_iter().chain(machine(old)).collect();
    Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        new: new_side,
        old: old_side,
        threshold: config.threshold,
        peak_threshold: config.peak_threshold,
        verdict: verdict(&metrics),
        machines_differ: machines.windows(2).any(|w| w[0] != w[1]),
        metrics,
    }
}

/// The worst verdict of the metrics that decide. Where none does, nothing was compared.
#[must_use]
pub fn verdict(metrics: &[Metric]) -> GateVerdict {
    let of = |v: GateVerdict| metrics.iter().any(|m| m.decides && m.verdict == v);
    match () {
        () if of(GateVerdict::Regression) => GateVerdict::Regression,
        () if of(GateVerdict::Missing) || !metrics.iter().any(|m| m.decides) => GateVerdict::Missing,
        () if of(GateVerdict::Inconclusive) => GateVerdict::Inconclusive,
        () => GateVerdict::Pass,
    }
}

/// One metric of both sides. `None` where neither side has it at all: it is no part of the comparison. A run
/// without a value on a side that has others is missing, and does not pass.
#[must_use]
pub fn metric(
    name: &str,
    slack: f64,
    decides: bool,
    old: &[Option<f64>],
    new: &[Option<f64>],
    config: &GateConfig,
) -> Option<Metric> {
    if old.iter().chain(new).all(Option::is_none) {
        return None;
    }
    let mut outcome = match (old, new) {
        ([old], [new]) => single(*old, *new, config.threshold),
        _ => {
            let values =
                |side: &[Option<f64>]| side.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>();
            gate_with(&values(old), &values(new), config)
        }
    };
    let middle = |side: &[Option<f64>]| median(&side.iter().flatten().copied().collect::<Vec<_>>());
    let (before, after) = (middle(old), middle(new));
    if let (Some(before), Some(after)) = (before, after) {
        // A growth that fell below zero has no ratio, and is none. A missing run stays missing.
        let whole = old.iter().chain(new).all(Option::is_some);
        if after - before <= slack && outcome.verdict != GateVerdict::Pass && whole {
            outcome.verdict = GateVerdict::Pass;
        }
    }
    Some(Metric {
        name: name.to_owned(),
        old: before,
        new: after,
        ratio: outcome.ratio,
        lower: outcome.lower,
        upper: outcome.upper,
        verdict: outcome.verdict,
        decides,
    })
}

fn side(runs: &[(&str, &Baseline)]) -> Side {
    let process = runs.first().and_then(|(_, b)| b.processes.first());
    let seconds =
        |b: &Baseline| b.processes.first().and_then(|p| p.derived.as_ref()).map(|d| d.observed_seconds);
    Side {
        file: runs.iter().map(|(file, _)| *file).collect::<Vec<_>>().join(", "),
        pid: process.map_or(0, |p| p.identity.pid),
        python: process.and_then(|p| p.interpreter.as_ref()).map(|i| i.version.clone()),
        observed_seconds: median(&runs.iter().filter_map(|(_, b)| seconds(b)).collect::<Vec<_>>())
            .unwrap_or(0.0),
        runs: runs.len() as u64,
        re_executed_seconds: runs.iter().find_map(|(_, b)| b.processes.first()?.re_executed_seconds),
        ended_early: runs.iter().any(|(_, b)| b.recorded.ended_early),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(old: Option<f64>, new: Option<f64>) -> GateVerdict {
        metric("x", 5.0, true, &[old], &[new], &GateConfig::looks(0.15)).unwrap().verdict
    }

    #[test]
    fn several_runs_fail_only_on_proof() {
        let runs = |v: [f64; 5]| v.map(Some);
        let base = runs([100.0, 101.0, 99.0, 100.5, 99.5]);
        let verdict = |new: &[Option<f64>]| {
            metric("x", 0.0, true, &base, new, &GateConfig::looks(0.15)).unwrap().verdict
        };
        assert_eq!(verdict(&runs([130.0, 131.0, 129.0, 130.5, 128.0])), GateVerdict::Regression);
        assert_eq!(verdict(&base), GateVerdict::Pass);
        assert_eq!(verdict(&runs([100.0, 130.0, 101.0, 129.0, 116.0])), GateVerdict::Inconclusive);
        let mut missing = base;
        missing[2] = None;
        assert_eq!(verdict(&missing), GateVerdict::Missing);
        assert_eq!(metric("x", 0.0, true, &[None, None], &[None, None], &GateConfig::looks(0.15)), None);
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
