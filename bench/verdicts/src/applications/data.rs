//! What works on data: caches, frames, batches, windows of a stream, files, jobs by a timetable, days.

use super::chance::{Shared, Zipf, pareto, poisson, wanders};
use crate::Rng;
use crate::events::{Part, happens};
use crate::wide::DAY;

/// A cache of so many entries that forgets what was not used for the longest time. Keys are drawn by a Zipf law; what is
/// popular changes; entries are of unlike size; at times all of it is thrown away.
pub(super) fn hot_cache(size: f64, keys: usize, room: usize, turns: f64, purged: f64, rng: &mut Rng) -> Part {
    let popular = Zipf::new(keys, rng.between(0.5, 1.4));
    let spread = rng.between(0.2, 1.4);
    let mut of_rank: Vec<usize> = (0..keys).collect();
    let mut weight: Vec<f64> = (0..keys).map(|_| (spread * rng.normal()).exp()).collect();
    let mut used = vec![0.0_f64; keys];
    let (mut held, mut clock) = (0_usize, 1.0);
    let mean = (0.5 * spread * spread).exp();
    Box::new(move |now, rng| {
        if happens(0.15 * turns, now, rng) {
            let (old, new) = (rng.count(0, keys - 1), rng.count(0, keys / 8));
            of_rank.swap(old, new);
            weight[of_rank[new]] = (spread * rng.normal()).exp();
        }
        if happens(purged, now, rng) {
            used.fill(0.0);
            held = 0;
        }
        for _ in 0..poisson(room as f64 * turns * now.dt, rng).min(12.0) as usize {
            let key = of_rank[popular.draw(rng)];
            held += usize::from(used[key] == 0.0);
            clock += 1.0;
            used[key] = clock;
            if held > room {
                let oldest =
                    (0..keys).filter(|k| used[*k] > 0.0).min_by(|a, b| used[*a].total_cmp(&used[*b]));
                used[oldest.unwrap_or(key)] = 0.0;
                held -= 1;
            }
        }
        let sum: f64 = weight.iter().zip(&used).filter(|(_, u)| **u > 0.0).map(|(w, _)| w).sum();
        size * sum / mean / room as f64
    })
}

/// Jobs on frames: pieces are read, put together (all of it is there twice for a moment) and freed, but for fragments that
/// the next ones use again.
pub(super) fn frames(size: f64, every: f64, part: f64, kept: f64, jobs: Shared, rng: &mut Rng) -> Part {
    let (mut start, mut lasts, mut big) = (f64::NEG_INFINITY, 1.0, 0.0);
    let (mut fragments, mut next) = (0.0_f64, f64::NAN);
    let pieces = rng.count(3, 24) as f64;
    Box::new(move |now, rng| {
        next = if next.is_nan() { now.t + every * rng.unit() } else { next };
        if now.t >= next {
            (start, lasts) = (now.t, every * part * rng.between(0.5, 1.5));
            big = rng.scale(0.3, 1.7);
            next = now.t + lasts + every * -rng.unit().ln();
            jobs.add(1.0);
        }
        let at = (now.t - start) / lasts;
        fragments *= (-0.4 * now.dt / every).exp();
        if at > 1.0 {
            fragments += kept * std::mem::take(&mut big);
        }
        let read = (pieces * at.clamp(0.0, 0.8) / 0.8).ceil() / pieces;
        size * (fragments.max(0.0) + big * (0.2 + 0.8 * read + if at > 0.8 { 0.8 } else { 0.0 }))
    })
}

/// Blocks that are kept by the shape of a batch: a shape that was not seen takes a block of its own; all that is not in use
/// goes when the cache is emptied. What runs takes some more.
pub(super) fn shapes(size: f64, count: usize, often: f64, emptied: f64, rng: &mut Rng) -> Part {
    let popular = Zipf::new(count, rng.between(0.3, 1.5));
    let weight: Vec<f64> = (0..count).map(|_| rng.scale(0.2, 3.0)).collect();
    let total: f64 = weight.iter().sum();
    let (mut held, mut left) = (vec![false; count], emptied * rng.unit());
    Box::new(move |now, rng| {
        left -= now.dt;
        if left <= 0.0 {
            left = emptied * rng.between(0.9, 1.1);
            held.fill(false);
        }
        let mut runs = 0.0;
        for _ in 0..poisson(often * now.dt, rng).clamp(1.0, 30.0) as usize {
            let shape = popular.draw(rng);
            held[shape] = true;
            runs = 0.15 * weight[shape];
        }
        let kept: f64 = held.iter().zip(&weight).filter(|(h, _)| **h).map(|(_, w)| w).sum();
        size * (kept + runs) / total
    })
}

/// State by key of the windows of a stream: it grows while a window is open, and goes some time after its end.
pub(super) fn windows_of_stream(
    size: f64,
    widths: Vec<f64>,
    late: f64,
    closed: Shared,
    rng: &mut Rng,
) -> Part {
    let mut open: Vec<(f64, f64, f64)> = widths.iter().map(|w| (w * rng.unit(), 0.0, *w)).collect();
    let (keys, shortest) = (rng.scale(0.3, 5.0), widths.iter().copied().fold(f64::MAX, f64::min));
    let (mut rate, mut waits) = (1.0_f64, Vec::<(f64, f64)>::new());
    Box::new(move |now, rng| {
        rate =
            (rate.ln() * (-now.dt / shortest).exp() + 0.1 * (now.dt / shortest).sqrt() * rng.normal()).exp();
        waits.iter_mut().for_each(|w| w.0 -= now.dt);
        waits.retain(|w| w.0 > 0.0);
        let mut sum: f64 = waits.iter().map(|w| w.1).sum();
        for (at, state, width) in &mut open {
            *at += now.dt;
            *state += (1.0 - *state) * -(-keys * rate * now.dt / *width).exp_m1();
            sum += *state;
            if *at >= *width {
                waits.push((late * *width, *state));
                (*at, *state) = (*at % *width, 0.0);
                closed.add(1.0);
            }
        }
        size * sum / open.len() as f64
    })
}

/// Uploads in a file system of memory: each is there until it is worked on; those whose client went away stay until a sweep
/// removes what is old.
pub(super) fn uploads(
    size: f64,
    often: f64,
    lasts: f64,
    orphans: f64,
    sweep: f64,
    files: Shared,
    rng: &mut Rng,
) -> Part {
    let (alpha, usual) = (rng.between(1.1, 2.5), 1.0 / (often * lasts).max(3.0));
    let (mut live, mut young, mut old, mut left) = (0.0_f64, 0.0_f64, 0.0_f64, sweep * rng.unit());
    Box::new(move |now, rng| {
        live *= (-now.dt / lasts).exp();
        for _ in 0..poisson(often * now.dt, rng).min(40.0) as usize {
            let file = usual * pareto(alpha, 30.0, 1.0, rng);
            files.add(1.0);
            if rng.chance(orphans) { young += file } else { live += file }
        }
        left -= now.dt;
        if left <= 0.0 {
            left = sweep;
            (young, old) = (0.0, young);
        }
        size * (live + young + old)
    })
}

/// Jobs by a timetable: periods that meet, each with its peak and with what it keeps for a while. The runs of the first
/// are counted.
pub(super) fn crontab(size: f64, s: f64, runs: Shared, rng: &mut Rng) -> Part {
    let unit = s * rng.scale(0.004, 0.03);
    let every = [1.0, 2.0, 3.0, 5.0, 6.0, 8.0, 12.0, 20.0];
    let mut jobs: Vec<[f64; 6]> = (0..rng.count(2, 6))
        .map(|_| {
            let period = unit * every[rng.count(0, 7)];
            [period, period * rng.scale(0.02, 0.6), rng.scale(0.1, 1.0), rng.scale(0.02, 2.0), -1e18, 0.0]
        })
        .collect();
    let count = jobs.len() as f64;
    Box::new(move |now, rng| {
        let mut sum = 0.0;
        for (rank, [period, lasts, peak, keeps, last, kept]) in jobs.iter_mut().enumerate() {
            let start = (now.t / *period).floor() * *period;
            if start > *last {
                *last = start;
                *kept = *peak * rng.between(0.1, 0.4);
                runs.add(f64::from(u8::from(rank == 0)));
            }
            *kept *= (-now.dt / (*keeps * *period)).exp();
            sum += *kept + if now.t - start < *lasts { *peak } else { 0.0 };
        }
        size * sum / count
    })
}

/// Days of a shop: a peak at noon and a higher one in the evening, weekends that are busier or quieter, holidays on which
/// all is unlike, and a clock that is set by an hour once. How busy it is now is told.
pub(super) fn shop(size: f64, busy: Shared, rng: &mut Rng) -> Part {
    let (from, weekend) = (7.0 * DAY * rng.unit(), rng.between(0.4, 1.5));
    let (set, lag) = (now_and_then(rng), rng.scale(300.0, 20_000.0));
    let (mut today, mut day, mut level) = (1.0, f64::NEG_INFINITY, f64::NAN);
    Box::new(move |now, rng| {
        let at = (now.t + from + if now.t > set { 3600.0 } else { 0.0 }) / DAY;
        if at.floor() > day {
            day = at.floor();
            let usual = if at.rem_euclid(7.0) >= 5.0 { weekend } else { 1.0 };
            today = usual * rng.between(0.9, 1.1) * if rng.chance(0.1) { rng.between(0.1, 2.0) } else { 1.0 };
        }
        let hour = 24.0 * at.rem_euclid(1.0);
        let peak = |h: f64, wide: f64| (-0.5 * ((hour - h) / wide).powi(2)).exp();
        let to = today * (0.7 * peak(12.0, 2.5) + peak(20.5, 2.0) + 0.1);
        busy.set(to);
        level = if level.is_nan() { to } else { level + (to - level) * -(-now.dt / lag).exp_m1() };
        size * level
    })
}

/// When a clock is set: in the first days, or not at all.
fn now_and_then(rng: &mut Rng) -> f64 {
    if rng.chance(0.4) { DAY * rng.between(0.3, 4.0) } else { f64::INFINITY }
}

/// A backfill, once: what it has seen is kept until it is through; what serves goes on beside it.
pub(super) fn backfill(size: f64, from: f64, lasts: f64, power: f64, rng: &mut Rng) -> Part {
    let (pieces, mut wander) = (rng.scale(5.0, 500.0), wanders(0.05 * lasts, rng));
    Box::new(move |now, rng| {
        let at = (now.t - from) / lasts;
        let done = (pieces * at.clamp(0.0, 1.0)).floor() / pieces;
        let kept = if at < 1.0 { done.powf(power) } else { 0.0 };
        size * (kept + 0.05 * wander(now.dt, rng))
    })
}
