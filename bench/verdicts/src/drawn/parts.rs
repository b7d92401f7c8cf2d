//! What processes do, each with parameters over orders of magnitude.

use crate::Rng;
use crate::events::{Now, Part, by_time, happens};
use std::f64::consts::TAU;

/// Something is taken by chance, more or less of it, and given back: little by little, or at once after a while.
pub(super) fn shots(s: f64, rng: &mut Rng) -> Part {
    let (size, often, lasts) = (rng.scale(0.01, 0.4), rng.scale(2.0, 400.0) / s, s * rng.scale(0.002, 0.12));
    let (spread, by_and_by) = (rng.between(0.1, 1.1), rng.chance(0.5));
    let each = size / (often * lasts).max(1.0);
    let mut open: Vec<(f64, f64)> = Vec::new();
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            let until = now.t + lasts * if by_and_by { 6.0 } else { rng.scale(0.3, 2.5) };
            open.push((until, (spread * rng.normal()).exp()));
        }
        open.retain(|(until, _)| *until > now.t);
        let held = |(until, v): &(f64, f64)| {
            if by_and_by { v * ((until - now.t) / lasts - 6.0).exp() } else { *v }
        };
        each * open.iter().map(held).sum::<f64>()
    })
}

/// What is taken bit by bit until a limit, and then given back, all of it or a part.
pub(super) fn resets(s: f64, rng: &mut Rng) -> Part {
    let (size, period) = (rng.scale(0.01, 0.4), s * rng.scale(0.003, 0.25));
    let (uneven, kept, limits) = (rng.between(0.0, 1.0), rng.between(0.0, 0.5), rng.between(0.0, 0.5));
    let (mut held, mut limit) = (rng.unit(), 1.0);
    Box::new(move |now, rng| {
        held += now.dt / period * (1.0 + uneven * rng.between(-1.0, 1.0));
        if held >= limit {
            held = kept * limit * rng.unit();
            limit = 1.0 + limits * rng.between(-1.0, 1.0);
        }
        size * held
    })
}

/// A level whose logarithm wanders and comes back.
pub(super) fn log_normal(s: f64, rng: &mut Rng) -> Part {
    let (size, spread, memory) = (rng.scale(0.01, 0.3), rng.between(0.2, 1.0), s * rng.scale(0.002, 0.15));
    let mut level = rng.normal();
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        size * ((spread * level).exp() - 1.0)
    })
}

/// Things in whole ones that come and go by chance, beside those that stay.
pub(super) fn births(s: f64, base: f64, rng: &mut Rng) -> Part {
    let (mean, lasts) = (base * rng.scale(0.02, 0.5), s * rng.scale(0.001, 0.08));
    let mut count = mean.round();
    Box::new(move |now, rng| {
        let gone = 1.0 - (-now.dt / lasts).exp();
        let mean_change = gone * (mean - count);
        count = (count + mean_change + (gone * (mean + count)).sqrt() * rng.normal()).round().max(0.0);
        (count - mean) / base
    })
}

/// A move to another level that takes a while, slow at first, and ends.
pub(super) fn sets_in(s: f64, rng: &mut Rng) -> Part {
    let from = s * rng.between(-0.1, 0.6);
    let to = from + (0.88 * s - from) * rng.between(0.15, 1.0);
    let (size, ease) = (rng.scale(0.03, 0.6), rng.between(0.05, 0.5));
    Box::new(move |now, _| {
        let u = ((now.t - from) / (to - from)).clamp(0.0, 1.0);
        let low = |u: f64| if u < ease { 0.5 * u * u / ease } else { u - 0.5 * ease };
        let whole = 2.0 * low(0.5);
        size * if u < 0.5 { low(u) / whole } else { 1.0 - low(1.0 - u) / whole }
    })
}

/// What fills to a bound: evenly, ever slower, or as draws that find new ones ever less often.
pub(super) fn fills(s: f64, rng: &mut Rng) -> Part {
    let (size, until, kind) = (rng.scale(0.03, 0.6), s * rng.scale(0.03, 0.6), rng.count(0, 3));
    Box::new(move |now, _| {
        let u = now.age / until;
        size * match kind {
            0 => u.min(1.0),
            1 => u.min(1.0).sqrt(),
            2 => 1.0 - (-4.0 * u).exp(),
            _ => 1.0 / (1.0 + (-8.0 * (u - 0.5)).exp()),
        }
    })
}

/// A few levels, in each of which it stays for a while.
pub(super) fn chain(s: f64, rng: &mut Rng) -> Part {
    let (size, dwell) = (rng.scale(0.01, 0.3), s * rng.scale(0.01, 0.2));
    let levels: Vec<f64> = (0..rng.count(2, 5)).map(|_| rng.unit()).collect();
    let mut state = 0;
    Box::new(move |now, rng| {
        if happens(1.0 / dwell, now, rng) {
            state = rng.count(0, levels.len() - 1);
        }
        size * levels[state]
    })
}

/// A wave of which many are seen, higher and lower from one to the next.
pub(super) fn waves(s: f64, rng: &mut Rng) -> Part {
    let (size, period, sharp) = (rng.scale(0.01, 0.3), s * rng.scale(0.02, 0.3), rng.between(0.5, 3.0));
    let (mut angle, mut high) = (TAU * rng.unit(), 1.0);
    Box::new(move |now, rng| {
        angle += TAU * now.dt / period;
        if angle > TAU {
            angle -= TAU;
            high = rng.between(0.5, 1.5);
        }
        size * high * (0.5 - 0.5 * angle.cos()).powf(sharp)
    })
}

/// What grows evenly and is cut to a part of itself by chance.
pub(super) fn halved(s: f64, rng: &mut Rng) -> Part {
    let (size, period) = (rng.scale(0.01, 0.3), s * rng.scale(0.003, 0.12));
    let (left, worse) = (rng.between(0.2, 0.8), rng.between(0.0, 0.5));
    let mut held = rng.between(0.3, 2.0);
    Box::new(move |now, rng| {
        held += (1.0 - left) * now.dt / period;
        if happens(1.0 / period, now, rng) {
            held *= left * (1.0 - worse * rng.unit());
        }
        size * held
    })
}

/// A leak of one of nine shapes.
pub(super) fn leak(kind: usize, s: f64, base: f64, rng: &mut Rng) -> Part {
    let g = rng.scale(0.03, 0.5);
    let part = match kind {
        0 => by_time(g, s, 0.0),
        1 => by_time(g, s, s * rng.between(0.05, 0.5)),
        2 => eased(g, s, rng),
        3 => lumps(g, s, rng),
        4 => excited(g, s, rng),
        5 => power(g, s, rng),
        6 => by_turns(g, s, rng),
        8 => mended(g, s, rng),
        _ => stairs(g, s, rng),
    };
    whole_ones(part, base)
}

/// Where things are counted, what is lost is whole ones as well.
fn whole_ones(mut part: Part, base: f64) -> Part {
    Box::new(move |now, rng| {
        let v = part(now, rng);
        if base.is_finite() { (v * base).floor() / base } else { v }
    })
}

/// It sets in over a while, and goes on.
fn eased(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (from, wide) = (s * rng.between(-0.1, 0.5), s * rng.between(0.05, 1.0));
    let at = move |t: f64| {
        let u = (t - from).max(0.0);
        if u < wide { 0.5 * u * u / wide } else { u - 0.5 * wide }
    };
    Box::new(move |now, _| g * at(now.t) / at(s))
}

/// Lumps of any size, by chance.
fn lumps(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (count, spread) = (rng.scale(14.0, 300.0), rng.between(0.2, 1.2));
    let mean = (0.5 * spread * spread).exp();
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if happens(count / s, now, rng) {
            sum += g / count * (spread * rng.normal()).exp() / mean;
        }
        sum
    })
}

/// One loss makes others likely for a while.
fn excited(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (count, more, lasts) = (rng.scale(20.0, 400.0), rng.between(0.2, 0.85), s * rng.scale(0.004, 0.06));
    let (mut sum, mut often) = (0.0, 0.0);
    Box::new(move |now: Now, rng: &mut Rng| {
        often *= (-now.dt / lasts).exp();
        let mut left = (count * (1.0 - more) / s + often) * now.dt;
        while left > 0.0 && rng.chance(left.min(1.0)) {
            often += more / lasts;
            sum += g / count;
            left -= 1.0;
        }
        sum
    })
}

/// A power of the time.
fn power(g: f64, s: f64, rng: &mut Rng) -> Part {
    let p = rng.between(0.6, 2.2);
    Box::new(move |now, _| g * (now.t / s).powf(p))
}

/// It leaks at some times and not at others.
fn by_turns(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (dwell, part) = (s * rng.scale(0.01, 0.12), rng.between(0.25, 0.8));
    let (mut sum, mut on) = (0.0, rng.chance(part));
    Box::new(move |now, rng| {
        let leaves = if on { 1.0 - part } else { part };
        if happens(leaves / dwell, now, rng) {
            on = !on;
        }
        sum += if on { g * now.dt / s / part } else { 0.0 };
        sum
    })
}

/// A part of it is mended on the way, at once or over a while, and the rest goes on.
fn mended(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (at, wide, left) = (s * rng.between(0.15, 0.85), s * rng.between(0.0, 0.5), rng.between(0.25, 0.85));
    let mut sum = 0.0;
    Box::new(move |now, _| {
        let done = ((now.t - at) / wide.max(1.0) + 0.5).clamp(0.0, 1.0);
        sum += 1.4 * g * now.dt / s * (1.0 - (1.0 - left) * done);
        sum
    })
}

/// It shows in steps.
fn stairs(g: f64, s: f64, rng: &mut Rng) -> Part {
    let (count, phase) = (rng.scale(5.0, 40.0), rng.unit());
    Box::new(move |now, _| g * ((now.t / s * count + phase).floor()) / count)
}
