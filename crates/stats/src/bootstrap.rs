//! Intervals by resampling, for what has no formula: the ratio of two means with many zeros among the values.

use crate::quantile::{quantile, sorted};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// 2.5th percentile of the resamples.
    pub lower: f64,
    /// 97.5th percentile.
    pub upper: f64,
}

/// Mean of `new` over mean of `base`, with a percentile bootstrap interval.
///
/// `None` where a side is empty, holds a value that is not finite, or the mean of `base` is not above zero.
/// The same `seed` gives the same interval.
#[must_use]
pub fn ratio_of_means(base: &[f64], new: &[f64], resamples: usize, seed: u64) -> Option<Interval> {
    let usable = |side: &[f64]| !side.is_empty() && side.iter().all(|v| v.is_finite());
    if !usable(base) || !usable(new) {
        return None;
    }
    let ratio = |base: f64, new: f64| (base > 0.0).then(|| new / base);
    let estimate = ratio(mean(base), mean(new))?;
    let mut random = Random::new(seed | 1);
    let draws: Vec<f64> = (0..resamples)
        .filter_map(|_| ratio(resampled(base, &mut random), resampled(new, &mut random)))
        .collect();
    let draws = sorted(&draws);
    let at = |q| quantile(&draws, q).unwrap_or(estimate);
    Some(Interval { estimate, lower: at(0.025), upper: at(0.975) })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn resampled(values: &[f64], random: &mut Random) -> f64 {
    let sum: f64 = (0..values.len()).map(|_| values[(random.bits() % values.len() as u64) as usize]).sum();
    sum / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_change_is_told_from_none() {
        let base: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i % 5) * 0.1).collect();
        let half: Vec<f64> = base.iter().rev().map(|v| v / 2.0).collect();
        let changed = ratio_of_means(&base, &half, 1000, 7).unwrap();
        assert!(changed.lower < 0.5 && changed.upper > 0.5 && changed.upper < 0.6, "{changed:?}");
        let same = ratio_of_means(&base, &base, 1000, 7).unwrap();
        assert!(same.lower < 1.0 && same.upper > 1.0);
        assert_eq!(ratio_of_means(&base, &half, 1000, 7), Some(changed));
    }

    #[test]
    fn what_has_no_ratio_gives_none() {
        assert_eq!(ratio_of_means(&[], &[1.0], 10, 1), None);
        assert_eq!(ratio_of_means(&[0.0], &[1.0], 10, 1), None);
        assert_eq!(ratio_of_means(&[1.0], &[f64::NAN], 10, 1), None);
        assert_eq!(ratio_of_means(&[1.0], &[0.0], 10, 1).map(|i| i.estimate), Some(0.0));
    }
}
