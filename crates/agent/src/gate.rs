//! The gate: fresh runs of two commands held against each other; it fails only on proof.

use crate::compare::{metric, verdict};
use m5_report::doc::{COMPARE_SCHEMA, Comparison, Metric, Run, Runs, Side};
use m5_report::text::RUN_FIELDS;
use m5_stats::{GateConfig, GateVerdict};

/// What decides, and the difference that is too small to matter: pages and objects of an import more or less. The
/// peak decides too: a container is killed by it, whatever is left at the end.
const DECIDES: [(&str, f64); 4] = [
    ("private_anon_bytes", 262_144.0),
    ("allocated_blocks", 200.0),
    ("gc_objects", 50.0),
    ("peak_rss_bytes", 1_048_576.0),
];

/// Holds the runs of two sides against each other.
#[must_use]
pub fn gate_runs(base: &Runs, new: &Runs, config: &GateConfig) -> Comparison {
    let of = |(name, of): &(&'static str, fn(&Run) -> Option<f64>)| -> Metric {
        let values = |side: &Runs| side.runs.iter().map(of).collect::<Vec<_>>();
        let slack = DECIDES.iter().find(|d| d.0 == *name).map(|d| d.1);
        let (base, new) = (values(base), values(new));
        let all = metric(name, slack.unwrap_or(0.0), slack.is_some(), &base, &new, &config.of(name));
        // What no run has must fail all the same: a command that measures nothing would pass for ever.
        all.unwrap_or_else(|| Metric {
            name: (*name).to_owned(),
            old: None,
            new: None,
            ratio: None,
            lower: None,
            upper: None,
            verdict: GateVerdict::Missing,
            decides: slack.is_some(),
        })
    };
    let metrics: Vec<Metric> = RUN_FIELDS.iter().map(of).collect();
    Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        new: side(new),
        old: side(base),
        threshold: config.threshold,
        peak_threshold: config.peak_threshold,
        verdict: verdict(&metrics),
        machines_differ: false,
        metrics,
    }
}

fn side(runs: &Runs) -> Side {
    let seconds: f64 = runs.runs.iter().filter_map(|r| r.elapsed_seconds).sum();
    let runs_made = runs.runs.len() as u64;
    Side { file: runs.command.clone(), observed_seconds: seconds, runs: runs_made, ..Side::default() }
}
