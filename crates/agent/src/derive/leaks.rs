//! What seems to leak, with a name: which memory, which kind of descriptor, which peer.

use super::columns::gained;
use m5_process::ConnectionGroup;
use m5_report::doc::{Derived, Leak, LeakKind, ProcessRecord, Samples, Severity};
use m5_stats::objectives::{FD_GROWTH_SECONDS, MIB};
use m5_stats::{Assessment, Objective, Objectives, Status, Verdict, judge};

/// Connections that must be gained before anybody is told: fewer come and go by themselves.
const CONNECTIONS: f64 = 5.0;

pub(super) fn find(
    process: &ProcessRecord,
    derived: &Derived,
    objectives: &Objectives,
    interval_seconds: f64,
) -> Vec<Leak> {
    let s = &process.samples;
    let mut leaks: Vec<Leak> = ["rss", "anon_swap"]
        .iter()
        .find_map(|name| derived.growth.get(*name).and_then(growing))
        .into_iter()
        .collect();
    for leak in &mut leaks {
        leak.severity = severity(leak.growth_per_second, objectives.growth_bytes_per_second.as_ref());
        leak.growth_rate_mb_per_snapshot = Some(leak.growth_per_second * interval_seconds / MIB);
    }
    leaks.extend(descriptors(s, derived, objectives));
    leaks.extend(connections(process));
    leaks.extend(derived.growth.get("threads").and_then(growing).map(|leak| Leak {
        kind: LeakKind::ThreadGrowth,
        severity: Severity::Medium,
        ..leak
    }));
    leaks
}

fn growing(a: &Assessment) -> Option<Leak> {
    let growth_per_second = a.slope.filter(|_| a.verdict == Verdict::Growing)?;
    Some(Leak {
        kind: LeakKind::RssGrowth,
        severity: Severity::Low,
        growth_per_second,
        growth_rate_mb_per_snapshot: None,
        gained: growth_per_second * a.observed_seconds,
        seconds: a.observed_seconds,
        what: None,
        peer: None,
    })
}

/// How bad growth is; where nobody said what is too much, it is as bad as any.
fn severity(value: f64, objective: Option<&Objective>) -> Severity {
    match objective.map(|objective| judge(Some(value), objective)) {
        Some(Status::Fail) => Severity::High,
        Some(Status::Warn) | None => Severity::Medium,
        Some(Status::Ok | Status::NotMeasured) => Severity::Low,
    }
}

/// Descriptors leak where their verdict says so, or where they were gained faster than the objective allows.
/// The kind that gained most is named.
fn descriptors(s: &Samples, derived: &Derived, objectives: &Objectives) -> Option<Leak> {
    let (all, seconds) = gained(s, &s.fds, FD_GROWTH_SECONDS)?;
    let verdict = derived.growth.get("fds").map(|a| a.verdict);
    let too_fast = objectives.fd_growth.is_some_and(|o| judge(Some(all), &o) != Status::Ok);
    if seconds <= 0.0 || !(too_fast || verdict == Some(Verdict::Growing)) {
        return None;
    }
    let by_kind =
        s.fd_kinds().map(|(name, column)| (name, gained(s, column, FD_GROWTH_SECONDS).map_or(0.0, |g| g.0)));
    let (what, _) = by_kind.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Leak {
        kind: LeakKind::FdGrowth,
        severity: if too_fast { Severity::High } else { Severity::Medium },
        growth_per_second: all / seconds,
        growth_rate_mb_per_snapshot: None,
        gained: all,
        seconds,
        what: Some(what.to_owned()),
        peer: None,
    })
}

/// Connections by state and peer that only ever became more in the last five minutes.
fn connections(process: &ProcessRecord) -> Vec<Leak> {
    let Some(end) = process.samples.t_seconds.last() else { return Vec::new() };
    let from = end - FD_GROWTH_SECONDS;
    // The state at the begin of the window is the last one written before it.
    let start = process.connections.iter().rposition(|c| c.t_seconds <= from).unwrap_or(0);
    let window = &process.connections[start..];
    let (Some(first), Some(last)) = (window.first(), window.last()) else { return Vec::new() };
    let count = |groups: &[ConnectionGroup], of: &ConnectionGroup| {
        groups.iter().find(|g| g.state == of.state && g.peer == of.peer).map_or(0, |g| g.count)
    };
    let seconds = (end - first.t_seconds.max(from)).max(0.0);
    let leak = |group: &ConnectionGroup| {
        let counts: Vec<u64> = window.iter().map(|c| count(&c.groups, group)).collect();
        let gained = group.count as f64 - counts.first().copied().unwrap_or(0) as f64;
        let steps = counts.windows(2).filter(|w| w[1] > w[0]).count();
        let ascending = counts.windows(2).all(|w| w[0] <= w[1]);
        // One jump is a pool that opened its connections; a leak goes on.
        (gained >= CONNECTIONS && ascending && steps >= 3 && seconds > 0.0).then(|| Leak {
            kind: LeakKind::ConnectionGrowth,
            severity: if group.state == "CLOSE_WAIT" { Severity::High } else { Severity::Medium },
            growth_per_second: gained / seconds,
            growth_rate_mb_per_snapshot: None,
            gained,
            seconds,
            what: Some(group.state.clone()),
            peer: Some(group.peer.clone()),
        })
    };
    last.groups.iter().filter_map(leak).collect()
}
