//! Families to learn from, drawn widely: a few kinds of processes with parameters over orders of magnitude, each alone and
//! below a leak of any shape. Nothing is judged on them but by trees that saw neither a family nor its twin.

mod families;
mod parts;

use crate::wide::Trace;
use crate::window::{Windows, life as life_of};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x1f83_d9ab_fb41_bd6b,
    length: [0.1, 18.0],
    samples: [110.0, 2200.0],
    every: [2.0, 600.0],
};

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a tenth to eighteen.
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
