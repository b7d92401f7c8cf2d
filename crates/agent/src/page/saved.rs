//! The page of a recording, figures derived.

use super::{POINTS, by_need, evidence, lines, states, timeline, told};
use crate::objectives::{ObjectivesByService, recorded_name};
use crate::pool::PAUSE_BOUNDS;
use m5_report::doc::{
    Baseline, Derived, PAGE_SCHEMA, Page, PagePauses, PageProcess, PageSamples, PauseLog, ProcessRecord,
    Samples, Sentence, floors, thinned,
};
use m5_report::text;

/// A recording as the page wants it. Figures must have been derived.
#[must_use]
pub fn saved(baseline: &Baseline, objectives: &ObjectivesByService) -> Page {
    let began = baseline.recorded.started_unix_seconds;
    let mut processes: Vec<PageProcess> =
        baseline.processes.iter().map(|p| process(p, began, objectives)).collect();
    by_need(&mut processes);
    Page {
        schema: PAGE_SCHEMA,
        m5_version: baseline.m5_version.clone(),
        made_unix_seconds: began + baseline.recorded.observed_seconds,
        interval_seconds: baseline.recorded.interval_seconds,
        processes,
    }
}

fn process(record: &ProcessRecord, began: f64, objectives: &ObjectivesByService) -> PageProcess {
    let (own, from) = objectives.of_record(record);
    let s = &record.samples;
    let rss = s.t_seconds.iter().zip(&s.rss_bytes);
    let points: Vec<(f64, f64)> = rss.filter_map(|(t, v)| Some((began + t, (*v)? as f64))).collect();
    let derived = record.derived.as_ref();
    let coverage = record.pauses.as_ref().map(|log| log.coverage);
    let last = |column: &[Option<u64>]| column.iter().rev().find_map(|v| *v);
    let counts = [last(&s.gc0_collections), last(&s.gc1_collections), last(&s.gc2_collections)];
    PageProcess {
        service: recorded_name(record),
        objectives: lines(own),
        objectives_from: told(&from, record.identity.pid),
        slot: None,
        pid: record.identity.pid,
        exited: record.exited || record.re_executed_seconds.is_some(),
        started_unix_seconds: record.started_unix_seconds,
        python: record.interpreter.as_ref().map(|i| i.version.clone()),
        unread: record.unread.as_ref().map(|u| u.detail.clone()),
        between_restarts: record.derived.as_ref().and_then(|d| d.between_restarts).filter(|b| b.growing),
        stopped: false,
        cpu: derived.and_then(|d| d.cpu_ratio),
        rss_bytes: last(&s.rss_bytes).map(|bytes| bytes as f64),
        evidence: derived.and_then(|d| d.growth.get("rss")).map(evidence),
        memory: derived.and_then(|d| d.growth.get("rss").copied()),
        limit_bytes: record.cgroup.as_ref().and_then(|c| c.max_bytes).map(|b| b as f64),
        fd_limit: record.fd_limit,
        source: record.pauses.as_ref().map(|log| log.source),
        coverage: coverage.and_then(|c| c.ratio()),
        collections: match counts {
            [Some(a), Some(b), Some(c)] => Some([a, b, c]),
            _ => None,
        },
        fds: derived.filter(|d| d.fds.is_some()).map(|d| d.fds_by_kind.clone()),
        connections: derived.filter(|d| d.connections.is_some()).map(|d| states(&d.connections_by_peer)),
        samples: Some(samples(s, began)),
        floors: floors(&points),
        pauses: record.pauses.as_ref().map(|log| pauses(log, derived, began)),
        advice: derived.map(advice).unwrap_or_default(),
    }
}

fn advice(derived: &Derived) -> Vec<Sentence> {
    derived.layers.iter().map(|growing| Sentence::each(|lang| text::layer_line(growing, lang))).collect()
}

/// As many samples as a chart can show, with every peak and floor of memory, and each level after a full
/// collection that falls on one of them.
fn samples(s: &Samples, began: f64) -> PageSamples {
    let float = |column: &[Option<u64>]| crate::derive::floats(column);
    let rss = float(&s.rss_bytes);
    let keep = thinned(&rss, POINTS);
    let pick = |column: &[Option<f64>]| keep.iter().map(|i| column.get(*i).copied().flatten()).collect();
    PageSamples {
        t: keep.iter().filter_map(|i| Some(began + s.t_seconds.get(*i)?)).collect(),
        rss_bytes: pick(&rss),
        post_gc_bytes: pick(&after_full(s)),
        fds: pick(&float(&s.fds)),
        connections: pick(&float(&s.connections)),
        collections: [&s.gc0_collections, &s.gc1_collections, &s.gc2_collections].map(|c| pick(&float(c))),
    }
}

/// Resident memory at the first sample after each full collection.
fn after_full(s: &Samples) -> Vec<Option<f64>> {
    let mut last = None;
    let collected = s.gc2_collections.iter().map(|now| match (*now, last) {
        (Some(now), Some(before)) => {
            last = Some(now);
            now > before
        }
        (now, _) => {
            last = now.or(last);
            false
        }
    });
    collected.zip(&s.rss_bytes).map(|(full, rss)| rss.filter(|_| full).map(|b| b as f64)).collect()
}

fn pauses(log: &PauseLog, derived: Option<&Derived>, began: f64) -> PagePauses {
    let rows = log.start_seconds.iter().zip(&log.duration_seconds).zip(&log.generation);
    let latest: Vec<_> =
        rows.map(|((start, long), generation)| (began + start, *long, *generation)).collect();
    let mut counts = [(); 4].map(|()| vec![0_u64; PAUSE_BOUNDS.len() + 1]);
    for (_, long, generation) in &latest {
        let bar = PAUSE_BOUNDS.partition_point(|bound| bound < long);
        // A kept pause stands for those that were thinned away beside it.
        counts[generation.map_or(3, |g| usize::from(g).min(2))][bar] += log.one_in;
    }
    let figures = derived.and_then(|d| d.gc.as_ref());
    PagePauses {
        seen: log.seen(),
        p95_seconds: figures.and_then(|f| f.pauses).map(|p| p.p95),
        max_seconds: figures.and_then(|f| f.max_seconds),
        latest: timeline(latest),
        bounds: PAUSE_BOUNDS.to_vec(),
        counts,
    }
}
