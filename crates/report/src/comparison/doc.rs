//! `m5.compare/1`: two recordings side by side.

use m5_stats::GateVerdict;
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const COMPARE_SCHEMA: &str = "m5.compare/1";

/// Two recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARE_SCHEMA`].
    pub schema: String,
    /// The new one.
    pub new: Side,
    /// The old one.
    pub old: Side,
    /// By how much a metric may be worse, as a ratio.
    pub threshold: f64,
    /// By how much a peak may be worse, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_threshold: Option<f64>,
    /// Worst verdict of the metrics that decide.
    pub verdict: GateVerdict,
    /// They were recorded on machines that differ.
    pub machines_differ: bool,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// One recording.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Its file, or `-` where it was made just now.
    pub file: String,
    /// The first process of it.
    pub pid: i32,
    /// Version of its interpreter.
    pub python: Option<String>,
    /// Seconds recorded.
    pub observed_seconds: f64,
    /// How many runs stand behind each value.
    #[serde(default = "one")]
    pub runs: u64,
    /// Seconds until the process executed another program, which ended the recording, or the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_executed_seconds: Option<f64>,
    /// The process ended before the time was over, in one of several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
}

impl Side {
    /// Whether less was seen than was asked for.
    #[must_use]
    pub fn cut(&self) -> bool {
        self.ended_early || self.re_executed_seconds.is_some()
    }
}

fn one() -> u64 {
    1
}

/// One metric of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name; its end is its unit.
    pub name: String,
    /// Its value in the old recording, the median of several.
    pub old: Option<f64>,
    /// Its value in the new one, the median of several.
    pub new: Option<f64>,
    /// New over old; of several runs the Hodges–Lehmann estimate.
    pub ratio: Option<f64>,
    /// One-sided lower bound of the ratio, where there are runs enough for one.
    #[serde(default)]
    pub lower: Option<f64>,
    /// One-sided upper bound of the ratio.
    #[serde(default)]
    pub upper: Option<f64>,
    /// What the comparison came to.
    pub verdict: GateVerdict,
    /// Whether it decides, or is shown for information.
    pub decides: bool,
}
