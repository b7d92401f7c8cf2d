//! What never comes back.

use super::chance::{Shared, pareto, pareto_mean, poisson, wanders};
use crate::Rng;
use crate::events::{Part, happens};
use crate::wide::DAY;

/// Pieces by chance, `count` of them in `s` seconds at a load of one, of a Pareto size.
pub(super) fn pieces(size: f64, s: f64, count: f64, alpha: f64) -> Part {
    let (most, mut sum) = (20.0, 0.0);
    let each = size / count / pareto_mean(alpha, most);
    Box::new(move |now, rng| {
        let come = poisson(count * now.load * now.dt / s, rng);
        let drawn = come.min(40.0) as usize;
        for _ in 0..drawn {
            sum += each * come / drawn as f64 * pareto(alpha, most, 1.0, rng);
        }
        sum
    })
}

/// Errors in incidents: nothing for long, then many at a time, each of which keeps its frames.
pub(super) fn in_incidents(size: f64, s: f64, incidents: f64, lasts: f64, rng: &mut Rng) -> Part {
    let (mut left, mut rate, mut sum) = (0.0_f64, 0.0, 0.0);
    let spread = rng.between(0.3, 1.0);
    Box::new(move |now, rng| {
        if happens(incidents / s, now, rng) {
            left = lasts * rng.between(0.5, 1.5);
            rate = (spread * rng.normal() - 0.5 * spread * spread).exp();
        }
        let on = left.min(now.dt);
        left -= on;
        sum += size / incidents * rate * on / lasts * rng.between(0.6, 1.4);
        sum
    })
}

/// A structure that has a bound, far away.
pub(super) fn to_far_bound(size: f64, s: f64, bound: f64) -> Part {
    let mut sum: f64 = 0.0;
    Box::new(move |now, rng| {
        sum = (sum + size * now.dt / s * rng.between(0.5, 1.5)).min(bound);
        sum
    })
}

/// The more there is, the longer all takes, and the more is kept: up to a bound, where callers give up.
pub(super) fn feeds_itself(size: f64, s: f64, power: f64, bound: f64) -> Part {
    let own = size / power.exp_m1();
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        sum += (sum + own) * power * now.dt / s * (1.0 - sum / bound).max(0.0) * rng.between(0.7, 1.3);
        sum
    })
}

/// One worker of several leaks by its requests: its share of them changes as connections move.
pub(super) fn of_one_worker(size: f64, s: f64, moves: f64, spread: f64) -> Part {
    let (mut share, mut sum) = (1.0_f64, 0.0);
    Box::new(move |now, rng| {
        if happens(moves / s, now, rng) {
            share = (spread * rng.normal() - 0.5 * spread * spread).exp();
        }
        sum += size * share * now.dt / s;
        sum
    })
}

/// Series of a metric: labels that were not seen come ever more rarely, but each time pods are replaced all come again.
pub(super) fn labels(size: f64, s: f64, replaced: f64, power: f64, old: f64) -> Part {
    let each = size / (replaced + 1.0).powf(1.0 - power);
    let (mut age, mut sum) = (old, 0.0);
    Box::new(move |now, rng| {
        if happens(replaced / s, now, rng) {
            age = 0.0;
        }
        let before = age;
        age += now.dt / s * rng.between(0.6, 1.4);
        sum += each * (f64::powf(age, power) - f64::powf(before, power));
        sum
    })
}

/// Listeners that are never removed; each hears every event, so that there is more garbage as well.
pub(super) fn listeners(size: f64, s: f64, count: f64, kept: Shared) -> Part {
    let mut leak = pieces(size, s, count, 6.0);
    Box::new(move |now, rng| {
        let sum = leak(now, rng);
        kept.set(sum);
        sum
    })
}

/// Garbage of events, between collections: as much as there are listeners.
pub(super) fn heard(ratio: f64, period: f64, kept: Shared, rng: &mut Rng) -> Part {
    let (mut at, mut busy) = (rng.unit(), wanders(3.0 * period, rng));
    Box::new(move |now, rng| {
        at += now.dt / period * (0.3 * busy(now.dt, rng)).exp();
        at = at.fract();
        ratio * at * (1.0 + 4.0 * kept.get())
    })
}

/// As busy as the shop is.
pub(super) fn by_use(size: f64, s: f64, busy: Shared) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        // The mean of a day is about 0.43.
        sum += size * busy.get() / 0.43 * now.dt / s * rng.between(0.5, 1.5);
        sum
    })
}

/// A job of Monday mornings leaves something.
pub(super) fn on_mondays(size: f64, s: f64, rng: &mut Rng) -> Part {
    let (from, hours) = (7.0 * DAY * rng.unit(), rng.between(0.5, 8.0));
    let (mut sum, mut pace, mut week) = (0.0, 1.0, f64::NEG_INFINITY);
    Box::new(move |now, rng| {
        let at = (now.t + from) / (7.0 * DAY);
        if at.floor() > week {
            (week, pace) = (at.floor(), rng.between(0.6, 1.4));
        }
        let hour = 168.0 * at.fract();
        if (5.0..5.0 + hours).contains(&hour) {
            sum += size * pace * 7.0 * DAY / s * now.dt / (3600.0 * hours);
        }
        sum
    })
}
