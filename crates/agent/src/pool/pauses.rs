//! A process's pauses in bounded memory: a histogram per generation since it is watched, and the latest ones.

use m5_gc::{Coverage, Pause, SourceKind};
use m5_process::Identity;
use m5_report::metrics::Histogram;
use std::collections::VecDeque;

/// Who is told of pauses: of which process, how it was seen, and the pause.
pub type OnPause<'a> = dyn FnMut(Identity, SourceKind, &Pause) + 'a;

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
    unlabelled: Histogram,
    latest: VecDeque<Pause>,
    seen: u64,
    longest_ns: u64,
    /// What the source saw and missed.
    pub coverage: Coverage,
}

impl Default for PauseLog {
    fn default() -> Self {
        Self {
            histograms: [(); 3].map(|()| Histogram::new(PAUSE_BOUNDS)),
            unlabelled: Histogram::new(PAUSE_BOUNDS),
            latest: VecDeque::new(),
            seen: 0,
            longest_ns: 0,
            coverage: Coverage::default(),
        }
    }
}

impl PauseLog {
    pub(super) fn add(&mut self, pause: Pause) {
        // Where the source cannot tell, the pause counts with the youngest: by far the most are.
        let generation = usize::from(pause.generation.unwrap_or(0)).min(2);
        self.seen += 1;
        self.longest_ns = self.longest_ns.max(pause.duration_ns);
        self.histograms[generation].observe(pause.duration_ns as f64 / 1e9);
        if pause.generation.is_none() {
            self.unlabelled.observe(pause.duration_ns as f64 / 1e9);
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(pause);
    }

    /// Those of an unknown generation alone; they count with the youngest too.
    #[must_use]
    pub fn unlabelled(&self) -> &Histogram {
        &self.unlabelled
    }

    /// By generation.
    #[must_use]
    pub fn histograms(&self) -> &[Histogram; 3] {
        &self.histograms
    }

    /// Pauses since it is watched.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The longest since it is watched; absent where none was seen.
    #[must_use]
    pub fn longest_seconds(&self) -> Option<f64> {
        (self.seen > 0).then_some(self.longest_ns as f64 / 1e9)
    }

    /// The latest, oldest first.
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Pause> {
        self.latest.iter()
    }
}
