//! A tenth set of generators, all of it held out: written before anything was judged by it, without reading the code that
//! judges. What applications do: caches whose hot keys change, workers replaced by count, children of a task queue, frames,
//! batches by shape, fan-outs, books of orders, windows of streams, uploads, timetables, backfills, pools, conversations,
//! autoscalers, days of a shop; and leaks by what happens there: by fork, by message, by file, by thread, by label, by
//! incident, on Mondays. Most processes have lived for a while before their window begins. Seen at one second to half an
//! hour, ninety to two thousand samples in half an hour to five days (weeks where Mondays count).

pub(crate) mod chance;
mod data;
mod families;
mod family;
mod leaks;
mod made_of;
mod memory;
mod serving;

use crate::window::{Windows, drawn_from};

pub use family::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x510e_527f_ade6_82d1,
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
    fn a_seed_is_a_series() {
        let (family, _) = FAMILIES[3];
        let values =
            |seed| trace(family, seed, 21_600.0, 15.0).points.iter().map(|p| p.v).collect::<Vec<_>>();
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }
}
