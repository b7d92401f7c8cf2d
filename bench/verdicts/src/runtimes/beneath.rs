//! What allocators and kernels do beneath a service.

use super::parts::wanders;
use crate::Rng;
use crate::events::{Allocator, Part, happens};

/// An index that is mapped anew: its pages come in as they are read, and the one before goes when that is done.
pub(super) fn mapped_anew(size: f64, every: f64, reads: f64, differ: f64, rng: &mut Rng) -> Part {
    let (mut next, mut loaded) = (every * rng.unit(), f64::NEG_INFINITY);
    let (mut new, mut old) = (1.0_f64, 1.0_f64);
    Box::new(move |now, rng| {
        if now.t >= next {
            (old, new) = (new, (differ * rng.normal()).exp());
            loaded = now.t;
            next = now.t + every * rng.between(0.8, 1.2);
        }
        let since = (now.t - loaded) / reads;
        let come = -(-2.5 * since).exp_m1();
        size * (new * come + if since < 1.0 { old } else { 0.0 })
    })
}

/// A heap whose free top is given back when it is larger than a threshold and nothing lies above it; the threshold follows
/// the largest block that was freed.
pub(super) fn trimmed_from(threshold: f64, pinned: f64) -> Allocator {
    let (mut held, mut from, mut pin) = (0.0_f64, threshold, 0.0_f64);
    Box::new(move |live, dt, rng| {
        held = held.max(live);
        pin -= dt;
        let free = held - live;
        if free > from && pin <= 0.0 {
            held = live + 0.1 * from;
            from = (from * rng.between(0.8, 1.3)).clamp(0.5 * threshold, 4.0 * threshold);
            pin = pinned * -rng.unit().ln();
        }
        held
    })
}

/// What a service that works in rounds needs: a level that wanders, and requests of any size.
pub(super) fn uneven_need(size: f64, memory: f64, often: f64, rng: &mut Rng) -> Part {
    let mut level = wanders(memory, 0.05 * memory, rng);
    let mut open = 0.0_f64;
    Box::new(move |now, rng| {
        open *= (-now.dt / (0.1 * memory)).exp();
        if happens(often, now, rng) {
            open += rng.unit().powf(-0.5).min(6.0) * 0.5;
        }
        size * (0.4 * level(now.dt, rng) + open)
    })
}

/// Huge pages that a scan makes, place by place, round after round, and that are split again where a part of them is freed.
pub(super) fn collapsed(size: f64, round: f64, split: f64, rng: &mut Rng) -> Part {
    let mut places: Vec<bool> = (0..48).map(|_| rng.chance(0.3)).collect();
    let mut at = 48.0 * rng.unit();
    Box::new(move |now, rng| {
        let from = at as usize;
        at += 48.0 * now.dt / round;
        for place in from..(at as usize).min(from + 48) {
            places[place % 48] = true;
        }
        at = if at >= 48.0 { at - 48.0 * (at / 48.0).floor() } else { at };
        for place in &mut places {
            *place = *place && !happens(split, now, rng);
        }
        size * places.iter().filter(|p| **p).count() as f64 / 48.0
    })
}

/// Garbage of the oldest generation, collected when what is new is a quarter of what is old; how fast it comes is the load.
pub(super) fn by_a_quarter(ratio: f64, period: f64) -> Part {
    let (mut new, mut old) = (0.0_f64, 1.0_f64);
    Box::new(move |now, rng| {
        new += now.load * now.dt / period * rng.between(0.8, 1.2);
        if new > old {
            new = 0.0;
            old = rng.between(0.85, 1.2);
        }
        ratio * new
    })
}

/// Pages that fill up to a high mark, where the kernel holds them, taking some back whenever the mark is met.
pub(super) fn throttled(size: f64, fills: f64, back: f64) -> Part {
    let mut held = 0.0_f64;
    Box::new(move |now, rng| {
        held += now.dt / fills * rng.between(0.3, 1.7);
        if held >= 1.0 {
            held = 1.0 - back * rng.scale(0.2, 1.0);
        }
        size * held
    })
}

/// A copy that is written out by a child now and then: pages that are changed meanwhile are there twice, until it is done.
pub(super) fn copied_on_write(size: f64, every: f64, lasts: f64, rng: &mut Rng) -> Part {
    let (mut from, mut long, mut writes) = (every * rng.unit(), lasts, 1.0_f64);
    Box::new(move |now, rng| {
        if now.t >= from + long {
            from += every * rng.between(0.85, 1.15);
            long = lasts * rng.between(0.6, 1.6);
            writes = rng.scale(0.4, 1.8);
        }
        let since = now.t - from;
        if (0.0..long).contains(&since) { size * -(-2.0 * writes * since / long).exp_m1() } else { 0.0 }
    })
}

/// Cold pages that are swapped out bit by bit, and come back when a job reads all of them.
pub(super) fn swapped(size: f64, slow: f64, job: f64, rng: &mut Rng) -> Part {
    let (mut out, mut next) = (rng.unit(), job * rng.unit());
    Box::new(move |now, rng| {
        out += (1.0 - out) * -(-now.dt / slow).exp_m1();
        if now.t >= next {
            next = now.t + job * rng.between(0.8, 1.2);
            out *= rng.between(0.0, 0.4);
        }
        -size * out
    })
}
