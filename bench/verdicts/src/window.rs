//! How a set of generators draws a window: the same for all of those whose processes are run event by event.

use crate::Rng;
use crate::events::Plan;
use crate::wide::{DAY, Trace};

/// What a set draws from.
pub(crate) struct Windows {
    /// Of its own, so that no two sets have the same series for a seed.
    pub(crate) salt: u64,
    /// Its length, as a part of the usual one.
    pub(crate) length: [f64; 2],
    /// Samples: few and many.
    pub(crate) samples: [f64; 2],
    /// Seconds between them, at least and at most.
    pub(crate) every: [f64; 2],
}

impl Windows {
    /// A series that belongs to a seed: what a process does, by the scale of its events, for how long and how often it is
    /// looked at.
    pub(crate) fn trace(
        &self,
        seed: u64,
        seconds: f64,
        plan: impl FnOnce(f64, f64, f64, &mut Rng) -> Plan,
    ) -> Trace {
        let mut rng = Rng::new(seed ^ self.salt);
        let window = seconds * rng.scale(self.length[0], self.length[1]);
        let every =
            (window / rng.scale(self.samples[0], self.samples[1])).clamp(self.every[0], self.every[1]);
        plan(window, window, every, &mut rng).run(&mut rng)
    }
}

/// `trace` and `life` of a set whose `families::plan` says what a process does, drawn from its `WINDOWS`.
macro_rules! drawn_from {
    ($windows:ident) => {
        /// Builds the series of a family that belongs to a seed; `seconds` is the usual window, of which its own is a part or
        /// a multiple.
        #[must_use]
        pub fn trace(family: Family, seed: u64, seconds: f64, _every: f64) -> crate::wide::Trace {
            $windows.trace(seed, seconds, |scale, span, every, rng| {
                families::plan(family, scale, span, every, rng)
            })
        }

        /// A long life: what happens in it has the scale of a day.
        #[must_use]
        pub fn life(family: Family, seed: u64, seconds: f64, every: f64) -> crate::wide::Trace {
            crate::window::life($windows.salt, seed, seconds, every, |scale, span, every, rng| {
                families::plan(family, scale, span, every, rng)
            })
        }
    };
}
pub(crate) use drawn_from;

/// A long life: what happens in it has the scale of a day.
pub(crate) fn life(
    salt: u64,
    seed: u64,
    seconds: f64,
    every: f64,
    plan: impl FnOnce(f64, f64, f64, &mut Rng) -> Plan,
) -> Trace {
    let mut rng = Rng::new(seed ^ salt);
    plan(DAY, seconds, every, &mut rng).run(&mut rng)
}
