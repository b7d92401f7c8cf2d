//! `m5.runs/1`: fresh processes of one command, each measured at its end. `m5.leaks/1`: what an iteration keeps.

use m5_stats::{Chunk, LeakOutcome, LeakRule};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const RUNS_SCHEMA: &str = "m5.runs/1";
/// Name and version of the document.
pub const LEAKS_SCHEMA: &str = "m5.leaks/1";

/// Runs of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// [`RUNS_SCHEMA`].
    pub schema: String,
    /// What was run.
    pub command: String,
    /// The hash seed that every run got.
    pub hash_seed: u32,
    /// The runs, in order.
    pub runs: Vec<Run>,
}

/// One run, measured by the process itself as the last thing it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Resident anonymous bytes.
    pub private_anon_bytes: Option<f64>,
    /// Blocks of Python's allocator, after a full collection.
    pub allocated_blocks: Option<f64>,
    /// Objects that the collector tracks, after a full collection.
    pub gc_objects: Option<f64>,
    /// The most that was ever resident.
    pub peak_rss_bytes: Option<f64>,
    /// CPU seconds, user and system.
    pub cpu_seconds: Option<f64>,
    /// Seconds from start to end.
    pub elapsed_seconds: Option<f64>,
}

/// What each iteration of a workload keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaks {
    /// [`LEAKS_SCHEMA`].
    pub schema: String,
    /// What was iterated.
    pub command: String,
    /// The rule.
    pub rule: LeakRule,
    /// Iterations between two measurements.
    pub iterations: u64,
    /// The processes.
    pub processes: Vec<Worker>,
    /// Whether the processes agree that it leaks. `None`: too few could be measured, they do not agree, or `bounded`.
    pub leaking: Option<bool>,
    /// It goes on, but all that was seen to grow has a limit (a cache) which it had not reached yet.
    #[serde(default)]
    pub bounded: bool,
    /// What the iterations of one more process kept, and who holds it; absent where nothing goes on or it was not seen.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// Why `kept` is absent although it leaks.
    #[serde(default)]
    pub kept_unseen: Option<String>,
}

/// Two snapshots of one process, so many iterations apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Iterations between them.
    pub iterations: u64,
    /// What grew, and who holds it.
    pub diff: m5_heap::Diff,
}

/// One process of `m5 leaks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// The state after the warm-up and after each chunk.
    pub chunks: Vec<Chunk>,
    /// What it kept.
    pub outcome: LeakOutcome,
}
