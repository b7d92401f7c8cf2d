//! Before against after: the Hodges–Lehmann ratio of two sides of runs, and a gate that fails only on proof.

use serde::{Deserialize, Serialize};

use crate::quantile::{median, sorted};

/// How the gate decides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// The increase that counts as a regression, as a ratio (0.15 is 15 %).
    pub threshold: f64,
    /// The increase of a peak that counts as one: a container is killed by its peak. `None`: as any other.
    pub peak_threshold: Option<f64>,
    /// Chance of failing a change that sits exactly at the threshold, at each look. Three looks (5, 10 and 15
    /// runs) at 2.32 % each keep the whole gate at 5 % (Pocock's bound for three equally spaced looks).
    pub alpha: f64,
    /// Runs a side after which an undecided gate stops asking for more.
    pub max_runs: usize,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            threshold: crate::objectives::COMPARE_THRESHOLD,
            peak_threshold: None,
            alpha: 0.0232,
            max_runs: 15,
        }
    }
}

impl GateConfig {
    /// For runs that are all there: one look, which may be wrong as often as three together. Three runs a side
    /// are then enough for a verdict; looked at three times, they are not.
    #[must_use]
    pub fn one_look(threshold: f64) -> Self {
        Self { threshold, alpha: 0.05, max_runs: 0, ..Self::default() }
    }

    /// For runs that are added while undecided.
    #[must_use]
    pub fn looks(threshold: f64) -> Self {
        Self { threshold, ..Self::default() }
    }

    /// The same with another threshold for peaks.
    #[must_use]
    pub fn peak(self, peak_threshold: Option<f64>) -> Self {
        Self { peak_threshold, ..self }
    }

    /// What holds for a metric of this name: one of a peak has `peak` in it.
    #[must_use]
    pub fn of(self, metric: &str) -> Self {
        let peak = self.peak_threshold.filter(|_| metric.contains("peak"));
        Self { threshold: peak.unwrap_or(self.threshold), ..self }
    }
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateVerdict {
    /// Proved to be within the threshold.
    Pass,
    /// Proved to be past the threshold.
    Regression,
    /// Neither is proved.
    Inconclusive,
    /// A side has no usable value. A gate must treat this as a failure.
    Missing,
}

/// A comparison with its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// What it came to.
    pub verdict: GateVerdict,
    /// New over base (Hodges–Lehmann estimate): 1.1 is 10 % more.
    pub ratio: Option<f64>,
    /// One-sided lower bound of the ratio. `None` while the runs are too few for one.
    pub lower: Option<f64>,
    /// One-sided upper bound of the ratio.
    pub upper: Option<f64>,
    /// More runs may decide it.
    pub need_more: bool,
}

const MISSING: GateOutcome =
    GateOutcome { verdict: GateVerdict::Missing, ratio: None, lower: None, upper: None, need_more: false };

/// Compares two sides of runs, where more is worse. `threshold` is a ratio: 0.15 allows 15 % more.
#[must_use]
pub fn gate(base: &[f64], new: &[f64], threshold: f64) -> GateOutcome {
    gate_with(base, new, &GateConfig::looks(threshold))
}

/// [`gate`] with every setting. A value that is not finite or is below zero makes its side [`GateVerdict::Missing`]:
/// a metric that was not measured must not pass. Where a zero occurs (counts), 1 is added to every value.
#[must_use]
pub fn gate_with(base: &[f64], new: &[f64], config: &GateConfig) -> GateOutcome {
    let Some((base, new)) = logs(base).zip(logs(new)).map(|(b, n)| common_scale(b, n)) else {
        return MISSING;
    };
    let Some(estimate) = hodges_lehmann(&base, &new, config.alpha) else {
        return MISSING;
    };
    // Runs that agree to the last digit sit on the threshold itself: rounding must not push them over.
    let limit = config.threshold.max(-0.999_999).ln_1p() + 1e-9;
    let verdict = match (estimate.lower, estimate.upper) {
        (Some(lower), _) if lower > limit => GateVerdict::Regression,
        (_, Some(upper)) if upper <= limit => GateVerdict::Pass,
        _ => GateVerdict::Inconclusive,
    };
    let runs = base.len().min(new.len());
    GateOutcome {
        verdict,
        ratio: Some(estimate.shift.exp()),
        lower: estimate.lower.map(f64::exp),
        upper: estimate.upper.map(f64::exp),
        need_more: verdict == GateVerdict::Inconclusive && runs < config.max_runs,
    }
}

/// One run against one run: the plain ratio against the threshold, with no claim about noise.
#[must_use]
pub fn single(base: Option<f64>, new: Option<f64>, threshold: f64) -> GateOutcome {
    let usable = |v: Option<f64>| v.filter(|v| v.is_finite() && *v >= 0.0);
    let (Some(base), Some(new)) = (usable(base), usable(new)) else {
        return MISSING;
    };
    // From nothing to something there is no ratio, and no threshold that allows it.
    let ratio =
        if base > 0.0 { Some(new / base).filter(|r| r.is_finite()) } else { (new <= 0.0).then_some(1.0) };
    let worse = ratio.is_none_or(|r| r > 1.0 + threshold);
    let verdict = if worse { GateVerdict::Regression } else { GateVerdict::Pass };
    GateOutcome { verdict, ratio, lower: None, upper: None, need_more: false }
}

fn logs(side: &[f64]) -> Option<Vec<f64>> {
    let usable = !side.is_empty() && side.iter().all(|v| v.is_finite() && *v >= 0.0);
    usable.then(|| side.to_vec())
}

fn common_scale(base: Vec<f64>, new: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let zero = base.iter().chain(&new).any(|v| *v <= 0.0);
    let ln = |v: Vec<f64>| v.into_iter().map(|v| if zero { v.ln_1p() } else { v.ln() }).collect();
    (ln(base), ln(new))
}

/// A shift between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Median of all differences `new − base`.
    pub shift: f64,
    /// One-sided lower bound, `None` when the samples are too small for the confidence asked for.
    pub lower: Option<f64>,
    /// One-sided upper bound.
    pub upper: Option<f64>,
}

/// The Hodges–Lehmann estimate of the shift from `base` to `new`, with one-sided bounds that each miss with a
/// chance of at most `alpha`, exact for any continuous distribution (inverted Mann–Whitney test).
///
/// `None` when a side is empty or holds a value that is not finite.
#[must_use]
pub fn hodges_lehmann(base: &[f64], new: &[f64], alpha: f64) -> Option<Shift> {
    if base.iter().chain(new).any(|v| !v.is_finite()) {
        return None;
    }
    let differences: Vec<f64> = new.iter().flat_map(|n| base.iter().map(move |b| n - b)).collect();
    let differences = sorted(&differences);
    let shift = median(&differences)?;
    let skip = mann_whitney_critical(base.len(), new.len(), alpha);
    let at = |i: usize| differences.get(i).copied();
    let lower = skip.and_then(at);
    let upper = skip.and_then(|c| differences.len().checked_sub(c + 1)).and_then(at);
    Some(Shift { shift, lower, upper })
}

/// The largest `c` with P(U ≤ c) ≤ `alpha` under no difference; `None` when even U = 0 is likelier than that.
fn mann_whitney_critical(n: usize, m: usize, alpha: f64) -> Option<usize> {
    /// Above this the exact counts cost more than they tell.
    const EXACT: usize = 30;
    if n.max(m) > EXACT {
        let (n, m) = (n as f64, m as f64);
        let sd = (n * m * (n + m + 1.0) / 12.0).sqrt();
        let c = n * m / 2.0 - crate::special::normal_quantile(1.0 - alpha) * sd - 0.5;
        return (c >= 0.0).then_some(c as usize);
    }
    let share = mann_whitney_shares(n, m);
    let mut below = 0.0;
    let mut critical = None;
    for (u, p) in share.iter().enumerate() {
        below += p;
        // The sum of shares is exact only to rounding: 1/20 must not miss an alpha of 0.05.
        if below > alpha + 1e-12 {
            break;
        }
        critical = Some(u);
    }
    critical
}

/// P(U = u) for every u, by the recurrence on which side holds the largest value.
fn mann_whitney_shares(n: usize, m: usize) -> Vec<f64> {
    // rows[j][u]: chance of U = u for the i (loop) first values against j of the other side.
    let mut rows: Vec<Vec<f64>> = (0..=m).map(|_| vec![1.0]).collect();
    for i in 1..=n {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for j in 1..=m {
            let (fi, fj) = (i as f64, j as f64);
            let mut row = vec![0.0; i * j + 1];
            for (u, p) in rows[j].iter().enumerate() {
                row[u + j] += p * fi / (fi + fj);
            }
            for (u, p) in next[j - 1].iter().enumerate() {
                row[u] += p * fj / (fi + fj);
            }
            next.push(row);
        }
        rows = next;
    }
    rows.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn critical_values_match_the_tables() {
        assert_eq!(mann_whitney_critical(5, 5, 0.05), Some(4));
        assert_eq!(mann_whitney_critical(10, 10, 0.05), Some(27));
        assert_eq!(mann_whitney_critical(3, 3, 0.05), Some(0));
        assert_eq!(mann_whitney_critical(2, 2, 0.05), None);
        let sum: f64 = mann_whitney_shares(7, 9).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn fails_only_on_proof() {
        let base = [100.0, 100.2, 99.9, 100.1, 100.3];
        let double = base.map(|v| v * 1.3);
        assert_eq!(gate(&base, &double, 0.15).verdict, GateVerdict::Regression);
        assert_eq!(gate(&base, &base, 0.15).verdict, GateVerdict::Pass);
        let few = gate(&base[..2], &double[..2], 0.15);
        assert_eq!((few.verdict, few.need_more), (GateVerdict::Inconclusive, true));
        let noisy = [80.0, 150.0, 100.0, 125.0, 110.0];
        assert!(gate(&base, &noisy, 0.15).need_more);
        assert!(!gate(&base.repeat(3), &noisy.repeat(3), 0.11).need_more);
    }

    #[test]
    fn three_runs_are_enough_for_one_look() {
        let (base, new) = ([100.0, 101.0, 99.0], [130.0, 131.0, 129.0]);
        let one = GateConfig::one_look(0.15);
        assert_eq!(gate_with(&base, &new, &one).verdict, GateVerdict::Regression);
        assert_eq!(gate_with(&base, &base, &one).verdict, GateVerdict::Pass);
        assert_eq!(gate(&base, &new, 0.15).verdict, GateVerdict::Inconclusive);
    }

    #[test]
    fn what_sits_on_the_threshold_is_no_regression() {
        for base in [28_519.0, 336_465.0, 18_432_000.0] {
            let (old, new) = ([base; 5], [base * 1.05; 5]);
            assert_eq!(gate(&old, &new, 0.05).verdict, GateVerdict::Pass);
        }
    }

    #[test]
    fn missing_does_not_pass() {
        assert_eq!(gate(&[], &[1.0], 0.1).verdict, GateVerdict::Missing);
        assert_eq!(gate(&[1.0], &[f64::NAN], 0.1).verdict, GateVerdict::Missing);
        assert_eq!(single(None, Some(1.0), 0.1).verdict, GateVerdict::Missing);
    }

    #[test]
    fn counts_may_be_zero() {
        let zero = [0.0; 5];
        assert_eq!(gate(&zero, &zero, 0.1).verdict, GateVerdict::Pass);
        assert_eq!(gate(&zero, &[9.0; 5], 0.1).verdict, GateVerdict::Regression);
        assert_eq!(single(Some(0.0), Some(1.0), 0.1).verdict, GateVerdict::Regression);
        assert_eq!(single(Some(0.0), Some(0.0), 0.1).verdict, GateVerdict::Pass);
        assert_eq!(single(Some(10.0), Some(11.6), 0.15).verdict, GateVerdict::Regression);
    }

    proptest! {
        #[test]
        fn bounds_are_ordered_and_scale_free(
            base in prop::collection::vec(1.0..1e9f64, 1..17),
            new in prop::collection::vec(1.0..1e9f64, 1..17),
            scale in 1e-3..1e3f64,
        ) {
            let o = gate(&base, &new, 0.15);
            let ratio = o.ratio.unwrap();
            prop_assert!(o.lower.is_none_or(|l| l <= ratio) && o.upper.is_none_or(|u| u >= ratio));
            let scaled = |v: &[f64]| v.iter().map(|x| x * scale).collect::<Vec<_>>();
            let s = gate(&scaled(&base), &scaled(&new), 0.15).ratio.unwrap();
            prop_assert!((s / ratio - 1.0).abs() < 1e-9);
        }

        #[test]
        fn any_input_gives_an_answer(base in prop::collection::vec(any::<f64>(), 0..8), new in prop::collection::vec(any::<f64>(), 0..8)) {
            let o = gate(&base, &new, 0.15);
            prop_assert!(o.ratio.is_none_or(|r| !r.is_nan()));
        }
    }
}
