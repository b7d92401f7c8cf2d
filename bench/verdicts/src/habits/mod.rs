//! An eighth set of generators, all of it held out to the end: written before anything was judged by it, looked at once.
//! Habits of programs: backlogs that are worked off, tables that follow their count, buffers by turns, noise of every
//! length, controllers that ring, retries that back off, additive increase, epochs, purges by timer. Seen at two seconds
//! to ten minutes, a hundred to two thousand samples in forty minutes to four days.

mod families;
mod parts;

use crate::Rng;
use crate::wide::{DAY, Trace};

pub use families::{FAMILIES, Family, is_leak};

/// Samples of a window: few and many.
const SAMPLES: [f64; 2] = [100.0, 2000.0];

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a ninth to sixteen.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, _every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x5be0_cd19_137e_2179);
    let window = seconds * rng.scale(0.11, 16.0);
    let every = (window / rng.scale(SAMPLES[0], SAMPLES[1])).clamp(2.0, 600.0);
    families::plan(family, window, window, every, &mut rng).run(&mut rng)
}

/// A long life: what happens in it has the scale of a day.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x5be0_cd19_137e_2179);
    families::plan(family, DAY, seconds, every, &mut rng).run(&mut rng)
}
