//! A second set of generators, independent of the first: processes described by what happens in them (requests,
//! caches, collections, batches, days), in real seconds and with widely drawn parameters. A third of the families
//! is held out: no constant of m5 was chosen on it.

mod families;
mod parts;

use crate::Rng;
use m5_stats::Point;

pub use families::{FAMILIES, Family, is_leak};

/// One series with its truth.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What a watcher sees.
    pub points: Vec<Point>,
    /// The load that is named, where one is.
    pub load: Option<Vec<Point>>,
    /// Moments of restarts.
    pub restarts: Vec<f64>,
    /// Growth of the floor per window, as a part of its level at the end. Zero: healthy.
    pub growth: f64,
    /// Seconds until the leak begins.
    pub onset: f64,
    /// The floor a day after the last point.
    pub floor_24h: f64,
}

/// Seconds in a day.
pub const DAY: f64 = 86_400.0;

/// The pieces of a series, each a function of seconds; values are parts of the base.
pub(crate) struct Plan {
    pub(crate) seconds: f64,
    pub(crate) every: f64,
    /// Sums to the floor.
    pub(crate) floor: Vec<Part>,
    /// What comes on top of it and goes again.
    pub(crate) top: Vec<Part>,
    pub(crate) load: Option<Part>,
    pub(crate) restarts: Vec<f64>,
    pub(crate) growth: f64,
    pub(crate) onset: f64,
    /// Noise of the floor, for every sample.
    pub(crate) noise: parts::Noise,
}

pub(crate) type Part = Box<dyn Fn(f64) -> f64>;

/// Builds the series of a family that belongs to a seed; `seconds` stretches families that do not know of days.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed);
    let plan = families::plan(family, seconds, None, every, &mut rng);
    plan.run(&mut rng)
}

/// A long life of a family: what it does has the scale of hours (rhythms of a day at most, caches that fill within
/// one), and what happens to it happens at any time.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed);
    let scale = if families::is_rhythm(family) { DAY / 4.0 } else { DAY };
    families::plan(family, scale, Some(seconds), every, &mut rng).run(&mut rng)
}

impl Plan {
    fn run(mut self, rng: &mut Rng) -> Trace {
        let base = rng.scale(15e6, 6e9);
        let quantum = *[4096.0, 4096.0, 65_536.0, 1_048_576.0].get(rng.count(0, 3)).unwrap_or(&4096.0);
        let quantum = if quantum > base / 200.0 { 4096.0 } else { quantum };
        let gap = rng.chance(0.2).then(|| (rng.between(0.05, 0.9), rng.scale(0.01, 0.15)));
        let late = rng.chance(0.5).then(|| rng.between(0.01, 0.4));
        let (mut points, mut load) = (Vec::new(), Vec::new());
        let count = (self.seconds / self.every) as usize;
        let sum = |parts: &[Part], t: f64| parts.iter().map(|p| p(t)).sum::<f64>();
        for i in 0..count {
            let t = self.every * (i as f64 + late.map_or(0.0, |l| l * rng.unit()));
            let v = 1.0 + sum(&self.floor, t) + sum(&self.top, t) + self.noise.next(rng);
            let away = gap.is_some_and(|(at, len)| (at..at + len).contains(&(t / self.seconds)));
            if let Some(of) = &self.load {
                load.push(Point { t, v: of(t).max(0.0) * (1.0 + 0.03 * rng.normal()) });
            }
            if !away {
                points.push(Point { t, v: ((base * v / quantum).round() * quantum).max(quantum) });
            }
        }
        let end = points.last().map_or(self.seconds, |p| p.t);
        // The floor of a moment is that of the block around it, as for a watcher.
        let around = |i: usize| sum(&self.floor, end + DAY + self.seconds / 32.0 * (i as f64 / 15.0 - 0.5));
        self.noise.forget(rng);
        let mut later: Vec<f64> = (0..(count / 32).max(3)).map(|_| self.noise.next(rng)).collect();
        later.sort_by(f64::total_cmp);
        let lowest = &later[..later.len().div_ceil(3)];
        let low = lowest.iter().sum::<f64>() / lowest.len() as f64;
        let truth = 1.0 + (0..16).map(around).sum::<f64>() / 16.0 + low;
        let level = 1.0 + sum(&self.floor, end);
        Trace {
            points,
            load: self.load.is_some().then_some(load),
            restarts: self.restarts,
            growth: self.growth / level.max(0.05),
            onset: self.onset,
            floor_24h: (base * truth).max(0.0),
        }
    }
}
