//! What happens in a process, step by step.

use super::{Allocator, Now, Part};
use crate::Rng;
use crate::wide::DAY;
use std::f64::consts::TAU;

/// A load that stays in a state for a while and jumps to another.
pub(crate) fn jumping(dwell: f64, rng: &mut Rng) -> Part {
    let states = [rng.between(0.1, 0.4), rng.between(0.5, 0.9), rng.between(0.9, 1.3), rng.between(1.4, 2.5)];
    let mut state = rng.count(0, 3);
    Box::new(move |now, rng| {
        if rng.chance(1.0 - (-now.dt / dwell).exp()) {
            state = (state + rng.count(1, 3)) % 4;
        }
        states[state]
    })
}

/// Memory that follows the load, late.
pub(crate) fn follows(size: f64, lag: f64) -> Part {
    let mut state = f64::NAN;
    Box::new(move |now, _| {
        let to = size * (now.load - 1.0);
        state = if state.is_nan() { to } else { to + (state - to) * (-now.dt / lag).exp() };
        state
    })
}

/// Sessions that come and go: their count is Poisson, each lasts for `lasts` in the mean.
pub(crate) fn sessions(each: f64, mean: f64, lasts: f64) -> Part {
    let mut count = mean;
    Box::new(move |now, rng| {
        let gone = 1.0 - (-now.dt / lasts).exp();
        // Normal in place of binomial and Poisson: counts are tens and more.
        let noise = (gone * (mean * now.load + count)).sqrt() * rng.normal();
        count = (count + gone * (mean * now.load - count) + noise).round().max(0.0);
        each * (count - mean)
    })
}

/// Student's t with three degrees of freedom, white; and requests of a Pareto size that are open for a few moments.
pub(crate) fn heavy_tails(white: f64, request: f64, often: f64) -> Part {
    let mut open = (0.0, 0_usize);
    Box::new(move |_, rng| {
        let chi: f64 = (0..3).map(|_| rng.normal().powi(2)).sum();
        if open.1 == 0 && rng.chance(often) {
            open = (request * rng.unit().powf(-1.0 / 1.5).min(30.0), rng.count(1, 6));
        }
        let now = if open.1 > 0 { open.0 } else { 0.0 };
        open.1 = open.1.saturating_sub(1);
        white * rng.normal() / (chi / 3.0).sqrt() + now
    })
}

pub(crate) fn usual_noise(every: f64, rng: &mut Rng) -> Part {
    let (memory, wander, white) =
        (rng.scale(30.0, 2000.0), rng.scale(0.0002, 0.006), rng.scale(0.0001, 0.004));
    let decay = (-every / memory).exp();
    let mut level = rng.normal();
    Box::new(move |_, rng| {
        level = decay * level + (1.0 - decay * decay).sqrt() * rng.normal();
        wander * level + white * rng.normal()
    })
}

/// A cache over keys whose popularity falls as a power of their rank: the expected number of distinct keys seen, until
/// `most` of them. After `tau` seconds the most popular hundredth is there.
pub(crate) fn keyed_cache(size: f64, power: f64, tau: f64, most: f64) -> Part {
    let ranks: Vec<f64> = (0..60).map(|i| 10_f64.powf(4.0 * (f64::from(i) + 0.5) / 60.0)).collect();
    let rate = 100_f64.powf(power) / tau;
    let total: f64 = ranks.iter().sum();
    let mut requests = 0.0;
    Box::new(move |now, _| {
        requests = if now.age < now.dt { 0.0 } else { requests + now.load * now.dt };
        let seen: f64 = ranks.iter().map(|r| -r * (-requests * rate / r.powf(power)).exp_m1()).sum();
        size * (seen / total).min(most)
    })
}

/// A warm-up of code and pools.
pub(crate) fn warm_up(size: f64, tau: f64) -> Part {
    Box::new(move |now, _| -size * (-now.age / tau).exp_m1())
}

/// Jobs by a timetable: each takes its time and its memory.
pub(crate) fn jobs(every: f64, size: f64, part: f64, rng: &mut Rng) -> Part {
    let offset = every * rng.unit();
    let mut job = (-1.0, 0.0, 0.0);
    Box::new(move |now, rng| {
        let number = ((now.t + offset) / every).floor();
        if number > job.0 {
            job = (number, every * part * rng.between(0.5, 1.8), size * rng.scale(0.3, 2.0));
        }
        if now.t + offset - number * every < job.1 { job.2 } else { 0.0 }
    })
}

/// Use by the hour, and less of it on two days of seven: between −1 and 1.
pub(crate) fn week(rng: &mut Rng) -> impl Fn(f64) -> f64 + Clone + use<> {
    let (from, shoulders, weekend) = (DAY * 7.0 * rng.unit(), rng.between(1.5, 5.0), rng.between(0.1, 0.8));
    move |t| {
        let at = t + from;
        let free = (at / DAY).rem_euclid(7.0) >= 5.0;
        let use_ = 0.5 + 0.5 * (shoulders * (TAU * at / DAY).sin()).tanh();
        2.0 * use_ * (if free { weekend } else { 1.0 }) - 1.0
    }
}

/// A day that rises faster than it falls: between −1 and 1.
pub(crate) fn lopsided(period: f64, rng: &mut Rng) -> impl Fn(f64) -> f64 + Clone + use<> {
    let (from, rise) = (rng.unit(), rng.between(0.25, 0.5));
    move |t| {
        let x = (t / period + from).rem_euclid(1.0);
        let u = if x < rise { x / rise } else { 1.0 - (x - rise) / (1.0 - rise) };
        2.0 * u * u * (3.0 - 2.0 * u) - 1.0
    }
}

/// Arenas: what is live lies in whole ones, and one that is empty enough is given back only by chance.
pub(crate) fn arenas(size: f64, given_back: f64) -> Allocator {
    let mut held = 0.0_f64;
    Box::new(move |live, dt, rng| {
        held = held.max((live / size).ceil());
        if (held - 1.5) * size > live && rng.chance(1.0 - (-given_back * dt).exp()) {
            held -= 1.0;
        }
        held * size
    })
}

/// Pages that are free go back after a while.
pub(crate) fn decays(after: f64) -> Allocator {
    let mut held = 0.0_f64;
    Box::new(move |live, dt, _| {
        held = live.max(live + (held - live) * (-dt / after).exp());
        held
    })
}

/// Garbage up to a part of what is held, gathered as the load goes; a part of the time a collection comes early.
pub(crate) fn garbage(ratio: f64, period: f64, early: f64) -> Part {
    let mut share: f64 = 0.0;
    let mut due = 1.0;
    Box::new(move |now, rng| {
        share += now.load * now.dt / period;
        if share >= due {
            share = 0.0;
            due = if rng.chance(early) { rng.between(0.4, 1.0) } else { 1.0 };
        }
        ratio * share
    })
}

/// What never comes back: by the clock, by request, by error.
pub(crate) fn by_time(size: f64, seconds: f64, onset: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        sum = if now.age < now.dt { 0.0 } else { sum };
        if now.t >= onset {
            sum += size * now.dt / seconds;
        }
        sum
    })
}

pub(crate) fn by_request(size: f64, seconds: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, _| {
        sum += size * now.load * now.dt / seconds;
        sum
    })
}

/// Errors come by chance, and each leaves something of a Pareto size.
pub(crate) fn by_error(size: f64, seconds: f64, count: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if rng.chance(1.0 - (-count * now.dt / seconds).exp()) {
            // Mean of the capped Pareto: about 1.9.
            sum += size / count * rng.unit().powf(-1.0 / 2.2).min(8.0) / 1.75;
        }
        sum
    })
}

/// By a power of the age, or doubling until two windows (a power of zero).
pub(crate) fn bent(size: f64, seconds: f64, power: f64) -> Part {
    Box::new(move |now: Now, _: &mut Rng| {
        let x = now.age / seconds;
        if power > 0.0 { size * x.powf(power) } else { size * ((2.0 * x.min(2.0)).exp_m1()) / 2_f64.exp_m1() }
    })
}
