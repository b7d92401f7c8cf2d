//! What never comes back, and how it is lost.

use super::parts::wanders;
use crate::Rng;
use crate::events::{Part, happens};

/// From a moment on, at once or over a while.
pub(super) fn starts_late(size: f64, s: f64, from: f64, wide: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        let on = ((now.t - from) / wide.max(1.0)).clamp(0.0, 1.0);
        sum += size * on * now.dt / (s - from - 0.5 * wide).max(0.15 * s);
        sum
    })
}

/// Only while the load is above a bar: a pool that overflows.
pub(super) fn above_a_bar(size: f64, s: f64, bar: f64, part: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        if now.load > bar {
            sum += size / part * now.dt / s;
        }
        sum
    })
}

/// With each reconnect, of which some bring all clients at once.
pub(super) fn by_reconnect(size: f64, s: f64, storms: f64, single: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        sum += size * (1.0 - single) * now.dt / s * rng.between(0.0, 2.0);
        if happens(storms / s, now, rng) {
            sum += size * single / storms * rng.scale(0.4, 2.2);
        }
        sum
    })
}

/// Callers are mended one after the other: the pace falls to a part of what it was, and stays there.
pub(super) fn mended_slowly(size: f64, s: f64, over: f64, left: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        sum += size * now.dt / s * (left + (1.0 - left) * (-now.t / over).exp());
        sum
    })
}

/// What is live becomes less while the leak becomes more.
pub(super) fn falling_load(low: f64, over: f64, size: f64, rng: &mut Rng) -> (Part, Part) {
    let mut wander = wanders(0.1 * over, 0.01 * over, rng);
    let load: Part = Box::new(move |now, rng| {
        (low + (1.0 - low) * (-now.t / over).exp()) * (0.08 * wander(now.dt, rng)).exp()
    });
    let live: Part = Box::new(move |now, _| size * now.load);
    (load, live)
}

/// With each round of something, a little or a lot.
pub(super) fn by_round(size: f64, s: f64, every: f64, spread: f64) -> Part {
    let (mut sum, mut next) = (0.0, 0.0);
    let mean = (0.5 * spread * spread).exp();
    Box::new(move |now, rng| {
        while now.t >= next {
            next += every * rng.between(0.75, 1.25);
            sum += size * every / s * (spread * rng.normal()).exp() / mean;
        }
        sum
    })
}

/// A list that is never emptied: its room grows by a part of itself whenever it is full.
pub(super) fn ever_longer(size: f64, s: f64, begun: f64, part: f64) -> Part {
    let mut room = begun;
    Box::new(move |now, _| {
        let count = begun + size * now.t / s;
        while room < count {
            room *= 1.0 + part;
        }
        // What was copied is touched; the rest of the room is not yet.
        0.5 * (room + count) - begun
    })
}
