//! From raw samples to figures. Pure: a stored recording gives the same figures for ever.

use super::columns::{floats, gained, level, per_second};
use super::growth::growth_24h;
use super::{criteria, gc, growth, interpreters, leaks, restarts};
use crate::objectives::ObjectivesByService;
use m5_report::doc::{Baseline, Derived, MemoryFigures, ProcessRecord, Recorded, Samples};
use m5_stats::Objectives;
use m5_stats::objectives::{FD_GROWTH_SECONDS, MIB};
use std::collections::BTreeMap;

/// Derives the figures of every process and judges them, each by the objectives of its service.
pub fn complete(baseline: &mut Baseline, objectives: &ObjectivesByService) {
    baseline.objectives_from = Some(objectives.general().1.clone());
    let joined = restarts::join(&baseline.processes, baseline.recorded.started_unix_seconds);
    for (process, between_restarts) in baseline.processes.iter_mut().zip(joined) {
        let (objectives, from) = objectives.of_record(process);
        let derived = Derived { between_restarts, ..derive(process, &baseline.recorded, objectives) };
        process.criteria = criteria::judge_all(process, &derived, objectives);
        process.criteria.extend(interpreters::judge_each(process, objectives));
        process.derived = Some(derived);
        process.objectives_from = Some(from);
    }
}

/// Derives the figures of one process.
#[must_use]
pub fn derive(process: &ProcessRecord, recorded: &Recorded, objectives: &Objectives) -> Derived {
    let s = &process.samples;
    let growth = growth::judge(process, recorded);
    let rss_growth = growth.get("rss");
    let mut derived = Derived {
        observed_seconds: s.seconds(),
        samples: s.len() as u64,
        memory: memory(process),
        cpu_ratio: per_second(s, &s.cpu_seconds),
        minor_faults_per_second: per_second(s, &floats(&s.minor_faults)),
        major_faults_per_second: per_second(s, &floats(&s.major_faults)),
        voluntary_switches_per_second: per_second(s, &floats(&s.voluntary_switches)),
        involuntary_switches_per_second: per_second(s, &floats(&s.involuntary_switches)),
        threads: level(&s.threads),
        fds: level(&s.fds),
        fds_by_kind: fds_by_kind(s),
        fd_growth: gained(s, &s.fds, FD_GROWTH_SECONDS).map(|(gained, _)| gained),
        connections: level(&s.connections),
        connections_by_peer: process.connections.last().map(|c| c.groups.clone()).unwrap_or_default(),
        gc: gc::figures(process),
        memory_growth_rate_mb_per_minute: rss_growth.and_then(|a| a.slope).map(|slope| slope * 60.0 / MIB),
        growth_24h_ratio: rss_growth.and_then(growth_24h).map(|(value, _)| value),
        layers: growth::layers(&growth),
        growth,
        leak_detection: Vec::new(),
        between_restarts: None,
    };
    derived.leak_detection = leaks::find(process, &derived, objectives, recorded.interval_seconds);
    derived
}

fn memory(process: &ProcessRecord) -> MemoryFigures {
    let s = &process.samples;
    let rollup = process.rollups.last();
    MemoryFigures {
        rss: level(&s.rss_bytes),
        peak_rss_bytes: floats(&s.peak_rss_bytes).into_iter().flatten().reduce(f64::max),
        anon: level(&s.anon_bytes),
        file: level(&s.file_bytes),
        shmem: level(&s.shmem_bytes),
        swap: level(&s.swap_bytes),
        pss_bytes: rollup.map(|r| r.pss_bytes as f64),
        uss_bytes: rollup.map(|r| r.uss_bytes as f64),
    }
}

fn fds_by_kind(s: &Samples) -> BTreeMap<String, u64> {
    let last = |column: &[Option<u64>]| column.last().copied().flatten().filter(|n| *n > 0);
    s.fd_kinds().into_iter().filter_map(|(name, column)| Some((name.to_owned(), last(column)?))).collect()
}
