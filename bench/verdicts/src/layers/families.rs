//! The families: which parts each is made of.

use super::parts::{
    by_job, by_session, connections, fragmented, idle_pool, late_warm_up, lingers, lru, merges, pauses,
    shared_pages, swapped, timetable, trading, traffic_grows,
};
use crate::Rng;
use crate::events::{Plan, by_time, usual_noise};
use crate::wide::DAY;

/// What a layer of a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Threads,
    Descriptors,
    Objects,
    Arenas,
    Lru,
    Merges,
    Timetable,
    LateWarmUp,
    Trading,
    PartTrading,
    Lingers,
    Swapped,
    Shared,
    ThreadsLeak,
    DescriptorsLeak,
    ObjectsLeak,
    ArenasLeak,
    LruLeak,
    MergesLeak,
    ByJob,
    LateWarmUpLeak,
    TradingLeak,
    LingersLeak,
    Pauses,
    TrafficGrows,
    BySession,
    SharedLeak,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 27] = [
    (Threads, "threads"),
    (Descriptors, "descriptors"),
    (Objects, "objects"),
    (Arenas, "arenas, fragmented"),
    (Lru, "cache with expiry"),
    (Merges, "flushes and merges"),
    (Timetable, "timetable"),
    (LateWarmUp, "late warm-up"),
    (Trading, "trading hours"),
    (PartTrading, "part of a trading day"),
    (Lingers, "freed later"),
    (Swapped, "swapped out"),
    (Shared, "shared pages"),
    (ThreadsLeak, "threads + leak"),
    (DescriptorsLeak, "descriptors + leak"),
    (ObjectsLeak, "objects + leak"),
    (ArenasLeak, "arenas + leak"),
    (LruLeak, "cache with expiry + leak"),
    (MergesLeak, "flushes, merges + leak"),
    (ByJob, "leak by job"),
    (LateWarmUpLeak, "late warm-up + leak"),
    (TradingLeak, "trading hours + leak"),
    (LingersLeak, "freed later + leak"),
    (Pauses, "leak that pauses"),
    (TrafficGrows, "leak, growing traffic"),
    (BySession, "leak by session"),
    (SharedLeak, "shared pages + leak"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= ThreadsLeak as usize
}

/// What a layer does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let long = matches!(family, Trading | TradingLeak) && span < 2.0 * DAY;
    let (span, every) = match long {
        true => (DAY * rng.between(2.0, 6.0), 300.0),
        false => (span, every),
    };
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.25) { rng.scale(0.01, 0.2) } else { 0.0 };
    if rng.chance(0.15) {
        let from = span * rng.between(0.1, 0.85);
        p.watching.gap = Some((from, from + span * rng.scale(0.01, 0.1)));
    }
    healthy(family, &mut p, rng);
    if is_leak(family) {
        leak(family, &mut p, rng);
    }
    p.seconds = span;
    p
}

/// A count of things in place of bytes: its size is one in so many.
fn counted(p: &mut Plan, count: f64) {
    p.scale = Some((count, 1.0));
    p.noise = Box::new(|_, _| 0.0);
}

fn healthy(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Threads | ThreadsLeak => {
            let base = rng.scale(8.0, 120.0).round();
            counted(p, base);
            p.live.push(idle_pool(rng.between(1.0, 12.0) / base, s * rng.scale(0.005, 0.15)));
        }
        Descriptors | DescriptorsLeak => {
            let base = rng.scale(30.0, 900.0).round();
            counted(p, base);
            p.live.push(connections(base * rng.scale(0.03, 0.3), s * rng.scale(0.002, 0.05), base));
        }
        Objects | ObjectsLeak => {
            let base = rng.scale(5e4, 5e6).round();
            counted(p, base);
            p.noise = usual_noise(p.every, rng);
            p.live.push(connections(
                rng.scale(20.0, 200.0),
                s * rng.scale(0.002, 0.06),
                rng.scale(300.0, 3000.0),
            ));
        }
        Arenas | ArenasLeak => {
            let size = rng.scale(0.004, 0.04);
            p.live.push(connections(rng.scale(10.0, 60.0), s * rng.scale(0.003, 0.03), 1000.0));
            p.allocator = Some(fragmented(size, rng.scale(1.0, 30.0) / s));
        }
        Lru | LruLeak => {
            p.live.push(lru(rng.scale(0.03, 0.4), s * rng.scale(0.02, 0.25), rng.between(0.1, 0.8)));
        }
        Merges | MergesLeak => {
            let period = s * rng.scale(0.01, 0.08);
            p.garbage = Some(merges(rng.scale(0.02, 0.2), period, rng.count(3, 6), rng));
        }
        Timetable | ByJob => {
            let period = s * rng.scale(0.03, 0.3);
            p.live.push(timetable(rng.scale(0.02, 0.4), period, rng.between(0.05, 0.6), rng));
        }
        LateWarmUp | LateWarmUpLeak => {
            let (at, wide) = (s * rng.between(0.1, 0.55), s * rng.scale(0.01, 0.08));
            p.live.push(late_warm_up(rng.scale(0.03, 0.5), at, wide));
        }
        Trading | TradingLeak | PartTrading => p.live.push(trading(rng.scale(0.02, 0.2), rng)),
        Lingers | LingersLeak => {
            let often = rng.scale(3.0, 60.0) / s;
            p.live.push(lingers(rng.scale(0.02, 0.3), often, s * rng.scale(0.005, 0.1)));
        }
        Swapped => p.live.push(swapped(rng.scale(0.003, 0.04), rng.between(1.0, 8.0) / s, s * 0.01)),
        Shared | SharedLeak => {
            p.live.push(shared_pages(rng.scale(0.05, 1.0), s * rng.scale(0.03, 0.3), rng.between(0.4, 1.0)));
        }
        Pauses | TrafficGrows | BySession => {}
    }
}

fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    let (s, g) = (p.seconds, rng.scale(0.03, 0.5));
    let each = p.scale.map_or(100.0, |(base, _)| base);
    p.leak = Some(match family {
        ThreadsLeak | DescriptorsLeak => by_session(g, s, g * each, 0.0),
        ByJob => by_job(g, s, s * rng.scale(0.02, 0.12), rng),
        TradingLeak => by_time(g, DAY * rng.between(2.0, 4.0), 0.0),
        Pauses => pauses(g, s, s * rng.scale(0.02, 0.15), rng.between(0.3, 0.8)),
        TrafficGrows => traffic_grows(g, s, rng.scale(0.2, 3.0)),
        BySession => by_session(g, s, rng.scale(30.0, 1000.0), rng.between(0.3, 1.2)),
        _ => by_time(g, s, 0.0),
    });
}
