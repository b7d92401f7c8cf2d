//! What is stored: partitions, rings, segments, tiles, head blocks.

use super::flights::lognormal;
use crate::Rng;
use crate::applications::chance::{Shared, poisson, wanders};
use crate::events::{Part, happens};

/// A consumer of a topic: a state for each of its partitions, which is built anew wherever one is assigned. Members come
/// and go, often several at once. Partitions that were taken away are counted.
pub(super) fn rebalances(size: f64, often: f64, restores: f64, taken: Shared, rng: &mut Rng) -> Part {
    let (partitions, usual) = (rng.count(12, 96), rng.between(2.0, 6.0));
    let weights: Vec<f64> = (0..partitions).map(|_| lognormal(0.5, rng)).collect();
    let sticky = rng.chance(0.6);
    let mut members = usual;
    let mut state: Vec<f64> =
        weights.iter().map(|_| if rng.chance(1.0 / usual) { 1.0 } else { 0.0 }).collect();
    let (mut again, mut fetched) = (0.0_f64, wanders(restores, rng));
    Box::new(move |now, rng| {
        again = (again - now.dt).max(0.0);
        let due = if again > 0.0 { often + 1.0 / restores } else { often };
        if happens(due, now, rng) {
            again = if rng.chance(0.4) { 2.0 * restores } else { 0.0 };
            // Those who left come back: near the usual number.
            let change = if rng.chance(0.5 + 0.25 * (usual - members)) { 1.0 } else { -1.0 };
            members = (members + change).max(1.0);
            let held = state.iter().filter(|here| **here > 0.0).count() as f64;
            let due = partitions as f64 / members;
            let stays = if sticky { 0.95 * (due / held.max(1.0)).min(1.0) } else { 0.0 };
            let comes = ((due - stays * held) / (partitions as f64 - stays * held).max(1.0)).clamp(0.0, 1.0);
            for here in &mut state {
                let kept = *here > 0.0 && rng.chance(stays);
                taken.add(f64::from(u8::from(*here > 0.0 && !kept)));
                if !kept {
                    *here = if rng.chance(comes) { 0.05 } else { 0.0 };
                }
            }
        }
        let mut sum = 0.0;
        for (here, weight) in state.iter_mut().zip(&weights) {
            if *here > 0.0 {
                *here += (1.0 - *here) * -(-now.dt / restores).exp_m1();
                sum += *here * weight;
            }
        }
        size * (sum * usual / partitions as f64 + 0.03 * fetched(now.dt, rng))
    })
}

/// The last messages of each channel, so many at most: few channels have many messages. A channel is forgotten when it is
/// archived, and begins anew. Messages are counted.
pub(super) fn rings(size: f64, channels: usize, fills: f64, messages: Shared, rng: &mut Rng) -> Part {
    let power = rng.between(0.5, 1.3);
    let rates: Vec<f64> = (0..channels).map(|rank| (rank as f64 + 1.0).powf(-power) * 8.0 / fills).collect();
    let archived = rng.scale(0.02, 0.4) / fills;
    let mut held = vec![0.0_f64; channels];
    let mut busy = wanders(fills, rng);
    Box::new(move |now, rng| {
        let pace = (0.4 * busy(now.dt, rng)).exp();
        messages.add(poisson(300.0 * pace * now.dt / fills, rng));
        let mut sum = 0.0;
        for (here, rate) in held.iter_mut().zip(&rates) {
            *here = (*here + rate * pace * now.dt * rng.between(0.5, 1.5)).min(1.0);
            if happens(archived, now, rng) {
                *here = 0.0;
            }
            sum += *here;
        }
        size * sum / channels as f64
    })
}

/// An index of vectors: what is written anew replaces what was there, which stays as a dead entry until its segment is
/// compacted; small segments are merged, and while that goes on both are there. Dead entries that were swept are counted.
pub(super) fn vectors(size: f64, turns: f64, swept: Shared, rng: &mut Rng) -> Part {
    let (sealed, bar) = (rng.scale(0.01, 0.06), rng.between(0.1, 0.35));
    let mut segments: Vec<[f64; 2]> = (0..rng.count(2, 5)).map(|_| [1.0, bar * rng.unit()]).collect();
    let (mut open, mut copies, mut small) = (0.0, Vec::<[f64; 2]>::new(), 0.0);
    let mut busy = wanders(0.1 * turns, rng);
    let lasts = turns * rng.scale(0.002, 0.03);
    Box::new(move |now, rng| {
        let writes = now.dt / turns * (0.5 * busy(now.dt, rng)).exp();
        open += writes;
        if open >= sealed {
            small += open;
            open = 0.0;
            copies.push([small, lasts * small]);
        }
        if small >= 4.0 * sealed {
            segments.push([small, 0.0]);
            small = 0.0;
        }
        let all = segments.iter().map(|s| s[0]).sum::<f64>() + open + small;
        let excess = (all - 1.0).max(0.0);
        let large: f64 = segments.iter().map(|s| s[0]).sum();
        for [live, dead] in &mut segments {
            let dies = (excess * *live / large.max(1e-9)).min(*live);
            *live -= dies;
            *dead += dies;
            if *dead > bar * (*live + *dead) {
                swept.add(1000.0 * *dead);
                copies.push([*live, lasts * (0.2 + *live)]);
                *dead = 0.0;
            }
        }
        segments.retain(|s| s[0] > 0.5 * sealed);
        copies.iter_mut().for_each(|c| c[1] -= now.dt);
        copies.retain(|c| c[1] > 0.0);
        let held: f64 = segments.iter().map(|s| s[0] + s[1]).sum();
        size * (held + open + small + copies.iter().map(|c| c[0]).sum::<f64>())
    })
}

/// Tiles of a map, up to so many bytes: then a part of them goes at once. People pan on for a while, and go elsewhere; towns
/// are heavier than the sea. Regions that were opened are counted.
pub(super) fn tiles(size: f64, fills: f64, regions: Shared, rng: &mut Rng) -> Part {
    let (low, moves) = (rng.between(0.6, 0.96), rng.scale(0.5, 10.0) / fills);
    let mut pans = wanders(fills * rng.scale(0.05, 1.0), rng);
    let (mut held, mut heavy, mut fresh) = (rng.between(0.0, 1.0), 1.0, 1.0_f64);
    Box::new(move |now, rng| {
        if happens(moves, now, rng) {
            regions.add(1.0);
            heavy = lognormal(0.6, rng).min(4.0);
            fresh = 1.0;
        }
        fresh *= (-now.dt * 2.0 * moves).exp();
        let loads = heavy * (0.5 * pans(now.dt, rng)).exp() * (0.4 + 1.5 * fresh) * now.dt / fills;
        held += loads * rng.between(0.6, 1.4);
        if held > 1.0 {
            held = low - 0.02 * rng.unit();
        }
        size * held
    })
}

/// The head of a time-series store: it grows with each sample and each new series, and its older part is cut off when a
/// block is written. Pods that come bring new series, which stay until then. They are counted.
pub(super) fn head_blocks(size: f64, block: f64, churn: f64, came: Shared, rng: &mut Rng) -> Part {
    let kept = rng.between(0.2, 0.6);
    let (mut at, mut stale, mut held) = (rng.unit(), 0.0, 0.5);
    let (mut busy, write) = (wanders(3.0 * block, rng), rng.between(0.0, 0.2));
    Box::new(move |now, rng| {
        let pods = poisson(churn * now.dt / block, rng);
        came.add(pods);
        stale += 0.3 * pods / churn.max(1.0);
        held += (1.0 - kept) * now.dt / block * (0.15 * busy(now.dt, rng)).exp();
        at += now.dt / block;
        if at >= 1.0 {
            at = at.fract();
            held = kept * held + 0.02 * rng.normal().abs();
            stale *= kept * rng.between(0.5, 1.0);
        }
        size * (held + stale + if at < 0.06 { write } else { 0.0 })
    })
}
