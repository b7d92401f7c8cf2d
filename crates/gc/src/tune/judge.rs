//! Whether a change helped: the window before against the window after.
//!
//! Raised thresholds make fewer but longer pauses, so the total alone decides nothing: the longest pause, the
//! 95th percentile and the memory must stay within limits too, and the load must have been the same.

use super::model::{Model, Window};
use m5_stats::bootstrap::{Interval, ratio_of_means};
use serde::{Deserialize, Serialize};

/// What a change may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Highest RSS, bytes.
    pub max_rss: Option<u64>,
    /// RSS, new over old, at most; beyond what it was growing by anyway.
    pub rss_growth: f64,
    /// Longest pause and 95th percentile, new over old, at most.
    pub worst_factor: f64,
    /// Pauses below this are nobody's concern, seconds.
    pub pause_floor: f64,
    /// The objective of the 95th percentile, seconds: a longer one is never accepted unless it was there before.
    pub p95_objective: f64,
    /// CPU time, new over old or old over new: beyond it the load was not the same.
    pub load_factor: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rss: None,
            rss_growth: 1.05,
            worst_factor: 1.25,
            pause_floor: 0.005,
            p95_objective: 0.050,
            load_factor: 1.5,
        }
    }
}

impl Limits {
    /// The longest pause that is accepted where this one was the longest before.
    #[must_use]
    pub fn longest(&self, before: f64) -> f64 {
        (before * self.worst_factor).max(self.pause_floor)
    }

    /// The 95th percentile that is accepted: it may rise as far as pauses did reach before, within half of the
    /// objective.
    #[must_use]
    pub fn p95(&self, before_p95: f64, before_max: f64) -> f64 {
        let within = before_max.min(self.p95_objective / 2.0);
        (before_p95 * self.worst_factor).max(within).max(self.pause_floor)
    }
}

/// Why a change is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reject {
    /// Too few collections before to compare with.
    TooFew,
    /// Too little was seen after it: how long pauses are now is not known.
    Unproven,
    /// The load was another one: nothing can be said.
    LoadChanged,
    /// The total did not fall for sure.
    NoGain,
    /// The longest pause or the 95th percentile became too long.
    LongerPauses,
    /// Too much memory.
    Memory,
}

/// Keep it or take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It helped within the limits.
    Keep,
    /// It did not.
    Reject(Reject),
}

/// A comparison of two windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What follows.
    pub outcome: Outcome,
    /// Pause time per second, new over old, with a 95 % interval; `None` without pauses before.
    pub ratio: Option<Interval>,
    /// CPU time per second without the pauses, new over old.
    pub load: Option<f64>,
    /// The model before.
    pub before: Model,
    /// The model after.
    pub after: Model,
    /// Highest RSS before and after.
    pub rss: Option<(u64, u64)>,
    /// Full collections happened before but none after: their pause is not in the new figures.
    pub full_unseen: bool,
}

/// Fewer collections than this are no basis.
const FEWEST: u64 = 5;
/// Fewer than this after a change do not tell how long its pauses are.
const FEWEST_AFTER: u64 = 3;
const RESAMPLES: usize = 2000;

/// Compares two windows of (about) equal length; `seed` makes the interval reproducible.
#[must_use]
pub fn judge(before: &Window, after: &Window, limits: &Limits, seed: u64) -> Judgement {
    let (old, new) = (Model::of(before), Model::of(after));
    let ratio = ratio_of_means(&per_second(before, &old), &per_second(after, &new), RESAMPLES, seed);
    let load = work(before, &old).zip(work(after, &new)).map(|(b, a)| a / b);
    let rss = before.rss_max.zip(after.rss_max);
    let full_unseen = before.happened[2] > 0 && after.happened[2] == 0;
    let judgement =
        Judgement { outcome: Outcome::Keep, ratio, load, before: old, after: new, rss, full_unseen };
    let outcome = reason(before, after, &judgement, limits).map_or(Outcome::Keep, Outcome::Reject);
    Judgement { outcome, ..judgement }
}

fn reason(before: &Window, after: &Window, j: &Judgement, limits: &Limits) -> Option<Reject> {
    let Some(ratio) = j.ratio else { return Some(Reject::TooFew) };
    let load_differs = j.load.is_some_and(|l| l > limits.load_factor || l < 1.0 / limits.load_factor);
    let memory = j.rss.is_some_and(|(old, new)| {
        let by_itself =
            before.rss_slope.unwrap_or(0.0).max(0.0) * (after.ended_seconds - before.ended_seconds);
        let over = new as f64 > old as f64 * limits.rss_growth + by_itself.max(0.0);
        over || limits.max_rss.is_some_and(|max| new > max)
    });
    let accepted = limits.p95(j.before.p95, j.before.max);
    let more_above = rate_above(after, accepted) > rate_above(before, accepted);
    let objective = limits.p95_objective;
    let longer = j.after.max > limits.longest(j.before.max)
        || (j.after.p95 > accepted && more_above)
        || (j.after.p95 >= objective && j.before.p95 < objective);
    let tests = [
        (before.happened.iter().sum::<u64>() < FEWEST, Reject::TooFew),
        (memory, Reject::Memory),
        (longer, Reject::LongerPauses),
        (unproven(after), Reject::Unproven),
        (load_differs, Reject::LoadChanged),
        (ratio.upper >= 1.0, Reject::NoGain),
    ];
    tests.into_iter().find(|(holds, _)| *holds).map(|(_, reject)| reject)
}

/// CPU seconds a second that were no collection: what the service itself did.
fn work(window: &Window, model: &Model) -> Option<f64> {
    let work = (window.cpu_seconds? - model.total) / window.seconds;
    (work > 0.0 && work.is_finite()).then_some(work)
}

/// Whether too few collections happened, or of some generation not one was seen.
fn unproven(after: &Window) -> bool {
    let blind = |g: usize| after.happened[g] > 0 && after.pauses[g].is_empty();
    after.happened.iter().sum::<u64>() < FEWEST_AFTER || (0..3).any(blind)
}

/// Pauses a second that are longer than a limit. Fewer short pauses raise the 95th percentile of the rest: a
/// percentile that rose is only bad where long pauses became more frequent.
fn rate_above(window: &Window, limit: f64) -> f64 {
    let above = |g: usize| {
        let (seen, long) = (window.pauses[g].len(), window.pauses[g].iter().filter(|p| **p > limit).count());
        if seen == 0 { 0.0 } else { long as f64 / seen as f64 * window.happened[g] as f64 }
    };
    (0..3).map(above).sum::<f64>() / window.seconds.max(f64::MIN_POSITIVE)
}

/// Slices as pause seconds a second, with what was not seen counted at the mean.
fn per_second(window: &Window, model: &Model) -> Vec<f64> {
    let seen: f64 = window.slices.iter().sum();
    let scale = if seen > 0.0 { model.total / seen } else { 0.0 };
    let length = window.seconds / window.slices.len().max(1) as f64;
    window.slices.iter().map(|s| s * scale / length).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::window;
    use super::*;

    /// Many full collections of 50 ms, as a wrong threshold makes them.
    fn before() -> Window {
        Window {
            pauses: [vec![0.000_2; 200], vec![0.001; 20], vec![0.05; 10]],
            slices: vec![0.027; 20],
            happened: [200, 20, 10],
            ..window()
        }
    }

    fn better() -> Window {
        Window {
            pauses: [vec![0.004; 5], vec![0.006], vec![0.05]],
            slices: (0..20)
                .map(|i| {
                    if i == 3 {
                        0.05
                    } else if i % 4 == 0 {
                        0.005
                    } else {
                        0.0
                    }
                })
                .collect(),
            happened: [5, 1, 1],
            ..window()
        }
    }

    fn outcome(after: &Window, limits: &Limits) -> Outcome {
        judge(&before(), after, limits, 1).outcome
    }

    #[test]
    fn what_helps_within_the_limits_is_kept() {
        let judged = judge(&before(), &better(), &Limits::default(), 1);
        let ratio = judged.ratio.unwrap();
        assert_eq!(judged.outcome, Outcome::Keep, "{judged:?}");
        assert!(
            ratio.lower < ratio.estimate && ratio.estimate < ratio.upper && ratio.upper < 1.0,
            "{ratio:?}"
        );
        assert!(!judged.full_unseen);
    }

    #[test]
    fn each_limit_takes_a_change_back() {
        let limits = Limits::default();
        let long = Window { pauses: [vec![0.004; 5], vec![], vec![0.09]], ..better() };
        assert_eq!(outcome(&long, &limits), Outcome::Reject(Reject::LongerPauses));
        let often = Window { pauses: [vec![0.03; 20], vec![], vec![]], happened: [20, 0, 0], ..better() };
        assert_eq!(outcome(&often, &limits), Outcome::Reject(Reject::LongerPauses));
        let missed = Window { pauses: [vec![], vec![], vec![0.055; 3]], happened: [0, 0, 3], ..better() };
        assert_eq!(outcome(&missed, &limits), Outcome::Reject(Reject::LongerPauses));
        let fat = Window { rss_max: Some(60 << 20), ..better() };
        assert_eq!(outcome(&fat, &limits), Outcome::Reject(Reject::Memory));
        let warming = Window { rss_slope: Some((1 << 20) as f64), ..before() };
        let later = Window { ended_seconds: 20.0, ..fat.clone() };
        assert_eq!(judge(&warming, &later, &limits, 1).outcome, Outcome::Keep);
        let within = Limits { max_rss: Some(49 << 20), ..limits };
        assert_eq!(outcome(&better(), &within), Outcome::Reject(Reject::Memory));
        let idle = Window { cpu_seconds: Some(0.5), ..better() };
        assert_eq!(outcome(&idle, &limits), Outcome::Reject(Reject::LoadChanged));
        assert_eq!(outcome(&before(), &limits), Outcome::Reject(Reject::NoGain));
        let few = Window { happened: [1, 0, 0], ..window() };
        assert_eq!(judge(&few, &better(), &limits, 1).outcome, Outcome::Reject(Reject::TooFew));
    }

    #[test]
    fn what_was_not_seen_is_not_proved() {
        let quiet =
            Window { pauses: Default::default(), happened: [0; 3], slices: vec![0.0; 20], ..better() };
        assert_eq!(outcome(&quiet, &Limits::default()), Outcome::Reject(Reject::Unproven));
        let blind = Window { pauses: [vec![0.004; 5], vec![0.006], vec![]], ..better() };
        assert_eq!(outcome(&blind, &Limits::default()), Outcome::Reject(Reject::Unproven));
    }

    #[test]
    fn time_saved_in_collections_is_no_change_of_load() {
        let busy = Window { cpu_seconds: Some(1.0), ..before() };
        let saved = Window { cpu_seconds: Some(1.0 - 0.54 + 0.076), ..better() };
        assert_eq!(judge(&busy, &saved, &Limits::default(), 1).outcome, Outcome::Keep);
    }

    #[test]
    fn a_full_collection_that_did_not_come_again_is_said() {
        let after = Window { pauses: [vec![0.004; 5], vec![], vec![]], happened: [5, 0, 0], ..better() };
        assert!(judge(&before(), &after, &Limits::default(), 1).full_unseen);
    }
}
