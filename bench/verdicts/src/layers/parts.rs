//! What happens in the layers of a process.

use crate::Rng;
use crate::events::{Allocator, Now, Part, happens};
use crate::wide::DAY;

/// A pool that takes one more where the demand asks for it, and gives back those that were idle for long.
pub(super) fn idle_pool(spread: f64, memory: f64) -> Part {
    let (mut demand, mut open, mut idle) = (0.0_f64, 0.0_f64, 0.0_f64);
    Box::new(move |now, rng| {
        let kept = (-now.dt / memory).exp();
        demand = kept * demand + (1.0 - kept * kept).sqrt() * rng.normal();
        let wanted = spread * demand.exp().min(6.0);
        idle = if wanted < open { idle + now.dt } else { 0.0 };
        if wanted > open {
            open = wanted;
        } else if idle > 2.0 * memory {
            (open, idle) = (wanted + 0.5 * (open - wanted), 0.0);
        }
        open
    })
}

/// Connections of which some are short and some long: two populations, as parts of `base`.
pub(super) fn connections(mean: f64, lasts: f64, base: f64) -> Part {
    let mut open = [0.7 * mean, 0.3 * mean];
    Box::new(move |now, rng| {
        for ((open, share), lasts) in open.iter_mut().zip([0.7, 0.3]).zip([lasts, 8.0 * lasts]) {
            let (come, gone) = (share * mean / lasts * now.dt, *open * -(-now.dt / lasts).exp_m1());
            *open = (*open + (come - gone) + (come + gone).sqrt() * rng.normal()).max(0.0);
        }
        (open.iter().sum::<f64>() - mean).round() / base
    })
}

/// Whole arenas of which one comes free by chance only, and never the last few that were needed.
pub(super) fn fragmented(size: f64, freed: f64) -> Allocator {
    let mut held = 0.0_f64;
    Box::new(move |live, dt, rng| {
        held = held.max((live / size + 0.5).ceil());
        if held * size > 1.06 * live && rng.chance(-(-freed * dt).exp_m1()) {
            held -= 1.0;
        }
        held * size
    })
}

/// A cache that fills, in which a sweep by the clock removes what has expired.
pub(super) fn lru(size: f64, expires: f64, swept: f64) -> Part {
    let (mut filled, mut since) = (0.0_f64, 0.0);
    Box::new(move |now, rng| {
        filled += (1.0 - filled) * -(-1.5 * now.dt / expires).exp_m1();
        since += now.dt;
        if since >= expires {
            since = 0.0;
            filled *= 1.0 - swept * rng.between(0.7, 1.0);
        }
        size * filled
    })
}

/// A store: what is written gathers and is flushed, and every few flushes are merged, beside what they are made of.
pub(super) fn merges(size: f64, period: f64, each: usize, rng: &mut Rng) -> Part {
    let (mut since, mut flushes, mut merging) = (period * rng.unit(), 0_usize, 0.0);
    Box::new(move |now, rng| {
        since += now.dt * rng.between(0.6, 1.4);
        merging -= now.dt;
        if since >= period {
            since = 0.0;
            flushes += 1;
            if flushes % each == 0 {
                merging = 0.6 * period;
            }
        }
        size * (since / period + (flushes % each) as f64 * 0.15 + if merging > 0.0 { 1.0 } else { 0.0 })
    })
}

/// Jobs by a timetable, of one length and size each, with some that are left out.
pub(super) fn timetable(size: f64, period: f64, part: f64, rng: &mut Rng) -> Part {
    let offset = rng.unit();
    let (mut number, mut runs) = (-1.0, true);
    Box::new(move |now, rng| {
        let at = now.t / period + offset;
        if at.floor() > number {
            (number, runs) = (at.floor(), rng.chance(0.85));
        }
        if runs && at.fract() < part { size * (at.fract() / part * 12.0).min(1.0) } else { 0.0 }
    })
}

/// A warm-up that begins when the first requests come, slowly at first: a logistic curve.
pub(super) fn late_warm_up(size: f64, at: f64, wide: f64) -> Part {
    Box::new(move |now, _| size / (1.0 + (-(now.age - at) / wide).exp()))
}

/// Hours of trading by the clock, with a peak when they begin and one when they end.
pub(super) fn trading(size: f64, rng: &mut Rng) -> Part {
    let (from, length) = (rng.unit(), rng.between(0.2, 0.45));
    Box::new(move |now, _| {
        let at = (now.t / DAY + from).fract() / length;
        let ramp = |x: f64| (20.0 * x).clamp(0.0, 1.0);
        let open = ramp(at) * (1.0 - ramp(at - 1.0));
        size * open * (0.7 + 0.3 * (2.0 * at - 1.0).powi(2))
    })
}

/// What is taken in bursts and given back late.
pub(super) fn lingers(size: f64, often: f64, after: f64) -> Part {
    let mut held = 0.0_f64;
    Box::new(move |now, rng| {
        held *= (-now.dt / after).exp();
        if happens(often, now, rng) {
            held = held.max(rng.scale(0.1, 1.0));
        }
        size * held
    })
}

/// Anonymous memory with its swap: what is on its way is counted twice or not at all for a moment.
pub(super) fn swapped(size: f64, often: f64, lasts: f64) -> Part {
    let mut away = 0.0_f64;
    Box::new(move |now, rng| {
        away *= (-now.dt / lasts).exp();
        if happens(often, now, rng) {
            away += size * rng.between(-1.0, 1.0);
        }
        away
    })
}

/// Pages shared since a fork that become its own as they are touched: the rare ones late.
pub(super) fn shared_pages(size: f64, tau: f64, stretch: f64) -> Part {
    Box::new(move |now, _| size * -(-(now.age / tau).powf(stretch)).exp_m1())
}

/// What each job of a timetable leaves.
pub(super) fn by_job(size: f64, seconds: f64, period: f64, rng: &mut Rng) -> Part {
    let mut next = period * rng.unit();
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if now.t >= next {
            next += period;
            sum += size * period / seconds * rng.between(0.5, 1.5);
        }
        sum
    })
}

/// A path that is in use for a while and then not, by chance.
pub(super) fn pauses(size: f64, seconds: f64, lasts: f64, part: f64) -> Part {
    let (mut sum, mut leaks) = (0.0, true);
    Box::new(move |now, rng| {
        let often = if leaks { (1.0 - part) / part } else { 1.0 } / lasts;
        if happens(often, now, rng) {
            leaks = !leaks;
        }
        if leaks {
            sum += size * now.dt / seconds / part;
        }
        sum
    })
}

/// By request, where requests become more and more: so many times as many after the window.
pub(super) fn traffic_grows(size: f64, seconds: f64, more: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now: Now, _: &mut Rng| {
        sum += size * now.dt / seconds * (1.0 + more * now.t / seconds) / (1.0 + 0.5 * more);
        sum
    })
}

/// By session: each leaves something, of a log-normal size.
pub(super) fn by_session(size: f64, seconds: f64, count: f64, uneven: f64) -> Part {
    let mut sum = 0.0;
    Box::new(move |now, rng| {
        if happens(count / seconds, now, rng) {
            sum += size / count * (uneven * rng.normal() - 0.5 * uneven * uneven).exp();
        }
        sum
    })
}
