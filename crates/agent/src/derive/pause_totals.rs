//! What all pauses come to where only a part of them was seen: by generation, since a watch sees all of the full
//! collections and a part of the young ones, and by time, since it sees a smaller part of them the busier the
//! target is.

use super::waiting::Waiting;
use m5_gc::{Coverage, SourceKind};
use m5_report::doc::{PauseLog, ProcessRecord, Samples};
use m5_stats::stratified::{Seen, Stratum, Total, total};
use m5_stats::windows::{Stretch, stretches};

/// Pauses within so many seconds of one another were seen in one window, about.
const WINDOW: f64 = 0.020;

/// Totals, and for how many each kept pause stands.
pub(super) struct Estimates {
    /// By generation, as the sample has it; absent where something happened and nothing was seen.
    totals: [Option<Total>; 3],
    /// One for each pause that the log keeps.
    pub(super) weights: Vec<f64>,
    /// Of the collections that no pause of their generation stands for, the part that was not seen either without
    /// its generation.
    missed: f64,
    /// Some collections were of interpreters that nothing watched.
    hidden: bool,
    waiting: Option<Waiting>,
}

/// Collections of one generation until a moment.
type Steps = Vec<(f64, u64)>;

impl Estimates {
    pub(super) fn of(log: &PauseLog, process: &ProcessRecord) -> Self {
        let estimates = Self::over(log, &[0, 1, 2].map(|g| steps(&process.samples, g)));
        Self { waiting: Waiting::of(log, process), ..estimates }
    }

    /// `steps` say how many happened until when, by generation; without them all time is one.
    pub(super) fn over(log: &PauseLog, steps: &[Steps]) -> Self {
        let mut weights = vec![log.one_in as f64; log.generation.len()];
        let totals = [0, 1, 2].map(|g| {
            let seen = log.totals[g];
            // What is seen of the others is no sample of an interpreter that nothing watches.
            let coverage = &log.coverage;
            let happened = coverage.generations[g].happened.saturating_sub(coverage.unwatched[g]);
            if happened <= seen.count || log.source == SourceKind::Poll {
                return Some(Total::exact(seen.total_seconds));
            }
            let none = Vec::new();
            let strata = strata(log, g, happened, steps.get(g).unwrap_or(&none), &mut weights);
            let estimate = total(&strata)?;
            // Of a thinned log the sum of all that were seen is still known.
            Some(Total { low: estimate.low.max(seen.total_seconds), ..estimate })
        });
        if let Some(weight) = pooled(log) {
            weights.fill(weight * log.one_in as f64);
        }
        let unseen: u64 = (0..3).map(|g| unseen(&log.coverage, g)).sum();
        let told = log.coverage.unlabelled.seen.saturating_sub(log.coverage.unlabelled.happened);
        let missed = if unseen > 0 { unseen.saturating_sub(told) as f64 / unseen as f64 } else { 0.0 };
        let hidden = log.coverage.unwatched != [0; 3];
        Self { totals, weights, missed, hidden, waiting: None }
    }

    /// The sum over a generation, with room for waits; absent where something happened and nothing was seen.
    pub(super) fn of_generation(&self, log: &PauseLog, generation: usize) -> Option<Total> {
        self.totals[generation].map(|total| self.widened(total, log.totals[generation].total_seconds))
    }

    /// All that a sample does not know of waits for a processor.
    fn widened(&self, total: Total, seen: f64) -> Total {
        self.waiting.map_or(total, |waiting| waiting.widen(total, seen))
    }

    /// Whether some generation collected and nothing of it was seen.
    pub(super) fn blind(&self) -> bool {
        self.hidden || self.missed > 0.0 && self.totals.iter().any(Option::is_none)
    }

    /// The sum over what is known; absent where something happened and nothing at all was seen.
    pub(super) fn whole(&self, log: &PauseLog) -> Option<Total> {
        if log.seen() == 0 && log.coverage.happened() > 0 {
            return None;
        }
        let seen = Total::exact(log.totals.iter().map(|t| t.total_seconds).sum());
        let unseen = self.totals.iter().zip(&log.totals).filter_map(|(total, seen)| {
            let off = |v: f64| (v - seen.total_seconds).max(0.0) * self.missed;
            total.map(|t| Total { value: off(t.value), low: off(t.low), high: off(t.high) })
        });
        Some(self.widened(unseen.fold(seen, Total::plus), seen.value))
    }
}

/// For how many each pause stands where most have no generation, and of some generation none is known: then what was
/// seen is one sample of all.
fn pooled(log: &PauseLog) -> Option<f64> {
    let mut generations = log.coverage.generations.iter().zip(&log.totals);
    let untold = generations.any(|(g, seen)| g.happened > 0 && seen.count == 0);
    let mostly = 2 * log.totals[3].count > log.seen() && log.source != SourceKind::Poll;
    (untold && mostly).then(|| (log.coverage.happened() as f64 / log.seen() as f64).max(1.0))
}

/// Collections that no pause was seen of.
pub(super) fn unseen(coverage: &Coverage, generation: usize) -> u64 {
    coverage.generations.get(generation).map_or(0, |g| g.happened.saturating_sub(g.seen))
}

/// How the counter of a generation rose: time, and collections since the first reading.
fn steps(samples: &Samples, generation: usize) -> Steps {
    let columns = [&samples.gc0_collections, &samples.gc1_collections, &samples.gc2_collections];
    let read = samples.t_seconds.iter().zip(columns[generation]).filter_map(|(t, n)| Some((*t, (*n)?)));
    let first = read.clone().next().map_or(0, |(_, n)| n);
    read.map(|(t, n)| (t, n.saturating_sub(first))).collect()
}

/// The stretches of time in which enough was seen, as strata; says for how many each of their pauses stands.
fn strata(
    log: &PauseLog,
    generation: usize,
    happened: u64,
    steps: &Steps,
    weights: &mut [f64],
) -> Vec<Stratum> {
    let of = |i: &usize| log.generation[*i] == Some(generation as u8);
    let mut kept: Vec<usize> = (0..log.generation.len()).filter(of).collect();
    kept.sort_by(|a, b| log.start_seconds[*a].total_cmp(&log.start_seconds[*b]));
    let value = |i: usize| {
        let chance = log.chance.get(i).copied().unwrap_or(1.0);
        (log.start_seconds[i], Seen { value: log.duration_seconds[i], chance })
    };
    let seen: Vec<(f64, Seen)> = kept.iter().map(|i| value(*i)).collect();
    let stood_for = |Stretch { range, stratum }: Stretch| {
        for (i, weight) in kept[range].iter().zip(stratum.stands_for()) {
            weights[*i] = weight;
        }
        stratum
    };
    stretches(&seen, happened, steps, WINDOW).into_iter().map(stood_for).collect()
}
