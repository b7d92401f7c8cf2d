//! A sixth set of generators, all of it held out to the end. What watchers see of the layers of a process: threads,
//! descriptors, objects, arenas, resident and anonymous memory with swap; stores that flush and merge, timetables,
//! trading hours, pages shared since a fork, warm-ups that begin late, leaks that pause. Seen at five seconds to five
//! minutes, a hundred and fifty to twelve hundred samples in one hour to sixty.

mod families;
mod parts;

use crate::Rng;
use crate::wide::Trace;
use crate::window::{Windows, life as life_of};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0xbb67_ae85_84ca_a73b,
    length: [0.17, 10.0],
    samples: [150.0, 1200.0],
    every: [5.0, 300.0],
};

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a sixth to ten.
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

/// A process of the family of this number, for [`composed`](crate::composed).
pub(crate) fn part(number: usize, seconds: f64, every: f64, rng: &mut Rng) -> crate::events::Plan {
    families::plan(FAMILIES[number].0, seconds, seconds, every, rng)
}
