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

/// The tests of such a set.
#[cfg(test)]
macro_rules! tests_of_families {
    () => {
        #[test]
        fn every_family_is_what_it_says() {
            for (family, name) in FAMILIES {
                let traces: Vec<_> = (0..6).map(|seed| trace(family, seed, 21_600.0, 15.0)).collect();
                for made in &traces {
                    let all = made.points.iter().map(|p| p.v).chain([made.floor_24h]);
                    assert!(all.clone().all(|v| v.is_finite() && v > 0.0), "{name}");
                    assert!(made.points.len() >= 20, "{name}: {} samples", made.points.len());
                    assert!(made.points.windows(2).all(|p| p[0].t < p[1].t), "{name}");
                    assert!(made.growth.is_finite() && (is_leak(family) || made.growth == 0.0), "{name}");
                }
                let leaks = traces.iter().filter(|t| t.growth > 0.0).count();
                assert!(!is_leak(family) || leaks >= 4, "{name} leaks in {leaks} of 6");
            }
        }

        #[test]
        fn a_seed_is_a_series() {
            let (family, _) = FAMILIES[3];
            let values =
                |seed| trace(family, seed, 21_600.0, 15.0).points.iter().map(|p| p.v).collect::<Vec<_>>();
            assert_eq!(values(7), values(7));
            assert_ne!(values(7), values(8));
        }
    };
}
#[cfg(test)]
pub(crate) use tests_of_families;

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
