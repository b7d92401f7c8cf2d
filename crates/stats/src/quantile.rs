//! Quantiles, summaries and rates: one definition each, so that two pages never show two P95s of the same data.

use serde::{Deserialize, Serialize};

/// The `q` quantile (0 ≤ q ≤ 1) of an ascending slice, by linear interpolation between the two nearest
/// order statistics (Hyndman and Fan's type 7: position `q · (n − 1)`).
///
/// `None` on an empty slice or when `q` is outside 0..=1 (NaN included). The slice must be sorted and finite.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let last = sorted.len().checked_sub(1)?;
    let position = q * last as f64;
    let below = (position.floor() as usize).min(last);
    let low = *sorted.get(below)?;
    let high = *sorted.get((below + 1).min(last))?;
    let part = position - below as f64;
    // Weighted sum, not `low + part * (high - low)`: the difference of two finite values may overflow.
    Some((low * (1.0 - part) + high * part).clamp(low, high.max(low)))
}

/// A sorted copy of the finite values of a slice.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut kept: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    kept.sort_unstable_by(f64::total_cmp);
    kept
}

/// The median of the finite values, in any order. `None` when there are none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The median of `(value, weight)` pairs: the smallest value at which at least half of the weight lies at or
/// below. Pairs with a weight that is not finite and above zero are ignored.
#[must_use]
pub fn weighted_median(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut kept: Vec<(f64, f64)> =
        pairs.iter().copied().filter(|(v, w)| v.is_finite() && w.is_finite() && *w > 0.0).collect();
    kept.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = kept.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (value, weight) in &kept {
        below += weight;
        if below >= half {
            return Some(*value);
        }
    }
    kept.last().map(|(v, _)| *v)
}

/// Events per second. `None` unless the time is finite and above zero.
#[must_use]
pub fn rate(count_delta: f64, seconds: f64) -> Option<f64> {
    let rate = count_delta / seconds;
    (seconds > 0.0 && rate.is_finite()).then_some(rate)
}

/// What a set of measurements says in eight numbers, in the unit of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many finite values there were.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sum.
    pub total: f64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile, as [`quantile`] defines it.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Summary {
    /// Sums up the finite values of a slice, in any order. `None` when there are none: nothing measured is
    /// not zero.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::of_sorted(&sorted(values))
    }

    /// The same for values that are already ascending and finite.
    #[must_use]
    pub fn of_sorted(sorted: &[f64]) -> Option<Self> {
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let total: f64 = sorted.iter().sum();
        Some(Self {
            count: sorted.len() as u64,
            min,
            max,
            mean: (total / sorted.len() as f64).clamp(min, max),
            total,
            p50: quantile(sorted, 0.5)?,
            p95: quantile(sorted, 0.95)?,
            p99: quantile(sorted, 0.99)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn interpolates_between_order_statistics() {
        let v = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&v, 0.0), Some(1.0));
        assert_eq!(quantile(&v, 1.0), Some(4.0));
        assert_eq!(quantile(&v, 0.5), Some(2.5));
        assert_eq!(quantile(&v, 0.9), Some(3.7));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&v, 1.1), None);
        assert_eq!(quantile(&v, f64::NAN), None);
    }

    #[test]
    fn nothing_is_not_zero() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[f64::NAN]), None);
        assert_eq!(rate(3.0, 0.0), None);
        assert_eq!(rate(3.0, f64::NAN), None);
        assert_eq!(rate(3.0, 2.0), Some(1.5));
    }

    #[test]
    fn weights_move_the_median() {
        assert_eq!(weighted_median(&[(1.0, 1.0), (2.0, 1.0), (9.0, 5.0)]), Some(9.0));
        assert_eq!(weighted_median(&[(1.0, 0.0)]), None);
    }

    proptest! {
        #[test]
        fn stays_within_bounds(mut v in prop::collection::vec(-1e300..1e300f64, 1..60), q in 0.0..=1.0f64) {
            v.sort_by(f64::total_cmp);
            let x = quantile(&v, q).unwrap();
            prop_assert!(x >= v[0] && x <= v[v.len() - 1]);
        }

        #[test]
        fn summary_is_ordered(v in prop::collection::vec(-1e200..1e200f64, 1..60)) {
            let s = Summary::of(&v).unwrap();
            prop_assert!(s.min <= s.p50 && s.p50 <= s.p95 && s.p95 <= s.p99 && s.p99 <= s.max);
            prop_assert!(s.min <= s.mean && s.mean <= s.max);
        }
    }
}
