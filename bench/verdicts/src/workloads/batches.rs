//! Work that comes in batches: epochs, crawls, hours, builds, cells of a notebook.

use super::flights::{Flights, hours, lognormal, waits};
use crate::Rng;
use crate::applications::chance::{Shared, pareto, poisson, wanders};
use crate::events::Part;

/// A trainer: steps, then an evaluation that keeps its predictions until it is through, then a checkpoint, which is
/// written from a copy. The steps are counted.
pub(super) fn trainer(size: f64, epoch: f64, steps: Shared, rng: &mut Rng) -> Part {
    let trains = rng.between(0.65, 0.92);
    let evaluated = trains + (1.0 - trains) * rng.between(0.3, 0.8);
    let (predictions, prefetched) = (rng.between(0.2, 0.8), rng.between(0.02, 0.2));
    let (mut at, mut length, mut copy) = (rng.unit(), epoch, 1.0);
    let mut fast = wanders(2.0 * epoch, rng);
    Box::new(move |now, rng| {
        at += now.dt / length * (0.05 * fast(now.dt, rng)).exp();
        if at >= 1.0 {
            at = at.fract();
            length = epoch * lognormal(0.04, rng);
            copy = rng.between(0.9, 1.1);
        }
        if at < trains {
            steps.add(poisson(200.0 * now.dt / epoch, rng));
            return size * prefetched * rng.unit();
        }
        if at < evaluated {
            return size * predictions * (at - trains) / (evaluated - trains);
        }
        size * copy * rng.between(0.8, 1.0)
    })
}

/// Crawls, several at a time: of each site the pages that were seen, and a frontier that rises and falls; all of it goes
/// when the site is through. Sites are of a Pareto size. The pages are counted.
pub(super) fn crawls(size: f64, count: usize, lasts: f64, pages: Shared, rng: &mut Rng) -> Part {
    let (alpha, frontier, idle) = (rng.between(1.3, 2.5), rng.between(0.2, 2.0), rng.scale(0.02, 0.5));
    let mut sites: Vec<[f64; 3]> = (0..count).map(|_| [rng.unit(), 1.0, 1.0]).collect();
    Box::new(move |now, rng| {
        let mut sum = 0.0;
        for [at, all, pace] in &mut sites {
            let step = *pace * now.dt / lasts * rng.between(0.5, 1.5);
            *at += step;
            if *at >= 0.0 {
                pages.add(poisson(100.0 * step.min(*at), rng));
            }
            if *at >= *all {
                *all = pareto(alpha, 8.0, 1.0, rng);
                *pace = lognormal(0.4, rng);
                *at = -waits(idle, rng);
            }
            let done = at.max(0.0);
            sum += done + frontier * 4.0 * done * (1.0 - done / *all).max(0.0) * 0.5;
        }
        0.5 * size * sum / count as f64
    })
}

/// A batch by the hour: it is read, changed (twice there for a moment) and written. Some hours have more than others; an
/// hour that was left out is made up for. What was worked on is counted.
pub(super) fn hourly(size: f64, period: f64, done: Shared, rng: &mut Rng) -> Part {
    let of_hour: Vec<f64> = (0..24).map(|_| lognormal(0.4, rng).min(3.0)).collect();
    let (part, spread, left_out) = (rng.between(0.08, 0.6), rng.between(0.05, 0.4), rng.between(0.0, 0.06));
    let (mut at, mut hour, mut rows, mut owed) = (rng.unit(), rng.count(0, 23), 1.0, 0.0);
    Box::new(move |now, rng| {
        at += now.dt / period;
        if at >= 1.0 {
            hour = (hour + at as usize) % 24;
            at = at.fract();
            rows = of_hour[hour] * lognormal(spread, rng) + owed;
            owed = if rng.chance(left_out) { rows } else { 0.0 };
            rows = if owed > 0.0 { 0.0 } else { rows };
            done.add(10.0 * rows);
        }
        let phase = at / (part * rows.clamp(0.2, 1.5));
        size * rows
            * if phase < 0.5 {
                phase
            } else if phase < 0.65 {
                1.0
            } else {
                0.5 * (1.0 - phase).max(0.0) / 0.35
            }
    })
}

/// A runner of builds: each slot takes one from a queue of what was pushed, compiles, tests and cleans up. People push in
/// bursts, and by day. How long builds took is counted.
pub(super) fn builds(size: f64, slots: usize, lasts: f64, daily: bool, took: Shared, rng: &mut Rng) -> Part {
    let by_hour = hours(daily, 14.0, rng);
    let (use_of, alpha) = (rng.between(0.2, 0.8), rng.between(1.5, 3.0));
    let mut queue = 0.0_f64;
    let mut slots: Vec<[f64; 3]> = (0..slots).map(|_| [1.0, 1.0, 0.0]).collect();
    let rate = use_of * slots.len() as f64 / lasts;
    Box::new(move |now, rng| {
        for _ in 0..poisson(0.4 * rate * by_hour(now.t) * now.dt, rng).min(50.0) as usize {
            queue = (queue + pareto(1.6, 8.0, 1.0, rng).round()).min(30.0);
        }
        let mut sum = 0.0;
        for [at, length, peak] in &mut slots {
            *at += now.dt / *length;
            if *at >= 1.0 && queue >= 1.0 {
                queue -= 1.0;
                *at = 0.0;
                *length = lasts * lognormal(0.6, rng);
                *peak = 0.3 * pareto(alpha, 4.0, 1.0, rng);
                took.add(10.0 * *length / lasts);
            }
            let shape = match *at {
                a if a < 0.1 => 0.2,
                a if a < 0.5 => 0.2 + 2.0 * (a - 0.1),
                a if a < 1.0 => 0.6 * rng.between(0.8, 1.2),
                _ => 0.0,
            };
            sum += *peak * shape;
        }
        size * sum
    })
}

/// A notebook: somebody works for a while and is away for a while. A cell that is run makes its variable anew, of about the
/// size that it had; at times all cells are run. The runs are counted.
pub(super) fn notebook(size: f64, cells: usize, works: f64, runs: Shared, rng: &mut Rng) -> Part {
    let scales: Vec<f64> = (0..cells).map(|_| lognormal(1.0, rng).min(6.0)).collect();
    let total: f64 = scales.iter().sum();
    let mut held = scales.clone();
    let (away, rate, spread) = (works * rng.scale(0.2, 2.0), 20.0 / works, rng.between(0.1, 0.6));
    let (mut left, mut at_work, mut cell) = (waits(works, rng), true, 0);
    Box::new(move |now, rng| {
        left -= now.dt;
        if left <= 0.0 {
            at_work = !at_work;
            left = waits(if at_work { works } else { away }, rng);
        }
        let mut passing = 0.0;
        let count = if at_work { poisson(rate * now.dt, rng).min(100.0) as usize } else { 0 };
        for _ in 0..count {
            let all = rng.chance(0.02);
            cell = (cell + rng.count(0, 2)) % cells;
            let these = if all { 0..cells } else { cell..cell + 1 };
            for i in these {
                held[i] = scales[i] * lognormal(spread, rng);
                passing = held[i] * rng.unit();
                runs.add(1.0);
            }
        }
        size * (held.iter().sum::<f64>() + 0.5 * passing) / total
    })
}

/// Cameras: the last pictures of each, by how much there is to see, and clips while something moves, which are written at
/// their end. What moves brings more that moves. The clips are counted.
pub(super) fn cameras(size: f64, lasts: f64, daily: bool, clips: Shared, rng: &mut Rng) -> Part {
    let by_hour = hours(daily, 13.0, rng);
    let mut scene = wanders(lasts * rng.scale(1.0, 10.0), rng);
    let (quiet, brings, forgets) =
        (rng.scale(0.3, 5.0) / lasts, rng.between(0.1, 0.7), lasts * rng.scale(0.5, 4.0));
    let (mut excited, mut flights) = (0.0_f64, Flights::default());
    Box::new(move |now, rng| {
        excited *= (-now.dt / forgets).exp();
        let rate = quiet * by_hour(now.t) * (1.0 - brings) + excited / forgets;
        let ended =
            flights.step(rate, now.dt, 1.0, rng, |rng| (lasts * lognormal(0.7, rng), lognormal(0.4, rng)));
        excited = (excited + brings * ended).min(10.0 * (1.0 + quiet * forgets));
        clips.add(ended);
        let moving = flights.sum(|f| f.weight * (0.2 + f.age / lasts).min(3.0));
        size * (0.4 * (0.3 * scene(now.dt, rng)).exp() + 0.5 * moving / (1.0 + quiet * lasts))
    })
}
