//! The seam between those who see collections and those who report them.

use crate::Result;
use serde::{Deserialize, Serialize};

/// One collection, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Start, CLOCK_MONOTONIC nanoseconds.
    pub start_ns: u64,
    /// Length, nanoseconds.
    pub duration_ns: u64,
    /// Generation 0, 1 or 2; `None` where the source cannot tell.
    pub generation: Option<u8>,
    /// The process that collected.
    pub pid: i32,
    /// The thread that collected; `None` where the source cannot tell.
    pub tid: Option<i32>,
    /// Objects freed by it; `None` where the source cannot tell.
    pub collected: Option<u64>,
}

/// How pauses are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The interpreter's own records (3.15+): exact, free for the target.
    Ring,
    /// A hardware watchpoint on the collector's flag: exact after calibration.
    Watchpoint,
    /// Repeated reads of the flag: counts are exact, lengths are bounds.
    Poll,
}

/// Collections seen against collections that happened, of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GenerationCoverage {
    /// Pauses in the stream.
    pub seen: u64,
    /// Collections by the interpreter's own counters.
    pub happened: u64,
}

/// What a source saw and what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// By generation.
    pub generations: [GenerationCoverage; 3],
    /// Pauses in the stream whose generation is not known.
    pub unlabelled: u64,
    /// Records known to be lost (overflow, throttling, overwritten).
    pub lost: u64,
    /// Nanoseconds during which the source was open.
    pub open_ns: u64,
    /// Nanoseconds since it was attached.
    pub wall_ns: u64,
}

impl Coverage {
    /// Pauses in the stream.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.generations.iter().map(|g| g.seen).sum::<u64>() + self.unlabelled
    }

    /// Collections by the interpreter's counters.
    #[must_use]
    pub fn happened(&self) -> u64 {
        self.generations.iter().map(|g| g.happened).sum()
    }

    /// Seen over happened; `None` where nothing happened.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let happened = self.happened();
        (happened > 0).then(|| self.seen() as f64 / happened as f64)
    }
}

/// A stream of pauses of one process (and, where the source can, of its children).
pub trait PauseSource {
    /// How it sees.
    fn kind(&self) -> SourceKind;

    /// Appends the pauses that ended since the last call, in order of their start.
    ///
    /// # Errors
    /// Where the target can no longer be read. What was seen before stays valid.
    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()>;

    /// What was seen and missed so far.
    fn coverage(&self) -> Coverage;
}
