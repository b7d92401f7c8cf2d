//! From raw samples to figures. Pure: a stored recording gives the same figures for ever.

mod gc;
mod growth;
mod leaks;

use m5_report::doc::{Baseline, Derived, Level, MemoryFigures, ProcessRecord, Recorded, Samples};
use m5_stats::objectives::{FD_GROWTH_SECONDS, MIB};
use m5_stats::{Assessment, Objectives, Summary, rate};
use std::collections::BTreeMap;

pub use growth::layers;

/// Derives the figures of every process and judges them.
pub fn complete(baseline: &mut Baseline, objectives: &Objectives) {
    for process in &mut baseline.processes {
        let derived = derive(process, &baseline.recorded, objectives);
        process.criteria = crate::criteria::judge_all(process, &derived, objectives);
        process.derived = Some(derived);
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
    };
    derived.leak_detection = leaks::find(process, &derived, objectives, recorded.interval_seconds);
    derived
}

/// Growth forecast for 24 hours as a part of the level, with its interval.
pub(crate) fn growth_24h(a: &Assessment) -> Option<(f64, [f64; 2])> {
    let (level, forecast) = (a.level.filter(|l| *l > 0.0)?, a.forecast_24h?);
    let ratio = |value: f64| value / level - 1.0;
    Some((ratio(forecast.value), [ratio(forecast.low), ratio(forecast.high)]))
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

pub(crate) fn floats(column: &[Option<u64>]) -> Vec<Option<f64>> {
    column.iter().map(|v| v.map(|v| v as f64)).collect()
}

fn level(column: &[Option<u64>]) -> Option<Level> {
    let values: Vec<f64> = column.iter().flatten().map(|v| *v as f64).collect();
    let summary = Summary::of(&values)?;
    Some(Level {
        first: *values.first()?,
        last: *values.last()?,
        min: summary.min,
        mean: summary.mean,
        p50: summary.p50,
        p95: summary.p95,
        max: summary.max,
    })
}

/// The first and the last value of a column that has one, with their times.
pub(crate) fn ends<T: Copy>(s: &Samples, column: &[Option<T>]) -> Option<[(f64, T); 2]> {
    let mut present = s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some((*t, (*v)?)));
    let first = present.next()?;
    Some([first, present.next_back()?])
}

/// Growth of a counter per second.
fn per_second(s: &Samples, column: &[Option<f64>]) -> Option<f64> {
    let [(t0, v0), (t1, v1)] = ends(s, column)?;
    rate((v1 - v0).max(0.0), t1 - t0)
}

/// What a level gained in its last `window` seconds (or since its begin), and over how long.
pub(crate) fn gained(s: &Samples, column: &[Option<u64>], window: f64) -> Option<(f64, f64)> {
    let [_, (end, last)] = ends(s, column)?;
    let mut present = s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some((*t, (*v)?)));
    let (begin, first) = present.find(|(t, _)| *t >= end - window)?;
    Some((last as f64 - first as f64, end - begin))
}
