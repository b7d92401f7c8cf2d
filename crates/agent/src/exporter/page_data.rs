//! The values behind the page: one JSON document for all processes, small enough to be fetched every few
//! seconds.

use crate::pool::{Member, Pool, Readable};
use m5_stats::Verdict;
use m5_stats::objectives::Objectives;
use serde_json::{Value, json};

/// A verdict's word in labels and documents.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Flat => "flat",
        Verdict::Growing => "growing",
        Verdict::Saturating => "saturating",
        Verdict::Step => "step",
        Verdict::Insufficient => "insufficient",
    }
}

/// All processes as the page wants them.
pub(super) fn page_data(pool: &Pool, objectives: &Objectives) -> String {
    let processes: Vec<Value> = pool.members().into_iter().map(process).collect();
    json!({
        "schema": "m5.page/1",
        "objectives": {
            "rss_peak_bytes": objectives.rss_peak_bytes.pass,
            "rss_alert_bytes": objectives.rss_peak_bytes.alert,
            "gc_pause_p95_seconds": objectives.gc_pause_p95_seconds.pass,
            "open_fds": objectives.open_fds.pass,
        },
        "processes": processes,
    })
    .to_string()
}

fn process(member: &Member) -> Value {
    let assessment = &member.assessment;
    json!({
        "service": member.service(),
        "slot": member.slot(),
        "pid": member.identity().pid,
        "python": match member.readable() { Readable::Yes(layout) => Some(layout), Readable::No(_) => None },
        "unread": match member.readable() { Readable::Yes(_) => None, Readable::No(why) => Some(why) },
        "verdict": word(assessment.verdict),
        "floor_bytes": assessment.level,
        "growth_bytes_per_second": assessment.slope,
        "forecast_24h": assessment.forecast_24h,
        "wait_seconds": assessment.wait_seconds,
        "post_gc_bytes": member.post_gc_bytes,
        "coverage": member.pauses.coverage.ratio().filter(|_| member.traced()),
        "source": member.source(),
        "collections": member.gc.map(|gc| gc.generations.map(|g| g.collections)),
        "fds": member.reading.fds.as_ref().map(|f| &f.by_kind),
        "connections": member.connections,
        "samples": samples(member),
        "pauses": pauses(member),
    })
}

/// Columns: time, memory, descriptors.
fn samples(member: &Member) -> Value {
    let marks: Vec<_> = member.marks().collect();
    json!({
        "t": marks.iter().map(|m| m.unix_seconds).collect::<Vec<_>>(),
        "rss_bytes": marks.iter().map(|m| m.rss_bytes).collect::<Vec<_>>(),
        "fds": marks.iter().map(|m| m.fds).collect::<Vec<_>>(),
    })
}

/// The latest pauses, as `[seconds before now, seconds long, generation]`.
fn pauses(member: &Member) -> Value {
    let now = m5_target::monotonic_ns();
    let row = |p: &m5_gc::Pause| {
        let ago = now.saturating_sub(p.start_ns) as f64 / 1e9;
        json!([ago, p.duration_ns as f64 / 1e9, p.generation])
    };
    member.pauses.latest().map(row).collect()
}
