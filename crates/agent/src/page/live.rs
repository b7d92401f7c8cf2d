//! The page of the processes that are watched now.

use super::{by_need, evidence, lines, states, timeline, told};
use crate::objectives::ObjectivesByService;
use crate::permission_remedies;
use crate::pool::{Member, PAUSE_BOUNDS, Pool, Readable};
use m5_process::{monotonic_ns, unix_ns};
use m5_report::Lang;
use m5_report::doc::{PAGE_SCHEMA, Page, PagePauses, PageProcess, PageSamples, Sentence, floors};
use m5_report::metrics::Histogram;
use m5_stats::{quantile, sorted};
use std::collections::BTreeMap;
use std::time::Duration;

/// Processes that get charts; the others are listed. A page that nobody can load helps nobody.
const CHARTED: usize = 50;

/// All processes as the page wants them.
#[must_use]
pub fn live(pool: &Pool, objectives: &ObjectivesByService, interval: Duration) -> Page {
    let mut processes: Vec<PageProcess> =
        pool.members().into_iter().map(|m| process(m, objectives)).collect();
    by_need(&mut processes);
    for process in processes.iter_mut().skip(CHARTED) {
        process.samples = None;
        process.floors.clear();
        if let Some(pauses) = &mut process.pauses {
            pauses.latest.clear();
        }
    }
    Page {
        schema: PAGE_SCHEMA,
        m5_version: env!("CARGO_PKG_VERSION").to_owned(),
        made_unix_seconds: unix_ns() as f64 / 1e9,
        interval_seconds: interval.as_secs_f64(),
        processes,
    }
}

fn process(member: &Member, objectives: &ObjectivesByService) -> PageProcess {
    let (own, from) = objectives.of(member.service());
    let (python, unread) = match member.readable() {
        Readable::Yes(layout) => (Some(layout.clone()), None),
        Readable::No(why) => (None, Some(why.clone())),
    };
    let points: Vec<(f64, f64)> = member.chart_points().map(|m| (m.unix_seconds, m.rss_bytes)).collect();
    let kinds = |fds: &m5_process::FdCounts| -> BTreeMap<String, u64> {
        let some = fds.by_kind.iter().filter(|(_, count)| **count > 0);
        some.map(|(kind, count)| (kind.name().to_owned(), *count)).collect()
    };
    PageProcess {
        service: member.service().to_owned(),
        objectives: lines(own),
        objectives_from: told(&from, member.identity().pid),
        slot: Some(member.slot()),
        pid: member.identity().pid,
        exited: false,
        started_unix_seconds: member.started_unix_seconds(),
        python,
        unread,
        stopped: matches!(member.reading.stat.state, 'T' | 't'),
        cpu: member.cpu,
        rss_bytes: member.reading.status.rss_bytes.map(|bytes| bytes as f64),
        evidence: Some(evidence(&member.assessment())),
        memory: Some(member.assessment()),
        between_restarts: member.between_restarts().filter(|b| b.growing),
        limit_bytes: member.limit_bytes(),
        fd_limit: member.max_fds,
        source: member.source(),
        coverage: member.pauses.coverage.ratio().filter(|_| member.traced()),
        collections: member.gc.map(|gc| gc.generations.map(|g| g.collections)),
        fds: member.reading.fds.as_ref().map(kinds),
        connections: member.connections.as_deref().map(states),
        samples: Some(samples(member)),
        floors: floors(&points),
        pauses: member.traced().then(|| pauses(member)),
        advice: if member.refused() { remedies(member.identity().pid) } else { Vec::new() },
    }
}

/// What to do about a process that may not be read.
fn remedies(pid: i32) -> Vec<Sentence> {
    let [en, zh] = [Lang::En, Lang::Zh].map(|lang| permission_remedies(pid, lang));
    en.into_iter().zip(zh).map(|(en, zh)| Sentence { en, zh }).collect()
}

fn samples(member: &Member) -> PageSamples {
    let mut out = PageSamples::default();
    for point in member.chart_points() {
        out.t.push(point.unix_seconds);
        out.rss_bytes.push(Some(point.rss_bytes));
        out.post_gc_bytes.push(point.post_gc_bytes);
        out.fds.push(point.fds);
        out.connections.push(point.connections);
        for (column, generation) in out.collections.iter_mut().zip(0..) {
            column.push(point.collections.map(|all: [u64; 3]| all[generation] as f64));
        }
    }
    out
}

fn pauses(member: &Member) -> PagePauses {
    let (now, unix) = (monotonic_ns(), unix_ns() as f64 / 1e9);
    let at = |p: &m5_gc::Pause| unix - now.saturating_sub(p.start_ns) as f64 / 1e9;
    let latest: Vec<_> =
        member.pauses.latest().map(|p| (at(p), p.duration_ns as f64 / 1e9, p.generation)).collect();
    let lengths = sorted(&latest.iter().map(|p| p.1).collect::<Vec<_>>());
    let [mut young, middle, old] = member.pauses.histograms().each_ref().map(bars);
    let unknown = bars(member.pauses.unlabelled());
    young.iter_mut().zip(&unknown).for_each(|(all, unknown)| *all -= unknown);
    PagePauses {
        seen: member.pauses.seen(),
        p95_seconds: quantile(&lengths, 0.95),
        max_seconds: member.pauses.longest_seconds(),
        latest: timeline(latest),
        bounds: PAUSE_BOUNDS.to_vec(),
        counts: [young, middle, old, unknown],
    }
}

/// Pauses by bar.
fn bars(histogram: &Histogram) -> Vec<u64> {
    let sums: Vec<u64> = histogram.cumulative().map(|(_, below)| below).collect();
    let before = std::iter::once(0).chain(sums.iter().copied());
    sums.iter().zip(before).map(|(sum, before)| sum - before).collect()
}
