//! `m5.stress/1`: a soak test, its samples and what each check found. Also what it is resumed from.

use crate::baseline::read::ReadError;
use crate::doc::{End, ObjectivesFrom};
use m5_process::Identity;
use m5_stats::Verdict;
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const STRESS_SCHEMA: &str = "m5.stress/1";

/// A soak test. Times are seconds on its own clock: the wall's, or the target's event time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stress {
    /// [`STRESS_SCHEMA`].
    pub schema: String,
    /// Version of the m5 that ran it.
    pub m5_version: String,
    /// What was to be done.
    pub plan: StressPlan,
    /// Where the objectives come from.
    #[serde(default)]
    pub objectives_from: ObjectivesFrom,
    /// Wall time spent so far, seconds, over all segments.
    pub wall_seconds: f64,
    /// Why it ended, the last time that it did.
    pub end: End,
    /// One process each: a new one where a resumed test had to start another.
    pub segments: Vec<Segment>,
    /// What each check found.
    pub checks: Vec<StressCheck>,
    /// The snapshot that was saved at the first anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What a soak test is to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StressPlan {
    /// How long.
    pub duration_seconds: f64,
    /// Time between checks.
    pub check_seconds: f64,
    /// Growth of RSS that is an anomaly, bytes an hour.
    pub max_growth_bytes_per_hour: f64,
    /// Growth in 24 hours that is an anomaly, as a part of the level; absent where it is not judged.
    pub max_growth_24h_ratio: Option<f64>,
    /// Whether the clock is the target's event time.
    pub event_time: bool,
}

/// The samples of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The process.
    pub identity: Identity,
    /// Command line.
    pub command: Vec<String>,
    /// When its first sample was taken, seconds since 1970.
    pub started_unix_seconds: f64,
    /// The test's clock then.
    pub offset_seconds: f64,
    /// The test's clock at each sample.
    pub t_seconds: Vec<f64>,
    /// Resident memory.
    pub rss_bytes: Vec<u64>,
    /// Open descriptors, where they may be counted.
    pub fds: Vec<Option<u64>>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StressCheck {
    /// The test's clock.
    pub t_seconds: f64,
    /// Which segment.
    pub segment: usize,
    /// RSS: the median over the last quarter before the check.
    pub rss_bytes: u64,
    /// Growth of that since the segment's first check; absent at the first.
    pub growth_bytes: Option<f64>,
    /// The same, an hour.
    pub growth_bytes_per_hour: Option<f64>,
    /// What RSS does.
    pub verdict: Verdict,
    /// What the descriptors do, where they may be counted.
    pub fds_verdict: Option<Verdict>,
    /// Open descriptors.
    pub fds: Option<u64>,
    /// What is wrong.
    pub anomalies: Vec<Anomaly>,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// RSS grew faster than the plan allows.
    Growth,
    /// The verdict on RSS is `growing`.
    VerdictGrowing,
    /// The verdict on descriptors is `growing`.
    FdsGrowing,
    /// Growth in 24 hours is over the plan's share of the level.
    Growth24h,
}

impl Stress {
    /// Seconds of the test that are done.
    #[must_use]
    pub fn done_seconds(&self) -> f64 {
        self.segments.last().and_then(|s| s.t_seconds.last()).copied().unwrap_or(0.0)
    }

    /// Whether any check found something.
    #[must_use]
    pub fn anomalous(&self) -> bool {
        self.checks.iter().any(|c| !c.anomalies.is_empty())
    }

    /// Growth from the first to the last check of the last segment, as a part of the level, and the seconds
    /// between them. Measured, not drawn out to a day.
    #[must_use]
    pub fn growth_ratio(&self) -> Option<(f64, f64)> {
        let last = self.checks.last()?;
        let first = self.checks.iter().find(|c| c.segment == last.segment)?;
        let growth = last.growth_bytes?;
        let level = last.rss_bytes as f64 - growth;
        (level > 0.0).then(|| (growth / level, last.t_seconds - first.t_seconds))
    }
}

/// Reads an `m5.stress/1`.
///
/// # Errors
/// [`ReadError`].
pub fn read_stress(bytes: &[u8]) -> Result<Stress, ReadError> {
    crate::baseline::read::expect_schema(bytes, STRESS_SCHEMA)?;
    let stress: Stress = serde_json::from_slice(bytes).map_err(|e| ReadError::Malformed(e.to_string()))?;
    for segment in &stress.segments {
        let n = segment.t_seconds.len();
        if segment.rss_bytes.len() != n || segment.fds.len() != n {
            return Err(ReadError::Malformed("the columns of a segment differ in length".to_owned()));
        }
    }
    Ok(stress)
}
