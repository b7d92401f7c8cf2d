//! A fifth set of generators, all of it held out to the end: written before the changes that it judges, looked at once.
//! What watchers see of services in containers: workers that are added, taken away and recycled, models that are loaded
//! anew, queues and counts that meet their bound, buffers flushed by the clock, traffic that begins or dies down; seen
//! in whole MiB or in tens of pages, at uneven moments, with stretches missed and restarts, for two hours to forty.

mod families;
mod parts;

use crate::Rng;
use crate::wide::Trace;
use crate::window::life as life_of;

pub use families::{FAMILIES, Family, is_leak};

/// Of its own, so that no two sets have the same series for a seed.
const SALT: u64 = 0x6a09_e667_f3bc_c908;
/// Samples of a window at most.
const SAMPLES: f64 = 1600.0;

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a third to seven.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ SALT);
    let window = seconds * rng.scale(0.33, 6.7);
    let every = (every * rng.scale(0.35, 4.0)).clamp(window / SAMPLES, window / 200.0);
    families::plan(family, window, window, every, &mut rng).run(&mut rng)
}

/// A long life: what happens in it has the scale of a day.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    life_of(SALT, seed, seconds, every, |scale, span, every, rng| {
        families::plan(family, scale, span, every, rng)
    })
}
