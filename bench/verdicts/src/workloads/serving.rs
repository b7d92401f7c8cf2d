//! What serves: streams, answers, matches, mail, a proxy, devices, exports.

use super::flights::{Flights, hours, lognormal, outage};
use crate::Rng;
use crate::applications::chance::{Shared, pareto, poisson, wanders};
use crate::events::{Part, happens};

/// Long streams: each has a buffer, full where its reader is slow, and is cut at an age. When clients are deployed, many of
/// their streams are cancelled at once and come back soon. Cancelled ones are counted.
pub(super) fn streams(size: f64, count: f64, lasts: f64, cancelled: Shared, rng: &mut Rng) -> Part {
    let (spread, slow, cut) = (rng.between(0.5, 1.5), rng.between(0.03, 0.4), lasts * rng.between(1.5, 6.0));
    let (often, share) = (rng.scale(0.01, 0.2) / lasts, rng.between(0.2, 1.0));
    let mut flights = Flights::default();
    let mut away = 0.0;
    let back = lasts * rng.scale(0.01, 0.2);
    Box::new(move |now, rng| {
        if happens(often, now, rng) {
            let before = flights.0.len();
            flights.0.retain(|_| !rng.chance(share));
            let gone = (before - flights.0.len()) as f64;
            away += gone;
            cancelled.add(gone);
        }
        let returns = away * -(-now.dt / back).exp_m1();
        away -= returns;
        let rate = count / lasts + returns / now.dt;
        let ended = flights.step(rate, now.dt, 1.0, rng, |rng| {
            let full = if rng.chance(slow) { 1.0 } else { 0.15 };
            ((lasts * lognormal(spread, rng)).min(cut * rng.between(0.9, 1.1)), full)
        });
        cancelled.add(poisson(0.1 * ended, rng));
        size * flights.sum(|f| f.weight * (0.3 + (f.age / lasts * 4.0).min(0.7))) / (0.5 * count)
    })
}

/// Answers that are made token by token: each is kept until it is whole. At times those who make them are slow. The sizes of
/// what was given up are counted.
pub(super) fn answers(size: f64, count: f64, lasts: f64, aborted: Shared, rng: &mut Rng) -> Part {
    let (spread, throttles, slow) =
        (rng.between(0.4, 1.3), rng.scale(0.02, 0.3) / lasts, rng.between(0.15, 0.6));
    let (mut busy, mut left) = (wanders(lasts * rng.scale(1.0, 6.0), rng), 0.0);
    let (moves, aborts) = (rng.between(0.0, 0.3), rng.between(0.02, 0.3));
    let mut flights = Flights::default();
    Box::new(move |now, rng| {
        let pace = if outage(throttles, &mut left, 2.0 * lasts, now, rng) { slow } else { 1.0 };
        // Who calls waits, and calls less.
        let rate = count / lasts * (moves * busy(now.dt, rng)).exp() * if pace < 1.0 { 0.7 } else { 1.0 };
        let ended = flights.step(rate, now.dt, pace, rng, |rng| {
            ((lasts * lognormal(spread, rng)).min(6.0 * lasts), lognormal(0.5, rng))
        });
        for _ in 0..poisson(aborts * ended, rng).min(50.0) as usize {
            aborted.add(pareto(1.8, 10.0, 1.0, rng));
        }
        size * flights.sum(|f| f.weight * (0.2 + f.age / lasts)) / count
    })
}

/// Matches of a game: players come as they like, more in the evening; what they have explored grows with the root of time.
/// Rooms that ended are counted.
pub(super) fn matches(size: f64, count: f64, lasts: f64, daily: bool, ended: Shared, rng: &mut Rng) -> Part {
    let by_hour = hours(daily, 20.0, rng);
    let (mut liked, moves) = (wanders(lasts * rng.scale(1.0, 6.0), rng), rng.between(0.0, 0.25));
    let (spread, players) = (rng.between(0.1, 0.6), rng.between(0.2, 0.8));
    let mut flights = Flights::default();
    Box::new(move |now, rng| {
        let rate = count / lasts * by_hour(now.t) * (moves * liked(now.dt, rng)).exp();
        ended.add(
            flights.step(rate, now.dt, 1.0, rng, |rng| {
                (lasts * lognormal(spread, rng), lognormal(players, rng))
            }),
        );
        size * flights.sum(|f| f.weight * (0.4 + 0.6 * (f.age / lasts).sqrt())) / count
    })
}

/// Mail that could not be delivered is tried again, later each time, and given up in the end. At times a large receiver is
/// away, and its mail waits. What is given up is counted.
pub(super) fn mail(size: f64, tries: usize, expires: f64, given_up: Shared, rng: &mut Rng) -> Part {
    let often = rng.scale(0.05, 0.6) / expires;
    let (lasts, share) = (expires * rng.scale(0.05, 1.0), rng.between(0.1, 0.6));
    let accepts = rng.between(0.2, 0.55);
    let (mut busy, mut left) = (wanders(0.3 * expires, rng), 0.0);
    let mut waiting = vec![0.0_f64; tries];
    let first = expires / 2_f64.powi(tries as i32);
    Box::new(move |now, rng| {
        let away = if outage(often, &mut left, lasts, now, rng) { share } else { 0.0 };
        let comes = (0.3 * busy(now.dt, rng)).exp();
        let deferred = 400.0 * comes * (0.05 + away) * now.dt / expires;
        let mut moved = poisson(deferred, rng);
        let passes = 1.0 - accepts * (1.0 - 0.7 * away);
        let mut sum = 0.0;
        for (i, here) in waiting.iter_mut().enumerate() {
            let tried = *here * -(-now.dt / (first * 2_f64.powi(i as i32))).exp_m1();
            *here += moved - tried;
            moved = tried * passes;
            sum += *here;
        }
        given_up.add(poisson(moved, rng));
        size * sum / 40.0
    })
}

/// A proxy: bodies of a Pareto size are kept while they pass; buffers that are free stay until they were not needed for two
/// rounds. Peers that vanish are counted: now and then one, and many when a router is restarted.
pub(super) fn proxy(size: f64, count: f64, lasts: f64, vanished: Shared, rng: &mut Rng) -> Part {
    let (round, alpha) = (lasts * rng.scale(1.0, 30.0), rng.between(1.6, 3.0));
    let (reboots, alone) = (rng.scale(0.01, 0.1) / lasts, rng.scale(0.01, 0.3) / lasts);
    let (mut busy, mut flights) = (wanders(5.0 * lasts, rng), Flights::default());
    let (mut at, mut most, mut before) = (rng.unit(), 0.0_f64, 0.0_f64);
    Box::new(move |now, rng| {
        let rate = count / lasts * (0.2 * busy(now.dt, rng)).exp();
        flights
            .step(rate, now.dt, 1.0, rng, |rng| (lasts * lognormal(1.0, rng), pareto(alpha, 30.0, 1.0, rng)));
        vanished.add(poisson(alone * now.dt, rng));
        if happens(reboots, now, rng) {
            vanished.add(rng.scale(3.0, 40.0).round());
        }
        at += now.dt / round;
        if at >= 1.0 {
            at = at.fract();
            (before, most) = (most, 0.0);
        }
        most = most.max(flights.sum(|f| f.weight));
        size * most.max(before) / (2.0 * count)
    })
}

/// Devices that sleep: what is sent to one waits until it wakes, at a period of its own that is not exact. After a cut of
/// power all wake together, and drift apart.
pub(super) fn sleepers(size: f64, count: usize, period: f64, rng: &mut Rng) -> Part {
    let (uneven, cuts) = (rng.between(0.01, 0.25), rng.scale(0.005, 0.05) / period);
    let mut devices: Vec<[f64; 2]> =
        (0..count).map(|_| [rng.unit(), period * rng.between(0.8, 1.25)]).collect();
    let (mut sent, burst) = (wanders(2.0 * period, rng), rng.between(0.0, 0.5));
    Box::new(move |now, rng| {
        let cut = happens(cuts, now, rng);
        let pace = (burst * sent(now.dt, rng)).exp();
        let mut sum = 0.0;
        for [waited, own] in &mut devices {
            *waited += now.dt / *own;
            if *waited >= 1.0 || cut {
                *waited = if cut { 0.0 } else { waited.fract() };
                *own = (*own * lognormal(0.3 * uneven, rng)).clamp(0.6 * period, 1.6 * period);
            }
            let awake = if *waited < 0.05 { 0.5 } else { 0.0 };
            sum += awake + (*waited * pace).min(2.0);
        }
        size * sum / count as f64
    })
}

/// Exports by hand: a few pages most of the time, now and then all rows. Requests are counted.
pub(super) fn exports(size: f64, count: f64, lasts: f64, served: Shared, rng: &mut Rng) -> Part {
    let (alpha, most) = (rng.between(1.2, 2.2), rng.scale(4.0, 20.0));
    let mut flights = Flights::default();
    Box::new(move |now, rng| {
        served.add(flights.step(count / lasts, now.dt, 1.0, rng, |rng| {
            let rows = pareto(alpha, most, 1.0, rng);
            (lasts * lognormal(0.5, rng) * rows.sqrt(), rows)
        }));
        size * flights.sum(|f| f.weight * (f.age / f.lasts).min(1.0)) / (2.0 * count.max(1.0))
    })
}
