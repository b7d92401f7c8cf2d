//! A process's pauses in bounded memory: a histogram per generation since it is watched, and the latest ones.

use m5_gc::{Coverage, Pause};
use m5_report::metrics::Histogram;
use std::collections::VecDeque;

/// Upper bounds of the buckets, seconds: from ten microseconds up.
pub const PAUSE_BOUNDS: &[f64] = &[
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 5e-1, 1.0,
    2.5,
];
/// Latest pauses kept for the timeline.
const KEPT: usize = 512;

/// What is known of a process's pauses.
#[derive(Debug, Clone)]
pub struct PauseLog {
    histograms: [Histogram; 3],
    latest: VecDeque<Pause>,
    /// What the source saw and missed.
    pub coverage: Coverage,
}

impl Default for PauseLog {
    fn default() -> Self {
        Self {
            histograms: [(); 3].map(|()| Histogram::new(PAUSE_BOUNDS)),
            latest: VecDeque::new(),
            coverage: Coverage::default(),
        }
    }
}

impl PauseLog {
    pub(super) fn add(&mut self, pause: Pause) {
        // Where the source cannot tell, the pause counts with the youngest: by far the most are.
        let generation = usize::from(pause.generation.unwrap_or(0)).min(2);
        self.histograms[generation].observe(pause.duration_ns as f64 / 1e9);
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(pause);
    }

    /// By generation.
    #[must_use]
    pub fn histograms(&self) -> &[Histogram; 3] {
        &self.histograms
    }

    /// The latest, oldest first.
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Pause> {
        self.latest.iter()
    }
}
