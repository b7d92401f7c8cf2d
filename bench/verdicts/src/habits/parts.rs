//! What programs do with memory by habit.

use crate::Rng;
use crate::events::{Now, Part, happens};
use std::f64::consts::TAU;

/// Work that comes in heaps and is worked off at an even pace.
pub(super) fn backlog(size: f64, often: f64, lasts: f64) -> Part {
    let mut left = 0.0_f64;
    Box::new(move |now, rng| {
        left = (left - now.dt / lasts).max(0.0);
        if happens(often, now, rng) {
            left += rng.scale(0.15, 1.6);
        }
        size * left
    })
}

/// A table whose room is a power of two above its count, given back late; the count wanders and comes back.
pub(super) fn table(size: f64, spread: f64, memory: f64, rng: &mut Rng) -> Part {
    let (mut level, mut room) = (rng.normal(), 1.0_f64);
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        let count = (spread * level).exp();
        while room < 1.2 * count {
            room *= 2.0;
        }
        while room > 4.0 * count {
            room *= 0.5;
        }
        size * (0.5 * room + 0.5 * count) / 2.0
    })
}

/// Two buffers by turns, one large and one small; how long each is used differs.
pub(super) fn double_buffer(size: f64, period: f64, rng: &mut Rng) -> Part {
    let (mut until, mut second, small) = (0.0, false, rng.between(0.2, 0.8));
    Box::new(move |now, rng| {
        if now.t >= until {
            second = !second;
            until = now.t + period * rng.between(0.6, 1.4);
        }
        size * if second { 1.0 } else { small }
    })
}

/// A load that follows a rule and yet never the same way twice.
pub(super) fn chaos(size: f64, step: f64, rate: f64, rng: &mut Rng) -> Part {
    let (mut at, mut value, mut smooth) = (0.0, rng.between(0.2, 0.8), 0.5);
    Box::new(move |now, _| {
        at += now.dt;
        while at > step {
            at -= step;
            value = rate * value * (1.0 - value);
        }
        smooth += (value - smooth) * (1.0 - (-now.dt / (0.7 * step)).exp());
        size * smooth
    })
}

/// Noise that remembers for every length of time alike.
pub(super) fn pink(size: f64, s: f64, rng: &mut Rng) -> Part {
    let mut levels: Vec<(f64, f64)> = (0..7).map(|i| (s * 0.002 * 2.2_f64.powi(i), rng.normal())).collect();
    Box::new(move |now, rng| {
        for (memory, level) in &mut levels {
            let kept = (-now.dt / *memory).exp();
            *level = kept * *level + (1.0 - kept * kept).sqrt() * rng.normal();
        }
        size * levels.iter().map(|(_, level)| level).sum::<f64>() / 7_f64.sqrt()
    })
}

/// Retries after an outage: each after twice the time, and each a little fewer.
pub(super) fn backs_off(size: f64, often: f64, first: f64) -> Part {
    let mut outages: Vec<f64> = Vec::new();
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            outages.push(now.t);
        }
        outages.retain(|at| now.t - at < 70.0 * first);
        let open = |at: &f64| {
            let since = (now.t - at) / first + 1.0;
            let round = since.log2().floor();
            let within = since / round.exp2() - 1.0;
            0.75_f64.powf(round) * f64::from(u8::from(within * round.exp2() < 0.7))
        };
        size * outages.iter().map(open).sum::<f64>()
    })
}

/// Something that is controlled: pushed off its target now and then, it swings back and forth until it is there again.
pub(super) fn controller(size: f64, period: f64, damping: f64) -> Part {
    let (mut x, mut v) = (0.0_f64, 0.0_f64);
    let w = TAU / period;
    Box::new(move |now, rng| {
        if happens(0.12 / period, now, rng) {
            v += w * rng.normal();
        }
        let parts = (now.dt / (0.02 * period)).ceil().clamp(1.0, 400.0);
        let dt = now.dt / parts;
        for _ in 0..parts as usize {
            v += dt * (-w * w * x - 2.0 * damping * w * v);
            x += dt * v;
        }
        if !x.is_finite() || x.abs() > 20.0 {
            (x, v) = (0.0, 0.0);
        }
        size * x
    })
}

/// Passes over the data: memory rises in each, is high while it is checked, and is given back.
pub(super) fn epochs(size: f64, period: f64, train: f64) -> Part {
    let (mut at, mut long, mut high) = (0.0, 1.0, 1.0);
    Box::new(move |now, rng| {
        at += now.dt / period;
        if at > long {
            at = 0.0;
            long = rng.between(0.9, 1.1);
            high = rng.between(0.9, 1.1);
        }
        let u = at / long;
        size * if u < train { 0.6 * high * u / train } else { high }
    })
}

/// A full cache whose entries are of any size: one goes for each that comes.
pub(super) fn uneven_entries(size: f64, count: usize, turnover: f64, rng: &mut Rng) -> Part {
    let mut held: Vec<f64> = (0..count).map(|_| rng.normal().exp()).collect();
    let mut due = 0.0;
    Box::new(move |now, rng| {
        due += now.dt * held.len() as f64 / turnover;
        while due >= 1.0 {
            due -= 1.0;
            let slot = rng.count(0, held.len() - 1);
            held[slot] = rng.normal().exp();
        }
        size * held.iter().sum::<f64>() / held.len() as f64 / 1.65
    })
}

/// Three timers of periods that have nothing to do with each other.
pub(super) fn beats(size: f64, period: f64, rng: &mut Rng) -> Part {
    let timers: Vec<(f64, f64, f64)> =
        (0..3).map(|_| (period * rng.scale(0.6, 2.6), rng.unit(), rng.between(0.2, 1.0))).collect();
    let whole: f64 = timers.iter().map(|t| t.2).sum();
    Box::new(move |now, _| {
        let one = |(period, phase, high): &(f64, f64, f64)| {
            high * (0.5 - 0.5 * (TAU * (now.t / period + phase)).cos())
        };
        size * timers.iter().map(one).sum::<f64>() / whole
    })
}

/// What grows evenly and is halved when something is lost.
pub(super) fn additive(size: f64, period: f64, rng: &mut Rng) -> Part {
    let mut window = rng.between(0.5, 1.5);
    Box::new(move |now, rng| {
        window += 0.5 * now.dt / period;
        if happens(1.0 / period, now, rng) {
            window *= 0.5;
        }
        size * window
    })
}

/// Half of the users go elsewhere for a while, and come back.
pub(super) fn fails_over(size: f64, at: f64, lasts: f64, lag: f64) -> Part {
    let mut level = 1.0;
    Box::new(move |now, _| {
        let to = if (at..at + lasts).contains(&now.t) { 0.4 } else { 1.0 };
        level += (to - level) * (1.0 - (-now.dt / lag).exp());
        size * level
    })
}

/// Peaks that the allocator keeps until a timer purges what is free.
pub(super) fn purged(size: f64, often: f64, timer: f64, rng: &mut Rng) -> Part {
    let (mut kept, mut next) = (0.0_f64, timer * rng.unit());
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            kept = kept.max(rng.scale(0.15, 1.2));
        }
        if now.t > next {
            next += timer;
            kept *= 0.1;
        }
        size * kept
    })
}

/// Losses after gaps of any length, many short and a few very long.
pub(super) fn heavy_gaps(size: f64, s: f64, count: f64, power: f64) -> Part {
    let (mut sum, mut next) = (0.0, 0.0);
    let shortest = s / count * (power - 1.0) / power;
    Box::new(move |now: Now, rng: &mut Rng| {
        while now.t >= next {
            next += shortest * rng.unit().powf(-1.0 / power).min(0.3 * count);
            sum += size / count;
        }
        sum
    })
}

/// What collections cannot free: a share of the garbage of each.
pub(super) fn remainder(size: f64, s: f64, period: f64, rng: &mut Rng) -> Part {
    let (mut sum, phase, uneven) = (0.0, rng.unit(), rng.between(0.0, 0.9));
    let mut done = 0.0;
    Box::new(move |now, rng| {
        let runs = (now.t / period + phase).floor();
        if runs > done {
            sum += size * period / s * (1.0 + uneven * rng.between(-1.0, 1.0)) * (runs - done);
            done = runs;
        }
        sum
    })
}

/// Garbage that waits for its collection.
pub(super) fn garbage_between(ratio: f64, period: f64) -> Part {
    let mut held = 0.0_f64;
    Box::new(move |now, rng| {
        held += now.dt / period * rng.between(0.6, 1.4);
        if held > 1.0 {
            held = 0.0;
        }
        ratio * held
    })
}

/// A leak whose pace wanders.
pub(super) fn wandering_pace(size: f64, s: f64, memory: f64, spread: f64) -> Part {
    let (mut level, mut sum) = (0.0, 0.0);
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        sum += size * now.dt / s * (spread * level - 0.5 * spread * spread).exp();
        sum
    })
}

/// Each swap of buffers loses something.
pub(super) fn by_swap(size: f64, s: f64, period: f64) -> Part {
    let (mut sum, mut next) = (0.0, 0.0);
    Box::new(move |now, rng| {
        while now.t >= next {
            next += period * rng.between(0.6, 1.4);
            sum += size * period / s * rng.between(0.5, 1.5);
        }
        sum
    })
}

/// A leak of which a part is mended on the way.
pub(super) fn half_mended(size: f64, s: f64, at: f64, left: f64) -> Part {
    Box::new(move |now, _| size / s * (now.t.min(at) + left * (now.t - at).max(0.0)))
}
