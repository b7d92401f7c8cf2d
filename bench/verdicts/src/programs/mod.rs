//! A seventh set of generators, all of it held out to the end: written before the changes that it judges, looked at once.
//! Small programs that are run, rather than shapes: bounded caches that draw their keys, collectors that run when so much
//! was allocated, listeners that reconnect in bursts, frames that slide, pages under a limit. Seen at two seconds to ten
//! minutes, a hundred and twenty to two thousand samples in forty minutes to four days.

mod families;
mod parts;

use crate::wide::Trace;
use crate::window::{Windows, life as life_of};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x3c6e_f372_fe94_f82b,
    length: [0.11, 16.0],
    samples: [120.0, 2000.0],
    every: [2.0, 600.0],
};

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a ninth to sixteen.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, _every: f64) -> Trace {
    WINDOWS.trace(seed, seconds, |scale, span, every, rng| families::plan(family, scale, span, every, rng))
}

/// A long life: what happens in it has the scale of a day.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    life_of(WINDOWS.salt, seed, seconds, every, |scale, span, every, rng| {
        families::plan(family, scale, span, every, rng)
    })
}
