//! `m5.gc/1`: the collections of a process over a stretch of time, what they cost, and what was tried on it.

use crate::doc::{
    Criterion, End, GcFigures, Interpreter, Level, LongPauses, ObjectivesFrom, PauseLog, ProcessRecord,
    Recorded,
};
use m5_cpython::layout::Collector;
use m5_gc::tune::{Finding, InterpreterSettings, Judgement, Proposal, Settings};
use m5_gc::{Choice, SourceKind};
use m5_process::Identity;
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const GC_SCHEMA: &str = "m5.gc/1";

/// The collections of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GcReport {
    /// [`GC_SCHEMA`].
    pub schema: String,
    /// Version of the m5 that watched.
    pub m5_version: String,
    /// Pid and start.
    pub identity: Identity,
    /// Command line; values that look like secrets are replaced.
    pub command: Vec<String>,
    /// The service that it belongs to, as `m5 list` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The interpreter.
    pub interpreter: Interpreter,
    /// How it collects.
    pub collector: Collector,
    /// The settings of every interpreter in the process when the watching began.
    pub settings: Vec<InterpreterSettings>,
    /// When and how long.
    pub recorded: Recorded,
    /// Whether the process ended meanwhile.
    pub exited: bool,
    /// When it was found to execute another program, seconds since the watching began: what is told came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// Counts, rates and lengths.
    pub gc: GcFigures,
    /// How pauses were seen; absent where they could not be.
    #[serde(default)]
    pub source: Option<SourceKind>,
    /// Why in this way, and what stood in the way of a better one.
    #[serde(default)]
    pub choice: Option<Choice>,
    /// What the long pauses were doing, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_pauses: Option<LongPauses>,
    /// Pause seconds by generation; absent where none of its pauses was seen.
    pub generation_pause_seconds: [Option<f64>; 3],
    /// Objects found that could not be freed.
    pub uncollectable: u64,
    /// Objects that survived the last full collection, where the build counts them.
    pub long_lived_objects: Option<u64>,
    /// Resident memory.
    pub rss: Option<Level>,
    /// Pauses by length.
    pub histogram: Vec<Bucket>,
    /// The objectives of collections and pauses.
    pub objectives: Vec<Criterion>,
    /// Where those come from.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
    /// What was found, with its figures.
    pub findings: Vec<Finding>,
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimization: Option<Optimization>,
    /// The single pauses.
    pub pauses: Option<PauseLog>,
    /// Readings of memory and counters over time.
    pub timeline: Vec<Moment>,
}

/// Pauses up to a length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Longer than this.
    pub above_seconds: f64,
    /// Up to this.
    pub up_to_seconds: f64,
    /// How many, of those that are kept.
    pub count: u64,
}

/// What was read at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the begin.
    pub t_seconds: f64,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Collections so far.
    pub collections: Option<u64>,
}

/// What was tried on the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimization {
    /// The settings before.
    pub before: Settings,
    /// Each trial, in order.
    pub trials: Vec<Trial>,
    /// Whether the kept settings stay after m5 ended.
    pub stays: bool,
    /// Whether something stopped it before it was done.
    pub interrupted: bool,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was set, and what was expected of it.
    pub proposal: Proposal,
    /// What was measured.
    pub judgement: Judgement,
}

/// Upper bounds of the histogram: 10 µs to 10 s, three a decade.
const BOUNDS: [f64; 19] = [
    1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// Counts lengths by bucket, from the first that holds one to the last.
#[must_use]
pub fn histogram(lengths: &[f64]) -> Vec<Bucket> {
    let mut counts = [0_u64; BOUNDS.len() + 1];
    for length in lengths {
        counts[BOUNDS.partition_point(|bound| bound < length)] += 1;
    }
    let below = |i: usize| i.checked_sub(1).and_then(|i| BOUNDS.get(i)).copied().unwrap_or(0.0);
    let bucket = |(i, count): (usize, &u64)| Bucket {
        above_seconds: below(i),
        up_to_seconds: BOUNDS.get(i).copied().unwrap_or(f64::MAX),
        count: *count,
    };
    let all: Vec<Bucket> = counts.iter().enumerate().map(bucket).collect();
    let held = |b: &Bucket| b.count > 0;
    match (all.iter().position(held), all.iter().rposition(held)) {
        (Some(first), Some(last)) => all[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

impl GcReport {
    /// The report of a recorded process whose interpreter was read; `None` where it was not.
    #[must_use]
    pub fn of(
        mut process: ProcessRecord,
        recorded: Recorded,
        collector: Collector,
        settings: Vec<InterpreterSettings>,
    ) -> Option<Self> {
        let derived = process.derived?;
        let (gc, interpreter) = (derived.gc?, process.interpreter?);
        let long_pauses = process.pauses.as_mut().and_then(|log| log.long.take());
        let log = process.pauses.as_ref();
        let unfreed =
            |state: &m5_cpython::GcState| -> u64 { state.generations.iter().map(|g| g.uncollectable).sum() };
        let s = &process.samples;
        let rows = s.t_seconds.iter().enumerate();
        let timeline = rows.map(|(i, t)| Moment {
            t_seconds: *t,
            rss_bytes: s.rss_bytes.get(i).copied().flatten(),
            collections: [&s.gc0_collections, &s.gc1_collections, &s.gc2_collections]
                .iter()
                .map(|c| c.get(i).copied().flatten())
                .sum(),
        });
        Some(Self {
            schema: GC_SCHEMA.to_owned(),
            m5_version: env!("CARGO_PKG_VERSION").to_owned(),
            identity: process.identity,
            command: process.command,
            service: process.service,
            uncollectable: unfreed(&interpreter.gc_end).saturating_sub(unfreed(&interpreter.gc_begin)),
            interpreter,
            collector,
            settings,
            exited: process.exited
                || recorded.end == End::TargetExited && process.re_executed_seconds.is_none(),
            re_executed_seconds: process.re_executed_seconds,
            recorded,
            source: gc.source,
            choice: log.and_then(|l| l.choice.clone()),
            long_pauses,
            generation_pause_seconds: [0, 1, 2]
                .map(|g| gc.generations[g].pause_total.filter(|_| !gc.bounded).map(|t| t.value)),
            gc,
            long_lived_objects: None,
            rss: derived.memory.rss,
            histogram: log.map(|l| histogram(&l.duration_seconds)).unwrap_or_default(),
            objectives: process.criteria.into_iter().filter(|c| c.name.starts_with("gc_")).collect(),
            objectives_from: process.objectives_from.unwrap_or_default(),
            findings: Vec::new(),
            optimization: None,
            timeline: timeline.collect(),
            pauses: process.pauses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_its_bucket() {
        let buckets = histogram(&[1.5e-5, 2e-5, 3e-4, 100.0]);
        let held: Vec<(f64, u64)> =
            buckets.iter().filter(|b| b.count > 0).map(|b| (b.up_to_seconds, b.count)).collect();
        assert_eq!(held, [(2e-5, 2), (5e-4, 1), (f64::MAX, 1)]);
        assert_eq!(buckets[0].above_seconds, 1e-5);
        assert!(histogram(&[]).is_empty());
    }
}
