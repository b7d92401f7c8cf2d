//! The families: which parts each is made of.

use super::parts::{
    begins, bounded, cleaned, daily, first_uses, flushed, pieces, reloaded, ring, split, workers,
};
use crate::Rng;
use crate::events::{Plan, by_request, by_time, follows, usual_noise};
use crate::wide::DAY;

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    Recycled,
    Resized,
    Bounded,
    Flushed,
    Reloaded,
    Begins,
    DiesDown,
    FirstUses,
    Ring,
    Split,
    Daily,
    Uneven,
    Coarse,
    RecycledLine,
    ResizedLine,
    BoundedLine,
    FlushedLine,
    ReloadedLine,
    BeginsLine,
    RingLine,
    DailyLine,
    DailyNamedLine,
    UnevenLine,
    CoarseLine,
    Pieces,
    Cleaned,
    RestartedLine,
}

use Family::*;

/// Every family and its name.
pub const FAMILIES: [(Family, &str); 27] = [
    (Recycled, "workers recycled"),
    (Resized, "workers by need"),
    (Bounded, "count to its bound"),
    (Flushed, "flushed by the clock"),
    (Reloaded, "model loaded anew"),
    (Begins, "traffic begins"),
    (DiesDown, "traffic dies down"),
    (FirstUses, "first uses"),
    (Ring, "ring that fills"),
    (Split, "huge pages split"),
    (Daily, "daily load, unknown"),
    (Uneven, "uneven samples"),
    (Coarse, "coarse values"),
    (RecycledLine, "workers recycled + line"),
    (ResizedLine, "workers by need + line"),
    (BoundedLine, "count to its bound + leak"),
    (FlushedLine, "flushed by the clock + line"),
    (ReloadedLine, "model loaded anew + line"),
    (BeginsLine, "leak since traffic began"),
    (RingLine, "ring that fills + line"),
    (DailyLine, "daily load, days + line"),
    (DailyNamedLine, "leak by daily load, named"),
    (UnevenLine, "uneven samples + line"),
    (CoarseLine, "coarse values + line"),
    (Pieces, "a few pieces"),
    (Cleaned, "cleaned up in part"),
    (RestartedLine, "restarted, missed + line"),
];

/// Whether a family leaks.
#[must_use]
pub fn is_leak(family: Family) -> bool {
    family as usize >= RecycledLine as usize
}

/// What a container does whose events are of the scale of `seconds`, watched for `span`.
pub(super) fn plan(family: Family, seconds: f64, span: f64, every: f64, rng: &mut Rng) -> Plan {
    let days = family == DailyLine && span < 2.0 * DAY;
    let span = if days { DAY * rng.between(2.0, 5.0) } else { span };
    let every = if days { span / 1500.0 } else { every };
    let mut p = Plan { noise: usual_noise(every, rng), ..Plan::empty(seconds, every) };
    p.watching.missed = if rng.chance(0.3) { rng.scale(0.02, 0.5) } else { 0.0 };
    healthy(family, &mut p, span, rng);
    if is_leak(family) {
        leak(family, &mut p, rng);
    }
    p.seconds = span;
    p
}

fn healthy(family: Family, p: &mut Plan, span: f64, rng: &mut Rng) {
    let s = p.seconds;
    match family {
        Recycled | RecycledLine => p.live.push(workers(
            rng.between(0.5, 0.9),
            rng.count(2, 9),
            rng.scale(0.05, 0.5),
            s * rng.scale(0.05, 0.8),
            0.0,
            rng,
        )),
        Resized | ResizedLine => {
            let (often, lives) = (rng.between(0.5, 5.0) / s, s * rng.scale(0.05, 0.5));
            p.live.push(workers(rng.between(0.4, 0.9), rng.count(3, 12), 0.03, lives, often, rng));
        }
        Bounded | BoundedLine => {
            let mean = rng.scale(15.0, 400.0).round();
            p.scale = Some((mean, 1.0));
            p.noise = Box::new(|_, _| 0.0);
            let (most, memory) = (mean * rng.between(1.0, 1.8), s * rng.scale(0.002, 0.1));
            p.live.push(bounded(mean, most, memory, mean, rng));
        }
        Flushed | FlushedLine => {
            p.garbage = Some(flushed(rng.scale(0.02, 0.5), s * rng.scale(0.015, 0.25), rng));
        }
        Reloaded | ReloadedLine => {
            let (every, differ) = (s * rng.scale(0.05, 0.4), if rng.chance(0.5) { 0.0 } else { 0.04 });
            p.live.push(reloaded(rng.scale(0.05, 0.6), every, every * rng.scale(0.03, 0.3), differ, rng));
        }
        Begins | DiesDown | BeginsLine => {
            let (at, lag) = (s * rng.between(0.1, 0.7), s * rng.scale(0.003, 0.15));
            p.live.push(begins(rng.scale(0.05, 0.6), at, lag, family == DiesDown));
        }
        FirstUses => p.live.push(first_uses(rng.scale(0.03, 0.3), s * rng.scale(0.003, 0.05))),
        Ring | RingLine => p.live.push(ring(rng.scale(0.05, 0.5), s * rng.between(0.1, 0.7))),
        Split => {
            p.live.push(split(rng.scale(0.03, 0.3), rng.between(0.3, 3.0) / s, s * rng.scale(0.05, 0.3)));
        }
        Daily | DailyLine | DailyNamedLine => {
            p.load = Some(daily(rng.between(0.2, 0.7), rng.scale(0.05, 0.3), s * rng.scale(0.01, 0.1), rng));
            p.live.push(follows(rng.scale(0.02, 0.15), s * rng.scale(0.001, 0.03)));
            p.named = family == DailyNamedLine;
        }
        Uneven | UnevenLine => {
            p.watching.uneven = rng.scale(2.0, 12.0);
            p.live.push(follows(rng.scale(0.01, 0.08), s * rng.scale(0.001, 0.03)));
            p.load = Some(daily(0.0, rng.scale(0.1, 0.5), s * rng.scale(0.005, 0.05), rng));
        }
        Coarse | CoarseLine => {
            let units = rng.scale(15.0, 300.0);
            p.scale = Some((units, 1.0));
        }
        RestartedLine => {
            let from = span * rng.between(0.4, 0.7);
            p.watching.missed = rng.scale(0.05, 0.6);
            p.watching.gap = Some((from, from + span * rng.scale(0.02, 0.2)));
            p.restarts = (0..rng.count(1, 3)).map(|_| span * rng.between(0.02, 0.4)).collect();
            p.restarts.sort_by(f64::total_cmp);
        }
        Pieces | Cleaned => {}
    }
}

fn leak(family: Family, p: &mut Plan, rng: &mut Rng) {
    let (s, g) = (p.seconds, rng.scale(0.03, 0.5));
    p.leak = Some(match family {
        BeginsLine => by_time(g / 0.6, s, s * rng.between(0.1, 0.6)),
        DailyLine => by_time(g, DAY * rng.between(2.0, 4.0), 0.0),
        DailyNamedLine => by_request(g, s),
        Pieces => pieces(g, s, rng.scale(8.0, 40.0)),
        Cleaned => cleaned(g, s, s * rng.scale(0.02, 0.2), rng.scale(0.1, 0.8), rng),
        RestartedLine => by_time(g / 0.6, s, 0.0),
        _ => by_time(g, s, 0.0),
    });
}
