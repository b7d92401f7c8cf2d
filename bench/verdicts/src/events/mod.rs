//! A third set of generators, written before the constants that it judges were chosen: processes run event by event
//! (a load that jumps between states, sessions, keys of a cache, arenas of an allocator, collections by ratio, weeks),
//! watched by a watcher that misses samples and whose clock is set.

mod families;
mod parts;

use crate::Rng;
use crate::wide::{DAY, Trace};
use m5_stats::Point;

pub use families::{FAMILIES, Family, is_leak};
pub(crate) use parts::{by_request, by_time, follows, usual_noise};

/// What a part of a process sees at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Seconds since the watch began.
    pub(crate) t: f64,
    /// Seconds since the last moment.
    pub(crate) dt: f64,
    /// Seconds since the process was started.
    pub(crate) age: f64,
    /// Load, 1 in the mean.
    pub(crate) load: f64,
}

/// A part of a process, as a part of its base.
pub(crate) type Part = Box<dyn FnMut(Now, &mut Rng) -> f64>;
/// What the allocator holds for what is live.
pub(crate) type Allocator = Box<dyn FnMut(f64, f64, &mut Rng) -> f64>;

/// Whether something that happens so often (a second) happens now.
pub(crate) fn happens(often: f64, now: Now, rng: &mut Rng) -> bool {
    rng.chance(-(-often * now.dt).exp_m1())
}

/// How a watcher sees.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watching {
    /// Part of the samples that are missed.
    pub(crate) missed: f64,
    /// A stretch without samples: from, until.
    pub(crate) gap: Option<(f64, f64)>,
    /// The clock is set: when, by how much.
    pub(crate) jump: Option<(f64, f64)>,
    /// Samples come by chance, every so many of those that are due. Zero: at each.
    pub(crate) uneven: f64,
}

pub(crate) struct Plan {
    pub(crate) seconds: f64,
    pub(crate) every: f64,
    /// What a part of one is, and the unit of the values; bytes of some process where nothing is said.
    pub(crate) scale: Option<(f64, f64)>,
    pub(crate) load: Option<Part>,
    /// The watcher is told the load.
    pub(crate) named: bool,
    pub(crate) live: Vec<Part>,
    pub(crate) leak: Option<Part>,
    /// Garbage between collections: on top of the floor.
    pub(crate) garbage: Option<Part>,
    pub(crate) allocator: Option<Allocator>,
    pub(crate) noise: Part,
    pub(crate) restarts: Vec<f64>,
    pub(crate) watching: Watching,
}

/// Builds the series of a family that belongs to a seed; families that are about weeks are as long as they need.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x5bd1_e995);
    families::plan(family, seconds, None, every, &mut rng).run(&mut rng)
}

/// A long life: what happens in it has the scale of a day, and the watch is longer.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x5bd1_e995);
    families::plan(family, DAY, Some(seconds), every, &mut rng).run(&mut rng)
}

impl Plan {
    /// A plan without anything in it.
    pub(crate) fn empty(seconds: f64, every: f64) -> Self {
        Self {
            seconds,
            every,
            scale: None,
            load: None,
            named: false,
            live: Vec::new(),
            leak: None,
            garbage: None,
            allocator: None,
            noise: Box::new(|_, _| 0.0),
            restarts: Vec::new(),
            watching: Watching::default(),
        }
    }

    pub(crate) fn run(mut self, rng: &mut Rng) -> Trace {
        let base = rng.scale(20e6, 8e9);
        let quantum = if rng.chance(0.5) || base < 2e8 { 4096.0 } else { 1_048_576.0 };
        let (base, quantum) = self.scale.unwrap_or((base, quantum));
        let block = self.seconds / 32.0;
        let (mut points, mut loads, mut later) = (Vec::new(), Vec::new(), Vec::new());
        let (mut leaked, mut leaked_at_birth, mut floor) = (0.0, 0.0, 1.0);
        let mut born = 0.0;
        let mut onset = f64::NAN;
        let steps = ((self.seconds + DAY + block) / self.every) as usize;
        for i in 0..steps {
            let t = self.every * i as f64;
            if let Some(r) = self.restarts.iter().copied().find(|r| *r > born && *r <= t) {
                born = r;
            }
            let mut now = Now { t, dt: self.every, age: t - born, load: 1.0 };
            now.load = self.load.as_mut().map_or(1.0, |l| l(now, rng));
            let leak = self.leak.as_mut().map_or(0.0, |l| l(now, rng));
            if now.age < self.every {
                leaked_at_birth = leak;
                onset = f64::NAN;
            }
            if onset.is_nan() && leak > leaked_at_birth + 1e-12 {
                onset = t;
            }
            let live = 1.0 + leak + self.live.iter_mut().map(|p| p(now, rng)).sum::<f64>();
            let held = self.allocator.as_mut().map_or(live, |a| a(live, self.every, rng));
            let under = held + (self.noise)(now, rng);
            let v = under + self.garbage.as_mut().map_or(0.0, |g| held * g(now, rng));
            let bytes = |v: f64| ((base * v / quantum).round() * quantum).max(quantum);
            if t >= self.seconds {
                if (t - self.seconds - DAY).abs() <= 0.5 * block {
                    later.push(bytes(under));
                }
                continue;
            }
            (leaked, floor) = (leak - leaked_at_birth, held);
            if let Some(seen) = self.watching.at(t, rng) {
                points.push(Point { t: seen, v: bytes(v) });
                let told = 200.0 * now.load * (1.0 + 0.03 * rng.normal());
                loads.push(Point { t: seen, v: told.max(0.0) });
            }
        }
        later.sort_by(f64::total_cmp);
        let lower = &later[..later.len().div_ceil(3)];
        Trace {
            points,
            load: self.named.then_some(loads),
            restarts: self.restarts,
            growth: leaked / floor.max(0.05),
            onset: if onset.is_nan() { 0.0 } else { onset },
            floor_24h: lower.iter().sum::<f64>() / lower.len().max(1) as f64,
        }
    }
}

impl Watching {
    /// The time that the watcher writes beside a sample at `t`, or nothing where it misses it.
    fn at(&self, t: f64, rng: &mut Rng) -> Option<f64> {
        let by_chance = self.uneven > 0.0 && !rng.chance(1.0 / self.uneven);
        let missed = by_chance
            || rng.chance(self.missed)
            || self.gap.is_some_and(|(from, to)| (from..to).contains(&t));
        let set = self.jump.filter(|(at, _)| t >= *at).map_or(0.0, |(_, by)| by);
        (!missed).then_some(t + set)
    }
}
