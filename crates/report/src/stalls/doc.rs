//! `m5.stalls/1`: turns of event loops.

use m5_cpython::PyFrame;
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const STALLS_SCHEMA: &str = "m5.stalls/1";

/// Turns of the loops of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stalls {
    /// [`STALLS_SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: i32,
    /// How long it was watched, seconds.
    pub seconds: f64,
    /// Turns at least this long are told one by one, seconds.
    pub above_s: f64,
    /// Entries and exits of waits that found no room.
    pub lost: u64,
    /// Turns longer than the limit, in all.
    pub long: u64,
    /// By thread, the most turns first.
    pub threads: Vec<ThreadTurns>,
    /// The longest ones.
    pub turns: Vec<Turn>,
}

/// The turns of a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThreadTurns {
    /// The thread.
    pub tid: i32,
    /// Turns.
    pub turns: u64,
    /// Quantiles of their length, seconds.
    pub p50_s: f64,
    /// Likewise.
    pub p95_s: f64,
    /// Likewise.
    pub p99_s: f64,
    /// Likewise.
    pub p999_s: f64,
    /// The longest, seconds.
    pub longest_s: f64,
}

/// A long turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The thread.
    pub tid: i32,
    /// Seconds since the watch began.
    pub at_s: f64,
    /// How long it took, seconds.
    pub duration_s: f64,
    /// Of that: waiting for a processor, seconds; `None` where it was not looked at in time.
    pub runnable_s: Option<f64>,
    /// Of that: on a processor, seconds.
    pub running_s: Option<f64>,
    /// The collector ran when it was looked at: in the middle of it.
    pub collecting: Option<bool>,
    /// The stack then, innermost first; empty where it was not looked at in time.
    pub stack: Vec<PyFrame>,
}
