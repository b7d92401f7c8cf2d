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

    crate::window::tests_of_families!();

    #[test]
    fn most_leaks_are_of_a_tenth_or_more() {
        let leaking = FAMILIES.iter().filter(|(family, _)| is_leak(*family));
        let growth: Vec<f64> = leaking
            .flat_map(|(family, _)| (0..8).map(|seed| trace(*family, seed, 21_600.0, 15.0).growth))
            .collect();
        let strong = growth.iter().filter(|g| **g >= 0.1).count();
        assert!(2 * strong > growth.len(), "{strong} of {}", growth.len());
    }
}
