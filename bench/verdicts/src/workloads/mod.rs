//! An eleventh set of generators, all of it held out: written before anything was judged by it, without reading the code that
//! judges. What services of other kinds do: a trainer with checkpoints, a consumer with rebalances, streams and answers in
//! flight, crawls, matches, a mail queue with retries, batches by the hour, rings by channel, pooled buffers, compaction,
//! tiles, builds, cameras, head blocks, notebooks, experiments, devices that sleep, blue/green deploys, exports; and leaks
//! by what happens there: by rebalance, by cancelled stream, by bounce, by batch, by job, by experiment, by deploy. Seen at
//! one second to ten minutes, ninety to two thousand samples in half an hour to five days.

mod assembly;
mod batches;
mod deploys;
mod families;
mod family;
mod flights;
mod leaks;
mod serving;
mod stores;

use crate::window::{Windows, drawn_from};

pub use family::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x9b05_688c_2b3e_6c1f,
    length: [0.0834, 20.0],
    samples: [90.0, 2000.0],
    every: [1.0, 600.0],
};

drawn_from!(WINDOWS);

#[cfg(test)]
mod tests {
    use super::*;

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
    fn most_leaks_are_of_a_tenth_or_more() {
        let leaking = FAMILIES.iter().filter(|(family, _)| is_leak(*family));
        let growth: Vec<f64> = leaking
            .flat_map(|(family, _)| (0..8).map(|seed| trace(*family, seed, 21_600.0, 15.0).growth))
            .collect();
        let strong = growth.iter().filter(|g| **g >= 0.1).count();
        assert!(2 * strong > growth.len(), "{strong} of {}", growth.len());
    }

    #[test]
    fn a_seed_is_a_series() {
        let (family, _) = FAMILIES[3];
        let values =
            |seed| trace(family, seed, 21_600.0, 15.0).points.iter().map(|p| p.v).collect::<Vec<_>>();
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }
}
