//! `m5.baseline/1`: what was recorded of one or more processes, raw, with what was derived from it.

use crate::doc::{Application, Comparison, Criterion, Derived, ObjectivesFrom, PauseLog, Samples, Unread};
use m5_cpython::GcState;
use m5_process::{Cgroup, ConnectionGroup, Identity, Machine};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const BASELINE_SCHEMA: &str = "m5.baseline/1";

/// A recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`BASELINE_SCHEMA`].
    pub schema: String,
    /// Version of the m5 that recorded it.
    pub m5_version: String,
    /// When and how it was recorded.
    pub recorded: Recorded,
    /// Where.
    pub machine: Machine,
    /// The processes; the first is the one that was asked for.
    pub processes: Vec<ProcessRecord>,
    /// Where the objectives come from; absent in recordings whose maker did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives_from: Option<ObjectivesFrom>,
    /// The comparison that was asked for with the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// When and how a recording was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Begin, seconds since 1970.
    pub started_unix_seconds: f64,
    /// How long it ran.
    pub observed_seconds: f64,
    /// How long it should have run.
    pub requested_seconds: f64,
    /// Time between samples.
    pub interval_seconds: f64,
    /// Rounds of samples that were due.
    pub rounds_due: u64,
    /// Rounds that were taken; fewer where the machine was too busy.
    pub rounds_taken: u64,
    /// Why it ended.
    pub end: End,
    /// The target, which m5 had not started itself, ended before the time was over: less was seen than was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
    /// The load that was named, to hold growth against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadRecord>,
}

/// A load beside a recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadRecord {
    /// Where it was read.
    pub source: String,
    /// Whether it counts up for ever, so that its growth is the load.
    pub counter: bool,
    /// Seconds since the recording began, ascending.
    pub t_seconds: Vec<f64>,
    /// What was read at each.
    pub values: Vec<f64>,
    /// Readings that failed.
    pub missed: u64,
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its time was up.
    Complete,
    /// Somebody stopped it.
    Interrupted,
    /// Every target ended, or executes another program.
    TargetExited,
}

/// What was recorded of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Pid and start.
    pub identity: Identity,
    /// Its parent.
    pub ppid: i32,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Start, seconds since 1970.
    pub started_unix_seconds: f64,
    /// Command line; values that look like secrets are replaced.
    pub command: Vec<String>,
    /// The service that it belongs to; absent in recordings of before it was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether it ended during the recording.
    pub exited: bool,
    /// When it was found to execute another program, or its own anew, seconds since the recording began: what is
    /// recorded is what came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// The interpreter, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Interpreter>,
    /// Why the interpreter was not read, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// The tightest memory limit around it, or the machine's memory where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Its limit of open descriptors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fd_limit: Option<u64>,
    /// The memory cgroup at the last sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Cgroup>,
    /// The samples.
    pub samples: Samples,
    /// PSS and USS, read rarely because reading them holds a lock of the target.
    #[serde(default)]
    pub rollups: Vec<RollupAt>,
    /// TCP connections by state and peer, each time that they differed from before.
    #[serde(default)]
    pub connections: Vec<ConnectionsAt>,
    /// The pauses, where they were traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pauses: Option<PauseLog>,
    /// What the process says of itself, where it uses `m5mem`, at the last sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// Figures derived from the above; recomputed when the document is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
    /// The objectives, as they stood when it was recorded; judged anew when the document is read.
    #[serde(default)]
    pub criteria: Vec<Criterion>,
    /// Where those come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives_from: Option<ObjectivesFrom>,
}

/// What was found of an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// Version.
    pub version: String,
    /// The file that holds it.
    pub file: String,
    /// `sizeof(_PyRuntime)`: tells one build from another.
    pub runtime_size: u64,
    /// The collector when the recording began.
    pub gc_begin: GcState,
    /// The collector when it ended.
    pub gc_end: GcState,
}

/// PSS and USS at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RollupAt {
    /// Seconds since the recording began.
    pub t_seconds: f64,
    /// Proportional set size.
    pub pss_bytes: u64,
    /// Unique set size.
    pub uss_bytes: u64,
}

/// Connections at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionsAt {
    /// Seconds since the recording began.
    pub t_seconds: f64,
    /// By state and peer.
    pub groups: Vec<ConnectionGroup>,
}
