//! The families: which parts each is made of.

use super::parts::{
    busy, by_hours, by_reload, chance_jobs, counts, deployments, flicker, generations, huge_pages, keeps,
    of_old, one_by_one, pool, queue, reclaimed, table, trimmed, two_caches, two_peaks,
};
use crate::Rng;
use crate::events::{Plan, by_request, by_time};

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Counts,
    Flicker,
    Queue,
    Generations,
    Reclaimed,
    HugePages,
    TwoCaches,
    Pool,
    Trimmed,
    Deployments,
    Jobs,
    TwoPeaks,
    Mixed,
    CountsLine,
    FlickerLine,
    GenerationsLine,
    ReclaimedLine,
    ByReload,
    Table,
    ByHours,
    Busy,
    JobsLine,
    CachesLine,
    TrimmedLine,
    MixedLine,
    OfOld,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 26] = [
    (Counts, "counts"),
    (Flicker, "flicker"),
    (Queue, "queue"),
    (Generations, "generations"),
    (Reclaimed, "pages reclaimed"),
    (HugePages, "huge pages"),
    (TwoCaches, "two caches"),
    (Pool, "pool to its bound"),
    (Trimmed, "trimmed"),
    (Deployments, "deployments"),
    (Jobs, "jobs by chance"),
    (TwoPeaks, "part of a day, two peaks"),
    (Mixed, "mixed"),
    (CountsLine, "counts + leak"),
    (FlickerLine, "flicker + line"),
    (GenerationsLine, "generations + line"),
    (ReclaimedLine, "pages reclaimed + line"),
    (ByReload, "leak by reload"),
    (Table, "table that doubles"),
    (ByHours, "leak in busy hours"),
    (Busy, "leak by request, unknown"),
    (JobsLine, "jobs by chance + line"),
    (CachesLine, "two caches + line"),
    (TrimmedLine, "trimmed + line"),
    (MixedLine, "mixed + line"),
    (OfOld, "bent, old process"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= CountsLine as usize
}

/// What a service does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let mut p = Plan::empty(seconds, every);
    let (short, long) = (every * rng.scale(1.0, 20.0), seconds * rng.scale(0.01, 0.2));
    p.noise = flicker(rng.scale(0.0004, 0.008), short, long.max(2.0 * short), rng);
    healthy(family, &mut p, rng);
    if is_leak(family) {
        leak(family, &mut p, rng);
    }
    p.seconds = span;
    p
}

fn healthy(family: Family, p: &mut Plan, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Counts | CountsLine => {
            let base = rng.scale(12.0, 300.0).round();
            p.scale = Some((base, 1.0));
            p.noise = Box::new(|_, _| 0.0);
            p.live.push(counts(base * rng.scale(0.05, 0.8), s * rng.scale(0.001, 0.1), base));
        }
        Flicker | FlickerLine => {
            p.noise = flicker(rng.scale(0.003, 0.03), p.every, s * rng.scale(0.3, 1.5), rng);
        }
        Queue => p.live.push(queue(rng.scale(0.01, 0.3), s * rng.scale(0.002, 0.08))),
        Generations | GenerationsLine => {
            let (ratio, period) = (rng.scale(0.05, 0.5), s * rng.scale(0.01, 0.2));
            p.garbage = Some(generations(ratio, period, rng.between(0.1, 0.7)));
        }
        Reclaimed | ReclaimedLine => {
            let often = rng.between(1.0, 6.0) / s;
            p.live.push(reclaimed(rng.scale(0.05, 0.3), often, s * rng.scale(0.01, 0.3)));
        }
        HugePages => p.live.push(huge_pages(rng.scale(0.03, 0.3), s * rng.scale(0.05, 0.4))),
        TwoCaches | CachesLine => {
            let (sizes, fills) =
                ([(); 2].map(|()| rng.scale(0.03, 0.4)), [(); 2].map(|()| rng.scale(0.01, 0.15)));
            p.live.push(two_caches(sizes, fills.map(|f| s * f), s * rng.between(0.1, 0.5)));
        }
        Pool => p.live.push(pool(rng.scale(0.005, 0.06), rng.count(3, 12), s * rng.between(0.1, 0.5))),
        Trimmed | TrimmedLine => {
            let period = s * rng.scale(0.02, 0.3);
            p.live.push(trimmed(rng.scale(0.03, 0.4), period, period * rng.scale(0.1, 0.8)));
        }
        Deployments => {
            p.live.push(deployments(
                rng.scale(0.03, 0.25),
                rng.between(0.7, 3.0) / s,
                s * rng.scale(0.002, 0.05),
            ));
        }
        Jobs | JobsLine => {
            let lasts = s * rng.scale(0.005, 0.1);
            p.live.push(chance_jobs(rng.scale(0.03, 0.5), rng.scale(0.05, 0.6) / lasts, lasts));
            if rng.chance(0.3) {
                p.allocator = Some(keeps(rng.between(0.0, 0.15), s * rng.scale(0.003, 0.1)));
            }
        }
        TwoPeaks => p.live.push(two_peaks(rng.scale(0.01, 0.15), rng)),
        Mixed | MixedLine => {
            let of = [Queue, Generations, Reclaimed, TwoCaches, Trimmed, Jobs, Flicker];
            let first = rng.count(0, of.len() - 1);
            let second = (first + rng.count(1, of.len() - 1)) % of.len();
            for family in [of[first], of[second]] {
                healthy(family, p, rng);
            }
        }
        Busy => p.load = Some(busy(rng.between(0.3, 1.2), s * rng.scale(0.01, 0.15), rng)),
        ByReload | Table | ByHours | OfOld => {}
    }
}

fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    let (s, g) = (p.seconds, rng.scale(0.03, 0.5));
    p.leak = Some(match family {
        CountsLine => one_by_one(g, s, 1.0 / p.scale.map_or(100.0, |(base, _)| base)),
        ByReload => by_reload(g, s, rng.scale(6.0, 50.0)),
        Table => table(g, s, if rng.chance(0.5) { 2.0 } else { 1.125 }, rng.unit()),
        ByHours => by_hours(g, s, s * rng.scale(0.04, 0.4), rng.between(0.25, 0.75), rng.unit()),
        Busy => by_request(g, s),
        OfOld => of_old(g, s, rng.between(0.6, 1.6), rng.scale(0.5, 20.0)),
        _ => by_time(g, s, 0.0),
    });
}
