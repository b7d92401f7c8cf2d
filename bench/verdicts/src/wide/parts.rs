//! Pieces that families are made of: functions of seconds, drawn once.

use super::{DAY, Part};
use crate::Rng;
use std::f64::consts::TAU;

/// A wandering level and independent noise with occasional large values.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    level: f64,
    decay: f64,
    wander: f64,
    white: f64,
    heavy: f64,
}

impl Noise {
    /// A wandering level of `wander` (a standard deviation) that forgets within `memory` seconds.
    pub(crate) fn new(every: f64, memory: f64, wander: f64, white: f64, rng: &mut Rng) -> Self {
        let heavy = if rng.chance(0.3) { rng.between(2.0, 6.0) } else { 1.0 };
        Self { level: rng.normal(), decay: (-every / memory).exp(), wander, white, heavy }
    }

    /// What most services have: a tenth of a percent to a percent.
    pub(crate) fn usual(every: f64, rng: &mut Rng) -> Self {
        let (memory, wander) = (rng.scale(20.0, 1200.0), rng.scale(0.0003, 0.01));
        Self::new(every, memory, wander, rng.scale(0.0001, 0.004), rng)
    }

    /// A level so much later that nothing is left of the last one.
    pub(crate) fn forget(&mut self, rng: &mut Rng) {
        self.level = rng.normal();
    }

    pub(crate) fn next(&mut self, rng: &mut Rng) -> f64 {
        self.level = self.decay * self.level + (1.0 - self.decay * self.decay).sqrt() * rng.normal();
        let heavy = if rng.chance(0.02) { self.heavy } else { 1.0 };
        self.wander * self.level + self.white * heavy * rng.normal()
    }
}

pub(crate) fn line(size: f64, seconds: f64, onset: f64) -> Part {
    Box::new(move |t| size * (t - onset).max(0.0) / seconds)
}

/// A rise that ends by itself: exponential.
pub(crate) fn warm_up(size: f64, tau: f64) -> Part {
    Box::new(move |t| size * -(-t.max(0.0) / tau).exp_m1())
}

/// A cache over keys of a skewed popularity: ever slower, to a bound.
pub(crate) fn skewed_cache(size: f64, half: f64, power: f64) -> Part {
    Box::new(move |t| {
        let s = (t.max(0.0) / half).powf(power);
        size * s / (1.0 + s)
    })
}

/// Growth that slows down and never ends.
pub(crate) fn power_law(size: f64, seconds: f64, power: f64) -> Part {
    Box::new(move |t| size * (t.max(0.0) / seconds).powf(power))
}

pub(crate) fn capped(size: f64, until: f64) -> Part {
    Box::new(move |t| size * (t / until).clamp(0.0, 1.0))
}

pub(crate) fn steps(list: Vec<(f64, f64)>) -> Part {
    Box::new(move |t| list.iter().filter(|(at, _)| *at <= t).map(|(_, by)| by).sum())
}

/// Growth in pieces of uneven size at random moments, for the window and what follows it.
pub(crate) fn pieces(size: f64, seconds: f64, count: f64, rng: &mut Rng) -> Part {
    let mut list = Vec::new();
    let mut t = 0.0;
    while t < seconds + 1.1 * DAY {
        t += -rng.unit().ln() * seconds / count;
        list.push((t, size / count * rng.between(0.4, 1.6)));
    }
    steps(list)
}

/// Collections that are due by amount: garbage gathers at an uneven pace up to a threshold.
pub(crate) fn teeth(height: f64, period: f64, uneven: f64, until: f64, rng: &mut Rng) -> Part {
    let mut resets = vec![-period * rng.unit()];
    while let Some(last) = resets.last().copied().filter(|l| *l < until) {
        resets.push(last + period * (1.0 + uneven * rng.between(-1.0, 1.0)));
    }
    let bent = rng.scale(0.8, 1.25);
    let left = if rng.chance(0.3) { rng.between(0.0, 0.1) } else { 0.0 };
    let shares: Vec<f64> = resets.iter().map(|_| 1.0 - left * rng.unit()).collect();
    Box::new(move |t| {
        let i = resets.partition_point(|r| *r <= t).max(1) - 1;
        let (Some(a), Some(b)) = (resets.get(i), resets.get(i + 1)) else { return 0.0 };
        let begin = 1.0 - shares.get(i).copied().unwrap_or(1.0);
        height * (begin + (1.0 - begin) * ((t - a) / (b - a)).clamp(0.0, 1.0).powf(bent))
    })
}

/// The allocator keeps the most that was ever needed.
pub(crate) fn ratchet(size: f64, memory: f64, until: f64, rng: &mut Rng) -> Part {
    let step = memory / 4.0;
    let (mut demand, mut most) = (rng.normal(), 0.0_f64);
    let mut kept = Vec::new();
    for _ in 0..(until / step) as usize + 2 {
        demand = 0.78 * demand + (1.0 - 0.78_f64 * 0.78).sqrt() * rng.normal();
        most = most.max(demand);
        kept.push(most);
    }
    Box::new(move |t| size * kept.get((t.max(0.0) / step) as usize).copied().unwrap_or(most))
}

/// Bursts: requests that are large, and batches that take minutes to hours.
pub(crate) fn bursts(count: usize, seconds: f64, shortest: f64, longest: f64, rng: &mut Rng) -> Part {
    let one = |rng: &mut Rng| (seconds * rng.unit(), rng.scale(shortest, longest), rng.scale(0.03, 1.2));
    let list: Vec<(f64, f64, f64)> = (0..count).map(|_| one(rng)).collect();
    Box::new(move |t| {
        let open = list.iter().filter(|(at, len, _)| (*at..at + len).contains(&t));
        open.map(|b| b.2).fold(0.0, f64::max)
    })
}

/// A day of use: a sine and its harmonic, or business hours with shoulders. Between −1 and 1, mean near 0.
pub(crate) fn day(period: f64, rng: &mut Rng) -> impl Fn(f64) -> f64 + Clone + use<> {
    let (angle, second, lag) = (TAU * rng.unit(), rng.between(0.0, 0.5), TAU * rng.unit());
    let business = rng.chance(0.4).then(|| rng.between(2.0, 6.0));
    move |t| {
        let x = TAU * t / period + angle;
        match business {
            Some(sharp) => (sharp * x.sin()).tanh() / sharp.tanh(),
            None => (x.sin() + second * (2.0 * x + lag).sin()) / (1.0 + 0.7 * second),
        }
    }
}
