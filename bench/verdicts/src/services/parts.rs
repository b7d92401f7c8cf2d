//! What the parts of a service do.

use crate::Rng;
use crate::events::{Allocator, Part, happens};
use crate::wide::DAY;
use std::f64::consts::TAU;

/// Noise of every time scale from `shortest` to `longest` seconds, as much of one as of another.
pub(super) fn flicker(size: f64, shortest: f64, longest: f64, rng: &mut Rng) -> Part {
    let count = ((longest / shortest).log2() / 1.5).ceil().max(1.0);
    let memory = |i: f64| shortest * (longest / shortest).powf(i / count);
    let mut levels: Vec<(f64, f64)> =
        (0..=count as usize).map(|i| (memory(i as f64), rng.normal())).collect();
    let part = size / (count + 1.0).sqrt();
    Box::new(move |now, rng| {
        for (memory, level) in &mut levels {
            let kept = (-now.dt / *memory).exp();
            *level = kept * *level + (1.0 - kept * kept).sqrt() * rng.normal();
        }
        part * levels.iter().map(|(_, level)| level).sum::<f64>()
    })
}

/// Connections, of which each comes and goes by itself: counts, as parts of `base`.
pub(super) fn counts(mean: f64, lasts: f64, base: f64) -> Part {
    let mut open = mean.round();
    Box::new(move |now, rng| {
        let (come, gone) = (mean / lasts * now.dt, open * -(-now.dt / lasts).exp_m1());
        open = (open + (come - gone) + (come + gone).sqrt() * rng.normal()).round().max(0.0);
        open / base
    })
}

/// Work that waits: a walk that ends at nothing.
pub(super) fn queue(size: f64, memory: f64) -> Part {
    let mut waiting = 0.0_f64;
    Box::new(move |now, rng| {
        let step = now.dt / memory;
        waiting = (waiting - step + (2.0 * step).sqrt() * rng.normal()).abs();
        size * waiting
    })
}

/// Garbage of old objects: gathered at a pace that differs from tooth to tooth, up to a part of what is held, with the
/// teeth of the young ones in it.
pub(super) fn generations(ratio: f64, period: f64, uneven: f64) -> Part {
    let (mut old, mut pace, mut young) = (0.0_f64, 1.0, 0.0_f64);
    Box::new(move |now, rng| {
        old += pace * now.dt / period;
        young += 23.0 * now.dt / period;
        if old >= 1.0 {
            old = rng.between(0.0, 0.05);
            pace = (uneven * rng.normal()).exp();
        }
        ratio * (old + 0.06 * young.fract())
    })
}

/// Pages that the kernel takes when it needs some, and that come back as they are used.
pub(super) fn reclaimed(size: f64, often: f64, back: f64) -> Part {
    let mut away = 0.0_f64;
    Box::new(move |now, rng| {
        away *= (-now.dt / back).exp();
        if happens(often, now, rng) {
            away = (away + size * rng.scale(0.2, 1.0)).min(0.6);
        }
        -away
    })
}

/// Pages that become huge ones, a few at a time, until all are.
pub(super) fn huge_pages(size: f64, until: f64) -> Part {
    let mut done = 0.0_f64;
    let step = 0.015;
    Box::new(move |now, rng| {
        if happens((1.0 - done).max(0.02) / (step * until), now, rng) {
            done = (done + step).min(1.0);
        }
        size * done
    })
}

/// Two caches that fill, the second from a moment on.
pub(super) fn two_caches(sizes: [f64; 2], fills: [f64; 2], second: f64) -> Part {
    Box::new(move |now, _| {
        let filled = |age: f64, fill: f64| -(-age.max(0.0) / fill).exp_m1();
        sizes[0] * filled(now.t, fills[0]) + sizes[1] * filled(now.t - second, fills[1])
    })
}

/// A pool that takes one more when all are in use, to a bound.
pub(super) fn pool(each: f64, most: usize, seconds: f64) -> Part {
    let mut count = 0;
    Box::new(move |now, rng| {
        if count < most && happens(1.3 * most as f64 / seconds, now, rng) {
            count += 1;
        }
        each * count as f64
    })
}

/// What is given back once in a while, and taken again ever slower.
pub(super) fn trimmed(size: f64, period: f64, fill: f64) -> Part {
    let mut since = 0.0;
    let mut due = period;
    Box::new(move |now, rng| {
        since += now.dt;
        if since >= due {
            (since, due) = (0.0, period * rng.between(0.9, 1.1));
        }
        size * -(-since / fill).exp_m1()
    })
}

/// Deployments: each moves the level over a while, and some are taken back.
pub(super) fn deployments(size: f64, often: f64, slow: f64) -> Part {
    let (mut level, mut to, mut before) = (0.0_f64, 0.0_f64, 0.0_f64);
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            if rng.chance(0.4) {
                std::mem::swap(&mut to, &mut before);
            } else {
                before = to;
                to = (to + size * rng.normal()).max(-0.4);
            }
        }
        level += (to - level) * -(-now.dt / slow).exp_m1();
        level
    })
}

/// Jobs that come by chance; some run beside each other.
pub(super) fn chance_jobs(size: f64, often: f64, lasts: f64) -> Part {
    let mut open: Vec<(f64, f64)> = Vec::new();
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            open.push((now.t + lasts * (0.8 * rng.normal()).exp(), size * (0.6 * rng.normal()).exp()));
        }
        open.retain(|(until, _)| *until > now.t);
        open.iter().map(|(_, size)| size).sum()
    })
}

/// A day with two peaks of different heights, by the clock.
pub(super) fn two_peaks(size: f64, rng: &mut Rng) -> Part {
    let (from, second, wide) = (rng.unit(), rng.between(0.3, 0.9), rng.between(0.04, 0.12));
    let peak = |x: f64, at: f64, wide: f64| (((TAU * (x - at)).cos() - 1.0) / (TAU * wide).powi(2)).exp();
    Box::new(move |now, _| {
        let x = now.t / DAY + from;
        size * (peak(x, 0.0, wide) + second * peak(x, 0.27, 1.4 * wide))
    })
}

/// How busy it is: the exponential of a level that wanders, 1 in the mean.
pub(super) fn busy(spread: f64, memory: f64, rng: &mut Rng) -> Part {
    let mut level = rng.normal();
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        (spread * level - 0.5 * spread * spread).exp()
    })
}

/// One piece a reload: by the clock, give or take.
pub(super) fn by_reload(size: f64, seconds: f64, count: f64) -> Part {
    let (mut sum, mut next) = (0.0, f64::NAN);
    Box::new(move |now, rng| {
        let period = seconds / count;
        if next.is_nan() {
            next = period * rng.unit();
        }
        if now.t >= next {
            sum += size / count * rng.between(0.8, 1.2);
            next += period * rng.between(0.8, 1.2);
        }
        sum
    })
}

/// A table that never forgets: its content, and the room that it doubles (or grows by an eighth) when it is full.
pub(super) fn table(size: f64, seconds: f64, factor: f64, phase: f64) -> Part {
    Box::new(move |now, _| {
        let full = 0.3 + phase + now.t / seconds;
        let room = factor.powf((full.ln() / factor.ln()).ceil());
        size * (0.6 * (full - 0.3 - phase) + 0.4 * (room - 0.3 - phase))
    })
}

/// A leak of a path that is in use for a part of each period only.
pub(super) fn by_hours(size: f64, seconds: f64, period: f64, part: f64, phase: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        if (now.t / period + phase).fract() < part {
            sum += size * now.dt / seconds / part;
        }
        sum
    })
}

/// As many as come by chance, each of one size: what descriptors do.
pub(super) fn one_by_one(size: f64, seconds: f64, each: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if happens(size / each / seconds, now, rng) {
            sum += each;
        }
        sum
    })
}

/// By a power of the age of a process that had run before.
pub(super) fn of_old(size: f64, seconds: f64, power: f64, age: f64) -> Part {
    let at = move |x: f64| (x + age).powf(power);
    Box::new(move |now, _| size * (at(now.t / seconds) - at(0.0)) / (at(1.0) - at(0.0)))
}

/// An allocator that gives back what was freed after a while, but for a part of the most that was ever free.
pub(super) fn keeps(part: f64, after: f64) -> Allocator {
    let (mut before, mut free, mut stuck) = (f64::NAN, 0.0_f64, 0.0_f64);
    Box::new(move |live, dt, _| {
        let freed = if before.is_nan() { 0.0 } else { before - live };
        before = live;
        free = (free * (-dt / after).exp() + freed).max(0.0);
        stuck = stuck.max(part * free);
        live + free.max(stuck)
    })
}
