//! From a model to settings worth trying, each with what it is expected to bring, and to findings.
//!
//! The expectation is a range: young pauses that do not grow at all, and young pauses that grow in proportion to
//! the threshold. They may grow faster still: the threshold counts net allocations, so a program that frees as
//! much as it allocates lets its young generation swell far beyond it. The trial decides. The walk of a full collection does not depend on thresholds, only its frequency does.

use super::judge::Limits;
use super::model::{Model, Window};
use m5_cpython::layout::Collector;
use serde::{Deserialize, Serialize};

/// Settings worth trying.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The thresholds.
    pub thresholds: [i32; 3],
    /// Total pause, new over old, if young pauses do not grow.
    pub best: f64,
    /// The same if they grow in proportion.
    pub worst: f64,
    /// Longest young pause to expect at worst, seconds.
    pub young_pause: f64,
}

/// Something that was found, with its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// Collection costs so little that nothing can be gained.
    NothingToGain {
        /// Share of the wall time.
        share_of_wall: f64,
        /// Longest pause, seconds.
        max: f64,
    },
    /// A collection ran at the end that had not ended, the longest of all: what it costs is not known.
    Unfinished {
        /// How long it had run, at least, seconds.
        seconds: f64,
    },
    /// Too little was seen to say what collections cost.
    Unseen {
        /// Pauses that were seen.
        seen: u64,
        /// Collections that happened.
        happened: u64,
    },
    /// Full collections cost much and free little.
    FullCollections {
        /// Share of all pause time.
        share: f64,
        /// Of what they walked, the share that they freed.
        freed_share: f64,
        /// Mean pause, seconds.
        mean: f64,
        /// Objects that each walks.
        long_lived: u64,
    },
    /// Young collections cost much.
    YoungCollections {
        /// Share of all pause time of generations 0 and 1.
        share: f64,
        /// Collections of generation 0 a second.
        rate: f64,
    },
    /// Much cyclic garbage: the collector is needed, and the cycles are worth finding.
    CyclicGarbage {
        /// Objects freed a second.
        per_second: f64,
    },
    /// Objects that could not be freed.
    Uncollectable {
        /// How many.
        count: u64,
    },
    /// Automatic collection is off.
    Disabled,
}

/// Below this share of the wall time, and with no pause above [`Limits::pause_floor`], tuning is pointless.
const WORTH: f64 = 0.000_5;
/// Thresholds of generation 0 that are tried, the highest first.
const LADDER: [i32; 6] = [50_000, 20_000, 10_000, 5_000, 2_500, 1_400];
/// Times as many objects between collections that are tried on a free-threaded build.
const TIMES: [f64; 3] = [8.0, 4.0, 2.0];
/// Full collections that free less than this share of what they walk may be rarer.
const FREES_LITTLE: f64 = 0.01;
/// Full collections that cost this share of all pauses are worth a proposal of their own.
const MUCH_OF_IT: f64 = 0.3;
/// Objects a second freed by the collector that are worth a word.
const MUCH_GARBAGE: f64 = 100.0;

/// Settings worth trying, the best first; none where nothing can be gained.
#[must_use]
pub fn propose(window: &Window, collector: Collector, limits: &Limits) -> Vec<Proposal> {
    let model = Model::of(window);
    if nothing_to_gain(&model, limits) || !window.settings.enabled || window.settings.thresholds[0] == 0 {
        return Vec::new();
    }
    let [young, middle, old] = window.settings.thresholds;
    let rarer = collector == Collector::Generational && model.freed_share.is_none_or(|f| f < FREES_LITTLE);
    let old = if rarer { old.max(10).saturating_mul(5).min(100).max(old) } else { old };
    let only_old = (old > window.settings.thresholds[2] && model.generations[2].share >= MUCH_OF_IT)
        .then(|| predict(&model, window, [young, middle, old], collector));
    let mut list: Vec<Proposal> = ladder(window, collector)
        .into_iter()
        .map(|t| predict(&model, window, [t, middle, old], collector))
        .collect();
    let allowed = limits.longest(model.max);
    let fits = |p: &Proposal| p.young_pause <= allowed;
    list.sort_by(|a, b| fits(b).cmp(&fits(a)).then(order(a, b, fits(a))));
    list.truncate(3);
    // Rarer full collections alone leave young pauses as they are: the next best if those become too long.
    list.splice(list.len().min(1)..list.len().min(1), only_old);
    list
}

/// Thresholds of generation 0 that may bring something. A free-threaded build waits for more than its threshold says
/// where many objects live long: what lies below that brings nothing.
fn ladder(window: &Window, collector: Collector) -> Vec<i32> {
    let now = between(window.settings.thresholds, window, collector);
    match collector {
        Collector::FreeThreaded => TIMES.map(|times| rounded(now * times)).to_vec(),
        _ => LADDER.into_iter().filter(|t| f64::from(*t) >= 1.5 * (now - 1.0)).collect(),
    }
}

/// The next full hundred, as far as a threshold goes.
fn rounded(threshold: f64) -> i32 {
    ((threshold / 100.0).ceil() * 100.0).min(f64::from(1 << 30)) as i32
}

/// New objects, at least, from one collection of generation 0 to the next. A free-threaded build waits for a quarter of
/// the objects that live long, too, unless its second threshold is zero.
fn between(thresholds: [i32; 3], window: &Window, collector: Collector) -> f64 {
    let counted = f64::from(thresholds[0]) + 1.0;
    let quarter = window.long_lived.map_or(0.0, |objects| objects as f64 / 4.0);
    let scaled = collector == Collector::FreeThreaded && thresholds[1] != 0;
    if scaled { counted.max(quarter) } else { counted }
}

/// Among those that fit, the higher threshold gains more; among those that do not, the lower one harms less.
fn order(a: &Proposal, b: &Proposal, fit: bool) -> std::cmp::Ordering {
    let by_threshold = b.thresholds[0].cmp(&a.thresholds[0]);
    if fit { by_threshold } else { by_threshold.reverse() }
}

fn predict(model: &Model, window: &Window, thresholds: [i32; 3], collector: Collector) -> Proposal {
    let times =
        |g: usize| (f64::from(thresholds[g]) + 1.0) / (f64::from(window.settings.thresholds[g]) + 1.0);
    let [young, middle, old] = model.generations;
    let k = between(thresholds, window, collector) / between(window.settings.thresholds, window, collector);
    // An increment of the incremental collector does its share of the walk at each young collection; a free-threaded
    // build knows one threshold.
    let full = if collector == Collector::Generational { k * times(1) * times(2) } else { k };
    let share = |seconds: f64| if model.total > 0.0 { seconds / model.total } else { 1.0 };
    Proposal {
        thresholds,
        best: share((young.total + middle.total) / k + old.total / full),
        worst: share(young.total + middle.total + old.total / full),
        young_pause: k * young.p95.max(middle.p95),
    }
}

fn nothing_to_gain(model: &Model, limits: &Limits) -> bool {
    model.share_of_wall < WORTH && model.max < limits.pause_floor
}

/// Whether a generation collected of which nothing was seen: what is not measured is not called cheap.
fn unseen(window: &Window) -> bool {
    (0..3).any(|g| window.happened[g] > 0 && window.pauses[g].is_empty())
}

/// What the window shows, the costliest first.
#[must_use]
pub fn findings(window: &Window, limits: &Limits) -> Vec<Finding> {
    let model = Model::of(window);
    let mut list = Vec::new();
    list.extend(window.unfinished.map(|seconds| Finding::Unfinished { seconds }));
    if !window.settings.enabled || window.settings.thresholds[0] == 0 {
        list.push(Finding::Disabled);
    } else if nothing_to_gain(&model, limits) && unseen(window) {
        let seen = window.pauses.iter().map(|p| p.len() as u64).sum();
        list.push(Finding::Unseen { seen, happened: window.happened.iter().sum() });
    } else if nothing_to_gain(&model, limits) && window.unfinished.is_some() {
        // What it would cost is still to come.
    } else if nothing_to_gain(&model, limits) {
        list.push(Finding::NothingToGain { share_of_wall: model.share_of_wall, max: model.max });
    } else {
        let [young, middle, old] = model.generations;
        let share = young.share + middle.share;
        let full = (old.share >= 0.2).then_some(()).and(model.freed_share).zip(window.long_lived);
        let full = full.map(|(freed_share, long_lived)| Finding::FullCollections {
            share: old.share,
            freed_share,
            mean: old.mean,
            long_lived,
        });
        let often = (share >= 0.2).then_some(Finding::YoungCollections { share, rate: young.rate });
        list.extend(if old.share > share { [full, often] } else { [often, full] }.into_iter().flatten());
    }
    let freed: u64 = window.collected.iter().sum();
    let per_second = freed as f64 / window.seconds.max(f64::MIN_POSITIVE);
    if per_second >= MUCH_GARBAGE {
        list.push(Finding::CyclicGarbage { per_second });
    }
    if window.uncollectable > 0 {
        list.push(Finding::Uncollectable { count: window.uncollectable });
    }
    list
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::window;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_best_proposal_raises_the_threshold_as_far_as_pauses_allow() {
        let list = propose(&window(), Collector::Generational, &Limits::default());
        assert_eq!(list[0].thresholds, [50_000, 10, 50]);
        assert_eq!(list[1].thresholds, [699, 10, 50]);
        assert!(list[1].young_pause <= 0.001 + 1e-9 && list[1].worst > list[0].worst);
        assert!(list[0].best < 0.02 && list[0].worst < 0.4 && list[0].worst > list[0].best, "{list:?}");
        let strict = Limits { worst_factor: 0.2, ..Limits::default() };
        let list = propose(&window(), Collector::Generational, &strict);
        assert!(list[0].young_pause <= strict.longest(0.06), "{list:?}");
        assert!(list[0].thresholds[0] < 50_000);
    }

    #[test]
    fn full_collections_that_free_much_are_not_made_rarer() {
        let busy = Window { collected: [0, 0, 50_000], ..window() };
        let list = propose(&busy, Collector::Generational, &Limits::default());
        assert!(list.iter().all(|p| p.thresholds[2] == 10));
        let incremental = propose(&window(), Collector::Incremental, &Limits::default());
        assert!(incremental.iter().all(|p| p.thresholds[1..] == [10, 10]));
    }

    #[test]
    fn a_free_threaded_build_waits_for_a_quarter_of_what_lives_long() {
        let settings = super::super::Settings { thresholds: [2_000, 10, 10], enabled: true };
        let large = Window { settings, long_lived: Some(400_000), ..window() };
        let list = propose(&large, Collector::FreeThreaded, &Limits::default());
        assert!(list.iter().all(|p| p.thresholds[0] >= 200_000 && p.best < 0.6), "{list:?}");
        let unscaled =
            Window { settings: super::super::Settings { thresholds: [2_000, 0, 0], ..settings }, ..large };
        let list = propose(&unscaled, Collector::FreeThreaded, &Limits::default());
        assert!(list.iter().all(|p| (4_000..=17_000).contains(&p.thresholds[0])), "{list:?}");
    }

    #[test]
    fn where_nothing_can_be_gained_nothing_is_proposed() {
        let quiet = Window { pauses: [vec![1e-6; 3], vec![], vec![]], happened: [3, 0, 0], ..window() };
        assert!(propose(&quiet, Collector::Generational, &Limits::default()).is_empty());
        assert!(matches!(findings(&quiet, &Limits::default())[0], Finding::NothingToGain { .. }));
        let running = Window { unfinished: Some(0.3), ..quiet.clone() };
        let list = findings(&running, &Limits::default());
        assert_eq!(list[0], Finding::Unfinished { seconds: 0.3 });
        assert!(!list.iter().any(|f| matches!(f, Finding::NothingToGain { .. })), "{list:?}");
        let off = Window { settings: super::super::Settings { enabled: false, ..quiet.settings }, ..quiet };
        assert!(propose(&off, Collector::Generational, &Limits::default()).is_empty());
        assert_eq!(findings(&off, &Limits::default())[0], Finding::Disabled);
    }

    #[test]
    fn findings_come_with_their_figures_the_costliest_first() {
        let list = findings(&window(), &Limits::default());
        let Finding::FullCollections { share, freed_share, long_lived, .. } = list[0] else {
            panic!("{list:?}")
        };
        assert!((share - 0.625).abs() < 1e-9 && freed_share < 0.001 && long_lived == 100_000);
        assert!(matches!(list[1], Finding::YoungCollections { rate, .. } if rate == 20.0));
        assert!(matches!(list[2], Finding::CyclicGarbage { per_second } if per_second == 124.0));
    }

    proptest! {
        #[test]
        fn a_proposal_never_lowers_a_threshold_and_never_promises_the_impossible(
            happened in proptest::array::uniform3(0u64..5000),
            thresholds in proptest::array::uniform3(0i32..60_000),
            pause in proptest::array::uniform3(0.0f64..0.2),
        ) {
            let pauses = [0, 1, 2].map(|g| vec![pause[g]; happened[g].min(5) as usize]);
            let settings = super::super::Settings { thresholds, enabled: true };
            let window = Window { settings, happened, pauses, ..window() };
            for p in propose(&window, Collector::Generational, &Limits::default()) {
                prop_assert!(p.thresholds.iter().zip(thresholds).all(|(new, old)| *new >= old));
                prop_assert!(p.thresholds != thresholds);
                prop_assert!(0.0 <= p.best && p.best <= p.worst && p.worst <= 1.0 + 1e-9, "{p:?}");
            }
        }
    }
}
