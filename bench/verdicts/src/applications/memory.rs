//! What allocators, buffers and reclaim make of it.

use super::chance::{Shared, poisson, wanders};
use crate::Rng;
use crate::events::{Allocator, Part, happens};

/// Work that comes in phases, and an allocator that gives free pages back bit by bit, but only while somebody allocates:
/// what is free when work stops stays.
pub(super) fn by_ticks(size: f64, dwell: f64, decays: f64, idles: f64, rng: &mut Rng) -> (Part, Allocator) {
    let busy = Shared::default();
    let told = busy.clone();
    let (mut level, mut to, mut left) = (0.3, rng.unit(), dwell * rng.unit());
    let part: Part = Box::new(move |now, rng| {
        left -= now.dt;
        if left <= 0.0 {
            left = dwell * -rng.unit().ln();
            to = if rng.chance(idles) { 0.05 } else { rng.scale(0.2, 1.5) };
            told.set(f64::from(u8::from(to > 0.1)));
        }
        level += (to - level) * -(-now.dt / (0.1 * dwell)).exp_m1();
        size * level * rng.between(0.93, 1.07)
    });
    let mut free = 0.0_f64;
    let mut before = f64::NAN;
    let allocator: Allocator = Box::new(move |live, dt, _| {
        free = (free + if before.is_nan() { 0.0 } else { before - live }).max(0.0);
        before = live;
        if busy.get() > 0.0 {
            free *= (-dt / decays).exp();
        }
        live + free
    });
    (part, allocator)
}

/// Arenas of threads: each holds the most that was needed in it, until nothing that lives long lies at its top. Threads end
/// and others take their arenas.
pub(super) fn of_threads(size: f64, count: usize, memory: f64, ended: Shared, rng: &mut Rng) -> Part {
    let (requests, pinned) = (rng.scale(0.3, 6.0) / memory, memory * rng.scale(0.3, 6.0));
    let lives = memory * rng.scale(1.0, 20.0);
    let mut arenas: Vec<[f64; 3]> = (0..count).map(|_| [0.2, 0.2, pinned * rng.unit()]).collect();
    Box::new(move |now, rng| {
        let mut sum = 0.0;
        for [live, held, left] in &mut arenas {
            *live *= (-now.dt / (0.2 * memory)).exp();
            for _ in 0..poisson(requests * now.dt, rng).min(5.0) as usize {
                *live += 0.25 * rng.unit().powf(-0.6).min(6.0);
            }
            if happens(1.0 / lives, now, rng) {
                *live = 0.0;
                ended.add(1.0);
            }
            *left -= now.dt;
            if *left <= 0.0 {
                *left = pinned * -rng.unit().ln();
                *held = *live + 0.1;
            }
            *held = held.max(*live);
            sum += *held;
        }
        size * sum / count as f64
    })
}

/// A buffer of what is shipped elsewhere: it fills while the other side is away, up to a bound, and is worked off after.
pub(super) fn shipper(size: f64, often: f64, lasts: f64, fills: f64, tries: Shared, rng: &mut Rng) -> Part {
    let mut rate = wanders(3.0 * lasts, rng);
    let (mut held, mut away, drains) = (0.0_f64, 0.0_f64, rng.scale(1.0, 8.0));
    Box::new(move |now, rng| {
        away = (away - now.dt).max(0.0);
        if away == 0.0 && happens(often, now, rng) {
            away = lasts * rng.scale(0.2, 3.0);
        }
        let comes = (0.4 * rate(now.dt, rng)).exp();
        let goes = if away > 0.0 { 0.0 } else { (1.0 + drains) * comes };
        held = (held + (comes - goes) * now.dt / fills).clamp(0.0, 1.0);
        if away > 0.0 {
            tries.add(poisson(12.0 * now.dt / lasts, rng));
        }
        size * held
    })
}

/// Reclaim that probes: cold pages are taken bit by bit until it is felt, then some come back at once and it waits.
pub(super) fn probed(size: f64, round: f64, rng: &mut Rng) -> Part {
    let (mut taken, mut waits, mut feels) = (0.6 * rng.unit(), 0.0_f64, 0.7);
    let (back, calm) = (rng.between(0.2, 0.8), round * rng.scale(0.02, 0.5));
    Box::new(move |now, rng| {
        waits = (waits - now.dt).max(0.0);
        if waits == 0.0 {
            taken += now.dt / round * rng.between(0.5, 1.5);
        }
        if taken > feels || happens(0.3 / round, now, rng) {
            taken *= 1.0 - back * rng.between(0.6, 1.0);
            waits = calm;
            feels = rng.between(0.5, 1.0);
        }
        -size * taken
    })
}
