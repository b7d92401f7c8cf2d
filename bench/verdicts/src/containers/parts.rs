//! What happens in a container.

use crate::Rng;
use crate::events::{Now, Part, happens};
use crate::wide::DAY;
use std::f64::consts::TAU;

/// Workers, each of which rises by `each` until it has done its requests and is started anew; their number is changed
/// once in a while (`resized` a second).
pub(super) fn workers(size: f64, count: usize, each: f64, lives: f64, resized: f64, rng: &mut Rng) -> Part {
    let count = count as f64;
    let mut ages: Vec<f64> = (0..count as usize).map(|_| rng.unit()).collect();
    let mut open = count;
    Box::new(move |now, rng| {
        if happens(resized, now, rng) {
            open = (open + if rng.chance(0.5) { 1.0 } else { -1.0 }).clamp(1.0, 2.0 * count);
            ages.resize(open as usize, 0.0);
        }
        for age in &mut ages {
            *age += now.dt / lives * rng.between(0.6, 1.4);
            if *age >= 1.0 {
                *age = 0.0;
            }
        }
        size * (ages.iter().map(|age| 1.0 + each * age).sum::<f64>() / count - 1.0)
    })
}

/// A count that follows the load and meets its bound.
pub(super) fn bounded(mean: f64, most: f64, memory: f64, base: f64, rng: &mut Rng) -> Part {
    let mut level = rng.normal();
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        (mean * (0.4 * level).exp()).min(most).round() / base
    })
}

/// A buffer that is flushed by the clock, each time after another amount.
pub(super) fn flushed(size: f64, period: f64, rng: &mut Rng) -> Part {
    let (mut since, mut pace) = (period * rng.unit(), 1.0);
    Box::new(move |now, rng| {
        since += now.dt;
        if since >= period {
            (since, pace) = (since - period, (0.4 * rng.normal()).exp());
        }
        size * pace * since / period
    })
}

/// A model that is loaded anew: the new one beside the old one for a while, and sometimes a larger one.
pub(super) fn reloaded(size: f64, every: f64, lasts: f64, differ: f64, rng: &mut Rng) -> Part {
    let (mut next, mut until) = (every * rng.unit(), 0.0);
    let (mut old, mut new) = (1.0_f64, 1.0_f64);
    Box::new(move |now, rng| {
        if now.t >= next {
            (until, next) = (now.t + lasts * rng.between(0.6, 1.6), now.t + every * rng.between(0.7, 1.3));
            (old, new) = (new, 1.0 + differ * rng.normal());
        }
        size * (if now.t < until { old + new } else { new } - 1.0)
    })
}

/// Traffic that begins at a moment, or dies down at it: what is held for it follows.
pub(super) fn begins(size: f64, at: f64, lag: f64, down: bool) -> Part {
    Box::new(move |now, _| {
        let here = -(-(now.t - at).max(0.0) / lag).exp_m1();
        size * if down { 1.0 - 0.8 * here } else { here }
    })
}

/// Code that is used for the first time: ever rarer, each of a size of its own.
pub(super) fn first_uses(size: f64, scale: f64) -> Part {
    let mut sum = 0.0;
    let count = 60.0;
    Box::new(move |now, rng| {
        if happens(count / (now.t + scale) * 0.25, now, rng) {
            sum += size / count * (0.7 * rng.normal()).exp();
        }
        sum
    })
}

/// A ring that fills evenly to its bound.
pub(super) fn ring(size: f64, full: f64) -> Part {
    Box::new(move |now, _| size * (now.t / full).min(1.0))
}

/// Huge pages that are made of small ones, and split again where memory is short.
pub(super) fn split(size: f64, often: f64, until: f64) -> Part {
    let mut done = 0.0_f64;
    Box::new(move |now, rng| {
        done += (1.0 - done) * -(-now.dt / until).exp_m1();
        if happens(often, now, rng) {
            done *= rng.between(0.1, 0.8);
        }
        size * (40.0 * done).floor() / 40.0
    })
}

/// Load by the day, with a level that wanders on top of it: 1 in the mean.
pub(super) fn daily(deep: f64, spread: f64, memory: f64, rng: &mut Rng) -> Part {
    let (angle, mut level) = (rng.unit(), rng.normal());
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        let day = 1.0 + deep * (TAU * (now.t / DAY + angle)).sin();
        day * (spread * level - 0.5 * spread * spread).exp()
    })
}

/// Pieces by chance, each of a log-normal size.
pub(super) fn pieces(size: f64, seconds: f64, count: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if happens(count / seconds, now, rng) {
            sum += size / count * (0.5 * rng.normal() - 0.125).exp();
        }
        sum
    })
}

/// What gathers, and of which a clean-up by the clock finds all but a part.
pub(super) fn cleaned(size: f64, seconds: f64, period: f64, kept: f64, rng: &mut Rng) -> Part {
    let (mut lost, mut found, mut since) = (0.0, 0.0, period * rng.unit());
    Box::new(move |now: Now, _: &mut Rng| {
        lost += size * now.dt / seconds;
        found += size * now.dt / seconds * (1.0 - kept) / kept;
        since += now.dt;
        if since >= period {
            (since, found) = (0.0, 0.0);
        }
        lost + found
    })
}
