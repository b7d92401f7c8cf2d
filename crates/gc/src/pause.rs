//! The seam between those who see collections and those who report them.

use crate::Result;
use m5_cpython::PyFrame;
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use std::time::Duration;

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
    /// The interpreter that collected, by its number in the process: 0 is the main one.
    #[serde(default)]
    pub interpreter: i64,
    /// The thread that collected; `None` where the source cannot tell.
    pub tid: Option<i32>,
    /// Objects freed by it; `None` where the source cannot tell.
    pub collected: Option<u64>,
    /// The chance with which one that began then was seen, parts per million: below [`CERTAIN`] where a budget opened the
    /// watch by chance.
    #[serde(default = "certain", skip_serializing_if = "is_certain")]
    pub chance_ppm: u32,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            start_ns: 0,
            duration_ns: 0,
            generation: None,
            pid: 0,
            interpreter: 0,
            tid: None,
            collected: None,
            chance_ppm: CERTAIN,
        }
    }
}

/// The chance of what is seen always, parts per million.
pub const CERTAIN: u32 = 1_000_000;

fn certain() -> u32 {
    CERTAIN
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_certain(chance: &u32) -> bool {
    *chance == CERTAIN
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
    /// Pauses in the stream whose generation is not known, and those of them that no counter tells any more.
    pub unlabelled: GenerationCoverage,
    /// Collections, by generation, of interpreters that nothing was left to watch with: those that happened and of
    /// which the others are no sample.
    #[serde(default)]
    pub unwatched: [u64; 3],
    /// Records known to be lost (overflow, throttling, overwritten).
    pub lost: u64,
    /// Nanoseconds during which the source was open.
    pub open_ns: u64,
    /// Nanoseconds since it was attached.
    pub wall_ns: u64,
    /// Nanoseconds, at least, for which a collection has run that has not ended; 0 where none runs. It is among none of
    /// the others.
    #[serde(default, skip_serializing_if = "none")]
    pub unfinished_ns: u64,
    /// Times that a processor was taken away from a thread of the target meanwhile, about; 0 where nobody counted.
    #[serde(default, skip_serializing_if = "none")]
    pub preempted: u64,
    /// Nanoseconds that its threads waited until they had one again, about; 0 where the kernel does not say.
    #[serde(default, skip_serializing_if = "none")]
    pub waited_ns: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn none(count: &u64) -> bool {
    *count == 0
}

impl Coverage {
    /// Pauses in the stream.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.sum(|g| g.seen)
    }

    /// Collections by the interpreter's counters.
    #[must_use]
    pub fn happened(&self) -> u64 {
        self.sum(|g| g.happened)
    }

    /// A recording from elsewhere may say anything: no sum of it runs over.
    fn sum(&self, of: fn(&GenerationCoverage) -> u64) -> u64 {
        let all = self.generations.iter().chain([&self.unlabelled]);
        all.fold(0, |sum, g| sum.saturating_add(of(g)))
    }

    /// Collections by generation, by the interpreters' counters.
    pub(crate) fn counted(&self) -> [u64; 3] {
        self.generations.map(|g| g.happened)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let unfinished_ns = self.unfinished_ns.max(other.unfinished_ns);
        Self { unfinished_ns, ..self.combine(other, u64::saturating_add) }
    }

    /// What came since; what the same source said `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.combine(before, u64::saturating_sub)
    }

    fn combine(&self, other: &Self, of: fn(u64, u64) -> u64) -> Self {
        let pair = |a: &GenerationCoverage, b: &GenerationCoverage| GenerationCoverage {
            seen: of(a.seen, b.seen),
            happened: of(a.happened, b.happened),
        };
        Self {
            generations: [0, 1, 2].map(|g| pair(&self.generations[g], &other.generations[g])),
            unlabelled: pair(&self.unlabelled, &other.unlabelled),
            unwatched: [0, 1, 2].map(|g| of(self.unwatched[g], other.unwatched[g])),
            lost: of(self.lost, other.lost),
            open_ns: of(self.open_ns, other.open_ns),
            wall_ns: of(self.wall_ns, other.wall_ns),
            unfinished_ns: self.unfinished_ns,
            preempted: of(self.preempted, other.preempted),
            waited_ns: of(self.waited_ns, other.waited_ns),
        }
    }

    /// Seen over happened; `None` where nothing happened.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let happened = self.happened();
        (happened > 0).then(|| self.seen() as f64 / happened as f64)
    }
}

/// What one interpreter of the traced process collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterpreterCollections {
    /// Its number: 0 is the main one; absent of those together that have ended.
    pub interpreter: Option<i64>,
    /// Collections by generation since the trace began, by its own counters.
    pub happened: [u64; 3],
}

/// How all threads stopped for a collection of a build without the GIL: what other threads pay, which run on while the
/// collector does the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorldStops {
    /// How often.
    pub stops: u32,
    /// From the request until all stood, nanoseconds; absent where the request was not watched.
    pub waited_ns: Option<u64>,
    /// While all stood, nanoseconds.
    pub stood_ns: u64,
}

/// What more is known of a pause, under the same process and start; kept apart because most consumers need
/// none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// The process that collected.
    pub pid: i32,
    /// Start of the pause, CLOCK_MONOTONIC nanoseconds.
    pub start_ns: u64,
    /// Objects that the collection looked at.
    pub candidates: Option<u64>,
    /// Objects alive right after it.
    pub live_objects: Option<u64>,
    /// The length is known to within this much, nanoseconds; `None` where it is exact.
    pub uncertainty_ns: Option<u64>,
    /// How all threads stopped for it, where the build has no GIL and it was seen.
    #[serde(default)]
    pub world: Option<WorldStops>,
    /// The Python stack of the collecting thread, innermost first, read while it collected; empty where it was
    /// not asked for, not caught or not to be had.
    pub stack: Vec<PyFrame>,
    /// The stack is that of the collection's very start, told by the kernel.
    #[serde(default)]
    pub at_start: bool,
}

/// A stream of pauses of one process (and, where the source can, of its children).
pub trait PauseSource {
    /// How it sees.
    fn kind(&self) -> SourceKind;

    /// Whether pauses are told to it as they happen, so that they stay true once the process executes something else;
    /// otherwise they are read from memory that may be another program's by then.
    fn told(&self) -> bool {
        false
    }

    /// How often `drain` should be called, by what it last found.
    fn interval(&self) -> Duration;

    /// What becomes readable long before anything could be lost. Who waits for these may put `drain` off for longer than
    /// `interval`, up to a second; none where it may not be put off. Ask again after each call.
    fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// Whether nothing was told since the last call of `drain`, where it would have been.
    fn is_silent(&self) -> bool {
        false
    }

    /// Appends the pauses that ended since the last call, in order of their start.
    ///
    /// # Errors
    /// Where the target can no longer be read. What was seen before stays valid.
    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()>;

    /// From now on, reads the stack of the collecting thread during pauses longer than this, where it can.
    fn stacks_above(&mut self, limit: Duration) {
        let _ = limit;
    }

    /// Appends what more is known of the pauses drained so far; nothing, where the source knows no more.
    fn details(&mut self, details: &mut Vec<Detail>) {
        let _ = details;
    }

    /// What was seen and missed so far.
    fn coverage(&self) -> Coverage;

    /// What each interpreter of the process collected, the main one first.
    fn interpreters(&self) -> Vec<InterpreterCollections>;
}
