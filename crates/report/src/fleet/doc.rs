//! `m5.fleet/1`: services and versions, the worst first: how many of their instances grow, and how fast.

use m5_stats::{Assessment, Verdict};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const FLEET_SCHEMA: &str = "m5.fleet/1";

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fleet {
    /// [`FLEET_SCHEMA`].
    pub schema: String,
    /// All groups, the worst first.
    pub groups: Vec<Group>,
}

/// One instance of a group, judged by m5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its `instance` label.
    pub instance: String,
    /// What m5 says of its floors.
    pub assessment: Assessment,
}

/// Instances of one service and version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Group {
    /// Label names and values that make the group.
    pub labels: Vec<(String, String)>,
    /// How many instances report.
    pub instances: u64,
    /// Share of them whose floor rises by more than 1 % an hour; `None` where it could not be computed.
    pub growing_share: Option<f64>,
    /// Median slope, bytes a second.
    pub median_slope: Option<f64>,
    /// Median floor, bytes.
    pub median_floor: Option<f64>,
    /// Instances that reach their limit within a day.
    pub near_limit: u64,
    /// Instances that m5 judged, the steepest first.
    pub judged: Vec<Instance>,
}

impl Group {
    /// Of the judged instances, how many grow.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.judged.iter().filter(|i| i.assessment.verdict == Verdict::Growing).count() as u64
    }

    /// Growth an hour as a part of the floor, of the median instance.
    #[must_use]
    pub fn growth_per_hour(&self) -> Option<f64> {
        let floor = self.median_floor.filter(|f| *f > 0.0)?;
        Some(self.median_slope? * 3600.0 / floor)
    }

    /// How bad: zero unless m5's own verdict confirms that an instance grows.
    #[must_use]
    pub fn severity(&self) -> f64 {
        let judged = self.judged.len().max(1) as f64;
        let confirmed = self.confirmed() as f64 / judged;
        let share = self.growing_share.unwrap_or(0.0).max(confirmed.min(1.0 / self.instances.max(1) as f64));
        let speed = self.growth_per_hour().unwrap_or(0.0).max(0.0);
        let urgent = self.near_limit as f64 / self.instances.max(1) as f64;
        confirmed * share * (1.0 + speed.min(1.0) + urgent)
    }

    /// Whether m5 names this group as growing.
    #[must_use]
    pub fn named(&self) -> bool {
        // One noisy instance among hundreds is not a leaking version.
        self.judged.len() as u64 > 0 && self.confirmed() * 2 >= self.judged.len() as u64
    }
}

impl Fleet {
    /// Ranks the groups: the worst first, equals by name.
    #[must_use]
    pub fn ranked(mut groups: Vec<Group>) -> Self {
        groups.sort_by(|a, b| b.severity().total_cmp(&a.severity()).then_with(|| a.labels.cmp(&b.labels)));
        Self { schema: FLEET_SCHEMA.to_owned(), groups }
    }
}
