//! A ninth set of generators, all of it held out: written before anything was judged by it, looked at once.
//! What runtimes, allocators and kernels do beneath services: code that is compiled as it is used, entries that expire while
//! traffic changes, workers recycled in step, indexes mapped anew, heaps trimmed from a threshold on, huge pages, full
//! collections by a quarter, storms of connections, configurations, limits with throttling, copies on write, weekends. Seen
//! at one second to ten minutes, ninety to two thousand samples in half an hour to four days and a half.

mod beneath;
mod families;
mod leaks;
mod parts;

use crate::wide::Trace;
use crate::window::{Windows, life as life_of};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x6a09_e667_f3bc_c908,
    length: [0.085, 18.0],
    samples: [90.0, 2000.0],
    every: [1.0, 600.0],
};

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a twelfth to eighteen.
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
