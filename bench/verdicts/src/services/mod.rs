//! A fourth set of generators, all of it held out: it was written before the changes that it judges, and no constant was
//! chosen on it. Services of several parts (counts, noise of every time scale, queues, generations, pages taken back by
//! the kernel, huge pages, pools, jobs that come by chance, deployments), watched for three hours to thirty.

mod families;
mod parts;

use crate::Rng;
use crate::wide::Trace;
use crate::window::life as life_of;

pub use families::{FAMILIES, Family, is_leak};

/// Of its own, so that no two sets have the same series for a seed.
const SALT: u64 = 0x2545_f491_4f6c_dd1d;
/// Samples of a window.
const SAMPLES: f64 = 1440.0;

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a half to five.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ SALT);
    let window = seconds * rng.scale(0.5, 5.0);
    let every = every.max(window / SAMPLES);
    families::plan(family, window, window, every, &mut rng).run(&mut rng)
}

/// A long life: what happens in it has the scale of a day.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    life_of(SALT, seed, seconds, every, |scale, span, every, rng| {
        families::plan(family, scale, span, every, rng)
    })
}
