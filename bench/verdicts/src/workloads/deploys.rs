//! What is loaded and unloaded while a service runs.

use super::flights::{lognormal, waits};
use crate::Rng;
use crate::applications::chance::Shared;
use crate::events::{Part, happens};

/// Experiments: beside what all get, some get another variant for a while; the better one stays, the other is unloaded soon
/// after. Those that ended are counted.
pub(super) fn experiments(size: f64, often: f64, lasts: f64, ended: Shared, rng: &mut Rng) -> Part {
    let (spread, most) = (rng.between(0.02, 0.3), rng.count(1, 3));
    let lingers = lasts * rng.scale(0.01, 0.3);
    let (mut base, mut variants) = (1.0, Vec::<[f64; 2]>::new());
    let mut going: Vec<[f64; 2]> = Vec::new();
    Box::new(move |now, rng| {
        if variants.len() < most && happens(often, now, rng) {
            // Sizes do not wander off: each is of the size that such models have.
            variants.push([lognormal(spread, rng), waits(lasts, rng).max(0.2 * lasts)]);
        }
        for variant in &mut variants {
            variant[1] -= now.dt;
            if variant[1] <= 0.0 {
                ended.add(1.0);
                let (wins, loses) = if rng.chance(0.4) { (variant[0], base) } else { (base, variant[0]) };
                base = wins;
                going.push([loses, lingers * rng.between(0.5, 1.5)]);
            }
        }
        variants.retain(|v| v[1] > 0.0);
        going.iter_mut().for_each(|g| g[1] -= now.dt);
        going.retain(|g| g[1] > 0.0);
        size * (base + variants.iter().chain(&going).map(|v| v[0]).sum::<f64>())
    })
}

/// A new version is started beside the old one, which drains: its connections end one after another, and at a limit it is
/// ended. The new one warms up. Versions that went are counted.
pub(super) fn blue_green(size: f64, often: f64, drains: f64, gone: Shared, rng: &mut Rng) -> Part {
    let (spread, warms, needs) =
        (rng.between(0.0, 0.08), drains * rng.scale(0.05, 1.0), rng.between(0.3, 0.9));
    let limit = drains * rng.between(1.5, 5.0);
    let (mut own, mut age) = (1.0, limit);
    let mut old: Vec<[f64; 2]> = Vec::new();
    Box::new(move |now, rng| {
        age += now.dt;
        if age > 0.5 * drains && happens(often, now, rng) {
            old.push([own, 0.0]);
            (own, age) = (lognormal(spread, rng), 0.0);
        }
        old.iter_mut().for_each(|o| o[1] += now.dt);
        let before = old.len();
        old.retain(|o| o[1] < limit);
        gone.add((before - old.len()) as f64);
        let warm = needs + (1.0 - needs) * -(-age / warms).exp_m1();
        let draining: f64 = old.iter().map(|o| o[0] * (needs + (1.0 - needs) * (-o[1] / drains).exp())).sum();
        size * (own * warm + draining)
    })
}

/// What a process loads after its start; the first one was started long ago.
pub(super) fn started(size: f64, tau: f64) -> Part {
    Box::new(move |now, _| {
        let first = now.age >= now.t;
        if first { size } else { size * -(-now.age / tau).exp_m1() }
    })
}
