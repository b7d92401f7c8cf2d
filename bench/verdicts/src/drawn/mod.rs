//! Families to learn from, drawn widely: a few kinds of processes with parameters over orders of magnitude, each alone and
//! below a leak of any shape. Nothing is judged on them but by trees that saw neither a family nor its twin.

mod families;
mod parts;

use crate::Rng;
use crate::wide::{DAY, Trace};

pub use families::{FAMILIES, Family, is_leak};

/// Samples of a window: few and many.
const SAMPLES: [f64; 2] = [110.0, 2200.0];

/// Builds the series of a family that belongs to a seed. Of `seconds`, the usual window, its own is a tenth to eighteen.
#[must_use]
pub fn trace(family: Family, seed: u64, seconds: f64, _every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x1f83_d9ab_fb41_bd6b);
    let window = seconds * rng.scale(0.1, 18.0);
    let every = (window / rng.scale(SAMPLES[0], SAMPLES[1])).clamp(2.0, 600.0);
    families::plan(family, window, window, every, &mut rng).run(&mut rng)
}

/// A long life: what happens in it has the scale of a day.
#[must_use]
pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> Trace {
    let mut rng = Rng::new(seed ^ 0x1f83_d9ab_fb41_bd6b);
    families::plan(family, DAY, seconds, every, &mut rng).run(&mut rng)
}
