//! `m5.stalls/1`: turns of event loops.

use m5_cpython::PyFrame;
use m5_gc::SourceKind;
pub use m5_kernel::TURN_BOUNDS;
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
    /// When it was found to execute another program, seconds since the watching began: nothing is said of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// Turns at least this long are told one by one, seconds.
    pub above_s: f64,
    /// Long turns that found no room.
    pub lost: u64,
    /// The share of the time in which turns that began were seen: below 1 where seeing all would have taken more of the
    /// process's time than was allowed. `None` in documents of before it was told.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// What watching took of the process's time, as a share of one processor.
    #[serde(default)]
    pub overhead: Option<f64>,
    /// Turns longer than the limit, in all.
    pub long: u64,
    /// Where the time of all of these went.
    pub total: Division,
    /// How collections were seen; `None` where they could not be, and their time counts as running.
    pub collections: Option<Collections>,
    /// Lines that ran in these turns, by the looks at them: the longest first, at most twenty.
    pub lines: Vec<Line>,
    /// By thread, the most turns first.
    pub threads: Vec<ThreadTurns>,
    /// Threads that wait as loops do, but run no Python, as those of C libraries: nothing of them is in all this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_python: Vec<i32>,
    /// The longest ones.
    pub turns: Vec<Turn>,
}

/// How collections were seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collections {
    /// By which means.
    pub source: SourceKind,
    /// Collections that were seen, and that happened: those not seen count as running.
    pub seen: u64,
    /// Likewise.
    pub happened: u64,
}

/// Where time went, seconds. The parts do not overlap.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Division {
    /// All of it.
    pub seconds: f64,
    /// The collector, by generation; of its own thread, or of another that held the interpreter's lock.
    pub collector_s: [f64; 3],
    /// Collections of a generation that is not known.
    pub collector_unknown_s: f64,
    /// Waiting for the interpreter's lock.
    pub gil_s: f64,
    /// Waiting for other locks.
    pub locks_s: f64,
    /// In system calls.
    pub calls_s: f64,
    /// Waiting for a processor; `None` where the kernel does not describe where it keeps it, so that this counts with what
    /// it interrupted.
    pub processor_s: Option<f64>,
    /// Waiting for pages that had to be fetched (from disk, from swap); `None` likewise.
    pub faults_s: Option<f64>,
    /// What is left: Python and C code.
    pub running_s: f64,
}

/// A line that ran in long turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Function, file and line.
    pub frame: PyFrame,
    /// Where that is a library's: the service's own line that called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_from: Option<PyFrame>,
    /// Looks that found it.
    pub looks: u64,
    /// The running time of the turns, shared among the looks at each by how long they stand for, seconds.
    pub running_s: f64,
}

/// The turns of a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThreadTurns {
    /// The thread.
    pub tid: i32,
    /// Turns that were seen.
    pub turns: u64,
    /// Their length in all, seconds.
    pub seconds: f64,
    /// Quantiles of their length, within 3 %, seconds.
    pub p50_s: f64,
    /// Likewise.
    pub p95_s: f64,
    /// Likewise.
    pub p99_s: f64,
    /// Likewise.
    pub p999_s: f64,
    /// The longest, seconds.
    pub longest_s: f64,
    /// Turns up to each of [`TURN_BOUNDS`] and above the one before; the last are above all of them.
    pub buckets: Vec<u64>,
}

/// A long turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The thread.
    pub tid: i32,
    /// Seconds since the watch began.
    pub at_s: f64,
    /// It had begun before the watch: its time counts from there on.
    #[serde(default)]
    pub began_before: bool,
    /// It still lasted when the watch ended: its time counts until then.
    #[serde(default)]
    pub lasts: bool,
    /// Where its time went.
    pub division: Division,
    /// The longest of its system calls.
    pub longest_call: Option<Call>,
    /// Faults that had to fetch a page; `None` where the kernel does not describe where it counts them.
    pub major_faults: Option<u64>,
    /// The longest collections in it, at most sixteen.
    pub collections: Vec<Collection>,
    /// Looks at it while it lasted.
    pub looks: u64,
    /// The collector ran at the look nearest to its middle.
    pub collecting: Option<bool>,
    /// The stack then, innermost first; empty where it was not looked at in time.
    pub stack: Vec<PyFrame>,
}

/// A system call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its name, or its number.
    pub name: String,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// A collection within a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Seconds since the watch began.
    pub at_s: f64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Its generation, where that is known.
    pub generation: Option<u8>,
    /// Its thread, where that is known.
    pub tid: Option<i32>,
}

impl Division {
    /// Adds another.
    pub(super) fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        for (sum, one) in self.collector_s.iter_mut().zip(other.collector_s) {
            *sum += one;
        }
        self.collector_unknown_s += other.collector_unknown_s;
        self.gil_s += other.gil_s;
        self.locks_s += other.locks_s;
        self.calls_s += other.calls_s;
        let sum = |a: Option<f64>, b: Option<f64>| b.map(|b| b + a.unwrap_or(0.0));
        self.processor_s = sum(self.processor_s, other.processor_s);
        self.faults_s = sum(self.faults_s, other.faults_s);
        self.running_s += other.running_s;
    }
}
