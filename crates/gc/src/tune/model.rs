//! What a stretch of watching says about a collector: cost by generation, allocation rate, survival.

use super::settings::Settings;
use m5_stats::quantile;
use serde::{Deserialize, Serialize};

/// What was measured over a stretch of time, of one interpreter.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// The settings that held.
    pub settings: Settings,
    /// Pauses that were seen, in seconds, by generation.
    pub pauses: [Vec<f64>; 3],
    /// Pause seconds in each of equal slices of the window, as far as they were seen.
    pub slices: Vec<f64>,
    /// Collections that happened, by the interpreter's counters.
    pub happened: [u64; 3],
    /// Objects that they freed.
    pub collected: [u64; 3],
    /// Objects that they could not free.
    pub uncollectable: u64,
    /// Seconds, at least, for which a collection ran at the end that had not ended, where that is longer than any other.
    pub unfinished: Option<f64>,
    /// Objects that survived the last full collection.
    pub long_lived: Option<u64>,
    /// Highest RSS, bytes.
    pub rss_max: Option<u64>,
    /// Growth of RSS over the window, bytes a second: a service that is still warming up grows by itself.
    pub rss_slope: Option<f64>,
    /// When it ended, seconds of any clock that both windows share.
    pub ended_seconds: f64,
    /// CPU seconds of the process: the measure of its load.
    pub cpu_seconds: Option<f64>,
}

impl Window {
    /// This window and the one right after it as one.
    #[must_use]
    pub fn join(mut self, next: Self) -> Self {
        for g in 0..3 {
            self.pauses[g].extend(&next.pauses[g]);
            self.happened[g] += next.happened[g];
            self.collected[g] += next.collected[g];
        }
        self.slices.extend(next.slices);
        self.seconds += next.seconds;
        self.uncollectable += next.uncollectable;
        self.unfinished = next.unfinished;
        self.long_lived = next.long_lived.or(self.long_lived);
        self.rss_max = self.rss_max.max(next.rss_max);
        self.ended_seconds = next.ended_seconds;
        self.cpu_seconds = self.cpu_seconds.zip(next.cpu_seconds).map(|(a, b)| a + b);
        self
    }
}

/// One generation's part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GenerationModel {
    /// Collections that happened.
    pub count: u64,
    /// Collections a second.
    pub rate: f64,
    /// Mean pause of those seen.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Longest.
    pub max: f64,
    /// Mean × count: seconds in all.
    pub total: f64,
    /// Share of all pause time.
    pub share: f64,
}

/// The model of a process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// By generation.
    pub generations: [GenerationModel; 3],
    /// Seconds of pause in all.
    pub total: f64,
    /// Share of the wall time.
    pub share_of_wall: f64,
    /// 95th percentile over all pauses.
    pub p95: f64,
    /// Longest of all.
    pub max: f64,
    /// Net allocations of tracked objects a second: what fills generation 0. `None` while collection is off.
    pub net_allocations: Option<f64>,
    /// Of the objects that full collections walked, the share that they freed. `None` without one, or where the
    /// build does not count what lives long.
    pub freed_share: Option<f64>,
    /// Seconds of a full collection per million long-lived objects.
    pub full_per_million: Option<f64>,
}

impl Model {
    /// Fits the model to a window.
    #[must_use]
    pub fn of(window: &Window) -> Self {
        let mut generations = [0, 1, 2].map(|g| generation(window, g));
        let total: f64 = generations.iter().map(|g| g.total).sum();
        for generation in &mut generations {
            generation.share = if total > 0.0 { generation.total / total } else { 0.0 };
        }
        let all = m5_stats::sorted(&window.pauses.concat());
        let [young, _, old] = generations;
        let per_round = f64::from(window.settings.thresholds[0]) + 1.0;
        // Every collection of an older generation empties generation 0 too.
        let rounds: u64 = window.happened.iter().sum();
        let fills = window.settings.enabled && window.settings.thresholds[0] > 0 && young.count > 0;
        let walked = window.long_lived.filter(|n| *n > 0).map(|n| n as f64);
        let freed = window.collected[2] as f64;
        let by_full = |n: f64| (old.count > 0).then(|| freed / (n * old.count as f64 + freed));
        Self {
            generations,
            total,
            share_of_wall: if window.seconds > 0.0 { total / window.seconds } else { 0.0 },
            p95: quantile(&all, 0.95).unwrap_or(0.0),
            max: all.last().copied().unwrap_or(0.0),
            net_allocations: fills.then(|| rounds as f64 * per_round / window.seconds),
            freed_share: walked.and_then(by_full),
            full_per_million: walked.filter(|_| old.mean > 0.0).map(|n| old.mean / n * 1e6),
        }
    }
}

fn generation(window: &Window, g: usize) -> GenerationModel {
    let (pauses, count) = (m5_stats::sorted(&window.pauses[g]), window.happened[g]);
    let mean = if pauses.is_empty() { 0.0 } else { pauses.iter().sum::<f64>() / pauses.len() as f64 };
    GenerationModel {
        count,
        rate: if window.seconds > 0.0 { count as f64 / window.seconds } else { 0.0 },
        mean,
        p95: quantile(&pauses, 0.95).unwrap_or(0.0),
        max: pauses.last().copied().unwrap_or(0.0),
        total: mean * count as f64,
        share: 0.0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ten seconds in which generation 0 ran 200 times, 1 20 times and 2 twice; every fourth young pause seen.
    pub(crate) fn window() -> Window {
        Window {
            seconds: 10.0,
            settings: Settings { thresholds: [699, 10, 10], enabled: true },
            pauses: [vec![0.000_2; 50], vec![0.001; 20], vec![0.04, 0.06]],
            slices: (0..20).map(|i| if i % 10 == 3 { 0.055 } else { 0.003 }).collect(),
            happened: [200, 20, 2],
            collected: [1000, 200, 40],
            uncollectable: 0,
            unfinished: None,
            long_lived: Some(100_000),
            rss_max: Some(50 << 20),
            rss_slope: Some(0.0),
            ended_seconds: 10.0,
            cpu_seconds: Some(5.0),
        }
    }

    #[test]
    fn what_was_not_seen_is_counted_at_the_mean() {
        let model = Model::of(&window());
        assert!((model.generations[0].total - 0.04).abs() < 1e-9);
        assert!((model.total - 0.16).abs() < 1e-9 && (model.share_of_wall - 0.016).abs() < 1e-9);
        assert!((model.generations[2].share - 0.625).abs() < 1e-9);
        assert_eq!((model.max, model.generations[1].rate), (0.06, 2.0));
        assert!((model.net_allocations.unwrap() - 15_540.0).abs() < 1e-6);
        assert!((model.freed_share.unwrap() - 40.0 / 200_040.0).abs() < 1e-12);
        assert!((model.full_per_million.unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn two_windows_are_one_of_the_same_rates() {
        let (one, two) = (Model::of(&window()), Model::of(&window().join(window())));
        assert_eq!(two.generations[0].count, 400);
        assert!((one.share_of_wall - two.share_of_wall).abs() < 1e-12);
    }

    #[test]
    fn nothing_seen_is_no_division_by_zero() {
        let empty = Window { seconds: 0.0, pauses: Default::default(), happened: [0; 3], ..window() };
        let model = Model::of(&empty);
        assert_eq!(
            (model.total, model.share_of_wall, model.max, model.net_allocations),
            (0.0, 0.0, 0.0, None)
        );
    }
}
