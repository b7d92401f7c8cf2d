//! What services do with memory.

use crate::Rng;
use crate::events::{Part, happens};
use crate::wide::DAY;
use std::f64::consts::TAU;

/// A level that wanders and comes back, late.
pub(super) fn wanders(memory: f64, lag: f64, rng: &mut Rng) -> impl FnMut(f64, &mut Rng) -> f64 + use<> {
    let mut level = rng.normal();
    let mut late = level;
    move |dt, rng| {
        let kept = (-dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        late += (level - late) * -(-dt / lag).exp_m1();
        late
    }
}

/// Code that is compiled as it is used, in two tiers: methods, of which the second tier takes those that are hot, and what
/// was compiled in vain is thrown away once in a while.
pub(super) fn compiled(size: f64, until: f64, methods: usize, in_vain: f64, rng: &mut Rng) -> Part {
    let due: Vec<(f64, f64)> = (0..methods)
        .map(|_| (until * rng.unit().powi(2), (0.6 * rng.normal()).exp() / methods as f64))
        .collect();
    let mut thrown = 0.0_f64;
    Box::new(move |now, rng| {
        thrown *= (-now.dt / (0.15 * until)).exp();
        if happens(in_vain / until, now, rng) {
            thrown += rng.scale(0.01, 0.06);
        }
        let tiers = |(at, v): &(f64, f64)| {
            v * (0.4 * f64::from(u8::from(now.age > *at)) + 0.6 * f64::from(u8::from(now.age > 1.6 * at)))
        };
        size * (due.iter().map(tiers).sum::<f64>() - thrown)
    })
}

/// Entries that live for a time, while the traffic that makes them moves from one level to another, and at times bursts.
pub(super) fn expiring_traffic(size: f64, lives: f64, dwell: f64, spread: f64) -> Part {
    let (mut rate, mut to, mut slots) = (1.0_f64, 1.0_f64, vec![1.0_f64; 24]);
    let mut at = 0.0;
    Box::new(move |now, rng| {
        if happens(1.0 / dwell, now, rng) {
            to = (spread * rng.normal()).exp().clamp(0.2, 4.0);
        }
        rate += (to - rate) * -(-now.dt / (0.05 * dwell)).exp_m1();
        at += now.dt / lives * slots.len() as f64;
        while at >= 1.0 {
            at -= 1.0;
            slots.remove(0);
            slots.push(rate);
        }
        size * slots.iter().sum::<f64>() / slots.len() as f64
    })
}

/// Sinks of a log, each with a buffer that is flushed when it is full or when its time is over.
pub(super) fn sinks(size: f64, count: usize, time: f64, rng: &mut Rng) -> Part {
    let mut buffers: Vec<(f64, f64, f64)> =
        (0..count).map(|_| (rng.unit(), time * rng.unit(), rng.scale(0.2, 2.5))).collect();
    Box::new(move |now, rng| {
        let mut sum = 0.0;
        for (held, left, pace) in &mut buffers {
            *held += *pace * now.dt / time * rng.between(0.4, 1.6);
            *left -= now.dt;
            if *held >= 1.0 || *left <= 0.0 {
                (*held, *left) = (0.0, time);
                *pace = (*pace * (0.2 * rng.normal()).exp()).clamp(0.1, 4.0);
            }
            sum += *held;
        }
        size * sum / buffers.len() as f64
    })
}

/// Workers that were started together and are recycled after so many requests, give or take a few: in step at first.
pub(super) fn in_step(size: f64, count: usize, lives: f64, jitter: f64, rng: &mut Rng) -> Part {
    let phase = rng.unit();
    let mut workers: Vec<(f64, f64)> =
        (0..count).map(|_| (phase, 1.0 + jitter * rng.between(-1.0, 1.0))).collect();
    let mut traffic = wanders(0.5 * lives, 0.02 * lives, rng);
    Box::new(move |now, rng| {
        let pace = (0.25 * traffic(now.dt, rng)).exp();
        for (served, most) in &mut workers {
            *served += pace * now.dt / lives;
            if *served >= *most {
                (*served, *most) = (0.0, 1.0 + jitter * rng.between(-1.0, 1.0));
            }
        }
        size * workers.iter().map(|(served, _)| served.sqrt()).sum::<f64>() / workers.len() as f64
    })
}

/// Connections that all break at once now and then, come back together with larger buffers, and shrink to what they need.
pub(super) fn reconnected(size: f64, often: f64, shrink: f64, rng: &mut Rng) -> Part {
    let mut count = wanders(4.0 * shrink, 0.2 * shrink, rng);
    let (mut fresh, mut away) = (0.0_f64, 0.0_f64);
    Box::new(move |now, rng| {
        fresh *= (-now.dt / shrink).exp();
        away = (away - now.dt).max(0.0);
        if happens(often, now, rng) {
            (fresh, away) = (rng.scale(0.4, 2.0), 0.1 * shrink * rng.unit());
        }
        let open = if away > 0.0 { 0.15 } else { 1.0 + fresh };
        size * open * (0.15 * count(now.dt, rng)).exp()
    })
}

/// Configurations: pools and buffers get another size, over a moment, and some are taken back soon.
pub(super) fn configured(size: f64, often: f64, slow: f64) -> Part {
    let (mut level, mut to) = (0.0_f64, 0.0_f64);
    let mut back = (f64::INFINITY, 0.0);
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            if rng.chance(0.35) {
                back = (now.t + slow * rng.between(3.0, 12.0), to);
            }
            to = (to + rng.normal()).clamp(-2.0, 2.0);
        }
        if now.t >= back.0 {
            to = back.1;
            back.0 = f64::INFINITY;
        }
        level += (to - level) * -(-now.dt / slow).exp_m1();
        size * level
    })
}

/// A canary: a part of the callers takes another path for a while, which needs more.
pub(super) fn canary(size: f64, dwell: f64, rng: &mut Rng) -> Part {
    let shares = [0.0, 0.01, 0.1, 0.5, 1.0];
    let (mut stage, mut until, mut level) = (0_usize, dwell * rng.unit(), 0.0_f64);
    Box::new(move |now, rng| {
        if now.t >= until {
            until = now.t + dwell * rng.between(0.6, 1.5);
            stage = if stage == 4 || rng.chance(0.25) { 0 } else { stage + 1 };
        }
        level += (shares[stage] - level) * -(-now.dt / (0.05 * dwell)).exp_m1();
        size * level
    })
}

/// Traffic that moves between zones: a level that wanders for hours and comes back.
pub(super) fn between_zones(size: f64, memory: f64, rng: &mut Rng) -> Part {
    let mut level = wanders(memory, 0.3 * memory, rng);
    Box::new(move |now, rng| size * level(now.dt, rng).tanh())
}

/// Weeks of an office: five days of two shifts with a break between them, and weekends on which hardly anybody comes.
pub(super) fn office(size: f64, rng: &mut Rng) -> Part {
    let (from, weekend, lag) = (7.0 * DAY * rng.unit(), rng.between(0.02, 0.3), rng.scale(600.0, 9000.0));
    let (mut level, mut today, mut day) = (f64::NAN, 1.0, -1.0);
    Box::new(move |now, rng| {
        let at = (now.t + from) / DAY;
        if at.floor() > day {
            (day, today) = (at.floor(), rng.between(0.85, 1.15));
        }
        let hour = 24.0 * at.fract();
        let shift = |from: f64, to: f64| f64::from(u8::from((from..to).contains(&hour)));
        let busy = shift(7.0, 12.0) + shift(13.0, 18.0) + 0.4 * shift(18.0, 22.0);
        let free = at.rem_euclid(7.0) >= 5.0;
        let to = today * busy * if free { weekend } else { 1.0 };
        level = if level.is_nan() { to } else { level + (to - level) * -(-now.dt / lag).exp_m1() };
        size * level
    })
}

/// A load that is there for a part of each period, more or less of it, and next to nothing in between.
pub(super) fn busy_and_idle(period: f64, part: f64, rng: &mut Rng) -> Part {
    let (phase, mut high, mut round) = (rng.unit(), 1.0, -1.0);
    Box::new(move |now, rng| {
        let at = now.t / period + phase;
        if at.floor() > round {
            (round, high) = (at.floor(), rng.between(0.7, 1.3));
        }
        let u = at.fract();
        let shoulder = (8.0 * (TAU * (u - 0.5 * part)).cos() - 8.0 * (0.5 * TAU * part).cos()).tanh();
        0.05 + high / part * (0.5 + 0.5 * shoulder) * 0.9
    })
}
