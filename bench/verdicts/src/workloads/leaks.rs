//! What never comes back, where it is more than a piece by event.

use super::flights::waits;
use crate::Rng;
use crate::applications::chance::{Shared, poisson, wanders};
use crate::events::Part;

/// Sessions whose device never comes back, each with a queue of what is sent to it, up to a bound: the more there are, the
/// faster it grows. The process has lived for `lived` windows.
pub(super) fn orphaned(size: f64, s: f64, count: f64, sent: f64, lived: f64, rng: &mut Rng) -> Part {
    let bound = rng.scale(1.0, 20.0);
    let (steps, mut grown) = (64, 0.0);
    for i in 0..steps {
        let age = (f64::from(i) + 0.5) / f64::from(steps);
        grown += (1.0 + (sent * age).min(bound)) / f64::from(steps);
    }
    let each = size / (count * grown);
    let mut ages: Vec<f64> = Vec::new();
    let mut at = waits(1.0 / count, rng);
    while at < lived {
        ages.push(at);
        at += waits(1.0 / count, rng);
    }
    Box::new(move |now, rng| {
        let step = now.dt / s;
        ages.iter_mut().for_each(|age| *age += step);
        for _ in 0..poisson(count * step, rng).min(1000.0) as usize {
            ages.push(step * rng.unit());
        }
        each * ages.iter().map(|age| 1.0 + (sent * age).min(bound)).sum::<f64>()
    })
}

/// A loader that was meant for one request and is kept: an entry for each id that was not asked for before, which come ever
/// more rarely (a power of the requests), as people use the service now more and now less.
pub(super) fn loader_kept(size: f64, s: f64, power: f64, lived: f64, rng: &mut Rng) -> Part {
    let distinct = move |asked: f64| (asked + lived).powf(power);
    let each = size / (distinct(1.0) - distinct(0.0));
    let (mut busy, mut asked, mut sum) = (wanders(s * rng.scale(0.01, 0.2), rng), 0.0, 0.0);
    let (moves, ids) = (rng.between(0.0, 0.5), rng.scale(100.0, 10_000.0));
    Box::new(move |now, rng| {
        let before = distinct(asked);
        asked += now.dt / s * (moves * busy(now.dt, rng) - 0.5 * moves * moves).exp();
        let expected = ids * (distinct(asked) - before) * each / size;
        sum += poisson(expected, rng) * size / ids;
        sum
    })
}

/// The version that was deployed at `at` leaks by what it does; those before it did not.
pub(super) fn since(at: f64, size: f64, over: f64, events: Shared) -> Part {
    let (mut sum, mut seen, mut each) = (0.0, 0.0, 0.0);
    Box::new(move |now, rng| {
        let count = events.get();
        events.set(0.0);
        if now.t < at {
            seen += count;
            return 0.0;
        }
        if each == 0.0 {
            // As often as before the deploy.
            each = size / (seen.max(1.0) / at.max(now.dt) * over).max(1.0);
        }
        sum += each * count * rng.between(0.5, 1.5);
        sum
    })
}
