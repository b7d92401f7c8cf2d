//! What small programs do with memory.

use crate::Rng;
use crate::events::{Now, Part, happens};
use crate::wide::DAY;
use std::f64::consts::TAU;

/// Slots of the caches that draw their keys.
const SLOTS: usize = 400;

/// A cache of at most `most` entries over keys of a power law: each draw that it does not know takes a slot.
pub(super) fn bounded_cache(size: f64, most: usize, draws: f64, power: f64) -> Part {
    let mut known = vec![false; 4 * SLOTS];
    let (mut held, mut owed) = (0_usize, 0.0);
    Box::new(move |now, rng| {
        owed += draws * now.dt;
        while owed >= 1.0 {
            owed -= 1.0;
            let rank = ((rng.unit().powf(-1.0 / power) - 1.0) * 8.0) as usize;
            if let Some(slot) = known.get_mut(rank % (4 * SLOTS)).filter(|slot| !**slot) {
                *slot = true;
                held += 1;
            }
        }
        size * held.min(most) as f64 / most as f64
    })
}

/// Entries that live for a while each, and arrive in bursts of log-normal size.
pub(super) fn expiring(size: f64, often: f64, lasts: f64) -> Part {
    let mut held: Vec<(f64, f64)> = Vec::new();
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            held.push((now.t + lasts * rng.between(0.8, 1.2), (0.6 * rng.normal()).exp()));
        }
        held.retain(|(until, _)| *until > now.t);
        size * held.iter().map(|(_, v)| v).sum::<f64>() / (often * lasts).max(1.0)
    })
}

/// Threads that a pool replaces one by one when they are of age; each grows a little in its life.
pub(super) fn of_age(size: f64, count: usize, age: f64, rng: &mut Rng) -> Part {
    let mut born: Vec<f64> = (0..count).map(|_| -age * rng.unit()).collect();
    Box::new(move |now, rng| {
        let mut sum = 0.0;
        for born in &mut born {
            if now.t - *born > age {
                *born = now.t - age * 0.1 * rng.unit();
            }
            sum += (1.0 - (-3.0 * (now.t - *born) / age).exp()) / count as f64;
        }
        size * sum
    })
}

/// Logs in memory, written out when they are as large as a limit that is drawn anew each time.
pub(super) fn rotated(size: f64, period: f64, rng: &mut Rng) -> Part {
    let (mut held, mut limit) = (rng.unit(), 1.0);
    Box::new(move |now, rng| {
        held += now.dt / period * rng.between(0.2, 1.8);
        if held >= limit {
            held -= limit;
            limit = rng.between(0.6, 1.4);
        }
        size * held
    })
}

/// A queue before one server: it rises and falls by chance and never below nothing.
pub(super) fn one_server(size: f64, memory: f64) -> Part {
    let mut length = 0.5_f64;
    Box::new(move |now, rng| {
        let step = now.dt / memory;
        length = (length - 0.5 * step + step.sqrt() * rng.normal()).max(0.0);
        size * length
    })
}

/// A collector that runs when what was allocated is a part of what is held; what is garbage waits for it.
pub(super) fn collected(ratio: f64, pace: f64, whole: usize) -> Part {
    let (mut young, mut old, mut runs) = (0.0_f64, 0.0_f64, 0_usize);
    Box::new(move |now, rng| {
        young += pace * now.dt * rng.between(0.5, 1.5);
        if young > ratio {
            runs += 1;
            old += 0.12 * young;
            young = 0.0;
            if runs % whole == 0 {
                old = 0.0;
            }
        }
        young + old
    })
}

/// A job by night: it takes its memory by and by, keeps it while it runs, and a part of it for good.
pub(super) fn night_job(size: f64, at: f64, lasts: f64, kept: f64) -> Part {
    Box::new(move |now, _| {
        let since = (now.t - at) / lasts;
        match since {
            s if s < 0.0 => 0.0,
            s if s < 1.0 => size * (3.0 * s).min(1.0),
            _ => size * kept,
        }
    })
}

/// Modules that are imported when they are first asked for: a few rises, all of them early.
pub(super) fn imports(size: f64, count: usize, until: f64, rng: &mut Rng) -> Part {
    let each: Vec<(f64, f64, f64)> = (0..count)
        .map(|_| (until * rng.unit(), until * rng.scale(0.005, 0.1), rng.scale(0.2, 2.0)))
        .collect();
    let total: f64 = each.iter().map(|e| e.2).sum();
    Box::new(move |now, _| {
        let rise = |(at, wide, part): &(f64, f64, f64)| part / (1.0 + (-(now.age - at) / wide).exp());
        size * each.iter().map(rise).sum::<f64>() / total
    })
}

/// A level that comes back, whose noise is as large as it is high.
pub(super) fn uneven_noise(spread: f64, memory: f64, rng: &mut Rng) -> Part {
    let mut level = rng.normal();
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        level = kept * level + (1.0 - kept * kept).sqrt() * rng.normal();
        let high = (0.7 * level).exp();
        spread * (high - 1.0) + 0.3 * spread * high * rng.normal().abs()
    })
}

/// Days that are not alike: each of a height of its own, with a quiet one now and then.
pub(super) fn unlike_days(size: f64, rng: &mut Rng) -> Part {
    let from = rng.unit();
    let heights: Vec<f64> =
        (0..64).map(|_| if rng.chance(0.2) { 0.3 } else { rng.between(0.75, 1.25) }).collect();
    Box::new(move |now, _| {
        let days = now.t / DAY + from;
        let use_ = (0.5 - 0.5 * (TAU * days.fract()).cos()).powf(1.6);
        size * heights[days as usize % heights.len()] * use_
    })
}

/// Storms: many connections at once, which go one after the other.
pub(super) fn storms(size: f64, often: f64, lasts: f64) -> Part {
    let mut open = 0.0_f64;
    Box::new(move |now, rng| {
        open *= (-now.dt / lasts).exp();
        if happens(often, now, rng) {
            open += rng.scale(0.2, 1.5);
        }
        size * open
    })
}

/// Pages of files under a limit: read in until it is met, and then thrown out as fast, some at a time.
pub(super) fn under_limit(size: f64, fills: f64, thrown: f64) -> Part {
    let mut held = 0.0_f64;
    Box::new(move |now, rng| {
        held += now.dt / fills * rng.between(0.3, 1.7) * (1.05 - held).max(0.0);
        if held > 1.0 {
            held -= thrown * rng.between(0.5, 1.5);
        }
        size * held.max(0.0)
    })
}

/// A frame that slides over the data: it grows until it is as long as it may be.
pub(super) fn sliding(size: f64, long: f64, chunk: f64) -> Part {
    Box::new(move |now, _| {
        let held = (now.age.min(long) + if now.age > long { (now.age - long) % chunk } else { 0.0 }) / long;
        size * held
    })
}

/// Keys that never end: as many new ones as a power of how many were asked for.
pub(super) fn ever_new_keys(size: f64, seconds: f64, power: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        let often = power * ((now.t + 0.02 * seconds) / seconds).powf(power - 1.0);
        sum += size * often * now.dt / seconds * rng.between(0.5, 1.5);
        sum
    })
}

/// Things that are counted in whole ones, of which one is lost by chance.
pub(super) fn lost(size: f64, seconds: f64, base: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if happens(size * base / seconds, now, rng) {
            sum += 1.0 / base;
        }
        sum
    })
}

/// Listeners that are left at each reconnect; one reconnect makes others likely.
pub(super) fn reconnects(size: f64, seconds: f64, count: f64, bursts: f64) -> Part {
    let (mut sum, mut excited) = (0.0, 0.0_f64);
    let lasts = 0.02 * seconds;
    Box::new(move |now, rng| {
        excited *= (-now.dt / lasts).exp();
        let often = count / seconds * (1.0 - bursts) + excited / lasts;
        if happens(often, now, rng) {
            excited += bursts;
            sum += size / count;
        }
        sum
    })
}

/// Errors, of which there are many in a storm: each leaves its traceback.
pub(super) fn in_storms(size: f64, seconds: f64, storms: f64) -> Part {
    let (mut sum, mut until) = (0.0, -1.0);
    let lasts = 0.4 * seconds / storms;
    Box::new(move |now: Now, rng: &mut Rng| {
        if now.t > until && happens(storms / (0.6 * seconds), now, rng) {
            until = now.t + lasts * rng.between(0.3, 1.7);
        }
        let pace = if now.t < until { 2.2 } else { 0.2 };
        sum += size * now.dt / seconds * pace;
        sum
    })
}

/// A path that more and more callers take after a flag was set.
pub(super) fn rolled_out(size: f64, seconds: f64, at: f64) -> Part {
    Box::new(move |now, _| {
        let x = ((now.t - at) / (seconds - at)).max(0.0);
        size * if x < 0.5 { x * x } else { 0.25 + (x - 0.5) } / 0.75
    })
}

/// A list of lists: most are as they were, one is made anew with more room as it grows.
pub(super) fn by_tenant(size: f64, seconds: f64, tenants: usize, rng: &mut Rng) -> Part {
    let phases: Vec<f64> = (0..tenants).map(|_| rng.between(1.0, 2.0)).collect();
    Box::new(move |now, _| {
        let grown = 1.0 + 2.0 * now.t / seconds;
        let room = |phase: &f64| {
            let steps = ((grown * phase).ln() / 1.25_f64.ln()).floor();
            1.25_f64.powf(steps) / phase
        };
        let all = phases.iter().map(room).sum::<f64>() / tenants as f64;
        size * (all - 1.0) / 2.0
    })
}
