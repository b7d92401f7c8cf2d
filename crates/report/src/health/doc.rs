//! `m5.health/1` and `m5.check/1`: objectives held against a process, now or as it was recorded.

use crate::doc::{Application, Criterion, Derived, Leak, ObjectivesFrom};
use m5_stats::{Growing, Verdict};
use serde::{Deserialize, Serialize};

/// Name and version of the document of a quick look.
pub const HEALTH_SCHEMA: &str = "m5.health/1";
/// Name and version of the document of a check.
pub const CHECK_SCHEMA: &str = "m5.check/1";

/// A quick look at a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// [`HEALTH_SCHEMA`].
    pub schema: String,
    /// The process.
    pub pid: i32,
    /// Version of its interpreter, where it could be read.
    pub python: Option<String>,
    /// Command line.
    pub command: Vec<String>,
    /// The service that it belongs to, as `m5 list` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How long it was looked at.
    pub observed_seconds: f64,
    /// When it was found to execute another program, seconds since the look began: nothing is said of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// Somebody has stopped it (SIGSTOP, a debugger): its figures stand still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Every measured objective is met, by a process that runs.
    pub healthy: bool,
    /// The objectives.
    pub criteria: Vec<Criterion>,
    /// Where they come from.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
    /// The figures behind them.
    pub derived: Derived,
    /// What the process says of itself, where it uses `m5mem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// Why the interpreter was not read, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<crate::doc::Unread>,
}

/// A recording held against the completion criteria.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// [`CHECK_SCHEMA`].
    pub schema: String,
    /// The file.
    pub file: String,
    /// Every criterion is met by every process: measured, and good.
    pub passed: bool,
    /// Where the criteria come from, of services without any of their own.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
    /// The processes of the recording.
    pub processes: Vec<CheckedProcess>,
}

/// One process of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedProcess {
    /// The process.
    pub pid: i32,
    /// Seconds recorded.
    pub observed_seconds: f64,
    /// Seconds until it executed another program, which ended the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// It ended before the time was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
    /// What RSS does.
    pub verdict: Option<Verdict>,
    /// The criteria.
    pub criteria: Vec<Criterion>,
    /// Where those come from.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
    /// Suspected leaks.
    pub leak_detection: Vec<Leak>,
    /// Which layers grow, and what to do next.
    #[serde(default)]
    pub layers: Vec<Growing>,
}
