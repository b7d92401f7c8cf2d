//! `m5.snapshot/1` and `m5.diff/1`.

use super::verdict::MemoryVerdict;
use crate::doc::ProcessSnapshot;
use m5_heap::{Diff, FdHolder, Made, MemoryTree, ProcessTree, SnapshotInfo, Summary};
use serde::{Deserialize, Serialize};

/// Name and version of a snapshot's document.
pub const SNAPSHOT_SCHEMA: &str = "m5.snapshot/1";
/// Name and version of a diff's document.
pub const DIFF_SCHEMA: &str = "m5.diff/1";

const MB: f64 = 1_048_576.0;
/// Share of the first value that growth must reach before it is called a finding.
const LEAST_SHARE: f64 = 0.01;
/// Share of the steps between samples that must go upwards.
const LEAST_RISING: f64 = 0.6;

/// A snapshot, or a series of samples with a snapshot at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotDoc {
    /// [`SNAPSHOT_SCHEMA`].
    pub schema: String,
    /// Memory over the samples, and growth that looks like a leak.
    pub summary: GuideSummary,
    /// The samples of a series; absent for a single snapshot.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub samples: Vec<Sample>,
    /// Who, when and how; absent where no full capture was made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub info: Option<SnapshotInfo>,
    /// Types, holders, holdings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub heap: Option<Summary>,
    /// Where RSS went.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory: Option<MemoryTree>,
    /// What most of RSS is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<MemoryVerdict>,
    /// Descriptors with their holders.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fds: Vec<FdHolder>,
    /// The process as the kernel sees it; absent where a file was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<ProcessSnapshot>,
    /// The forked children and what they share with it, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tree: Option<ProcessTree>,
    /// What grew between the full captures of a series.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub growth: Option<Diff>,
    /// The allocations that were sampled meanwhile, for the lines of what grew.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub allocations: Option<Allocations>,
}

/// One cheap reading of the kernel's counters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the first one.
    pub at_seconds: f64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Open descriptors, where they could be counted.
    pub open_fds: Option<u64>,
}

/// What a series says in brief.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GuideSummary {
    /// Extremes and growth.
    pub memory_stats: MemoryStats,
    /// Growth that looks like a leak; empty where there is none.
    pub leak_detection: Vec<LeakFinding>,
}

/// Memory over a series; MB are 1024 × 1024 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MemoryStats {
    /// Largest RSS that was seen.
    pub max_rss_mb: Option<f64>,
    /// The same in bytes.
    pub max_rss_bytes: Option<u64>,
    /// Last RSS minus the first; absent for a single snapshot.
    pub total_growth_mb: Option<f64>,
    /// The same in bytes.
    pub total_growth_bytes: Option<i64>,
    /// Number of samples.
    pub snapshots: u64,
}

/// One kind of growth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakFinding {
    /// `rss_growth` or `fd_growth`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `low`, `medium` or `high`: growth below 5 %, below 20 %, above.
    pub severity: String,
    /// Median growth from sample to sample in MB; absent for descriptors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub growth_rate_mb_per_snapshot: Option<f64>,
    /// Median growth from sample to sample, in bytes or descriptors.
    pub growth_per_snapshot: f64,
    /// Share of the steps that went upwards.
    pub rising_share: f64,
}

/// Two snapshots compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffDoc {
    /// [`DIFF_SCHEMA`].
    pub schema: String,
    /// Who, when and how, of the earlier one.
    pub before: SnapshotInfo,
    /// The same of the later one.
    pub after: SnapshotInfo,
    /// What changed.
    pub diff: Diff,
    /// The allocations that were sampled between the two, for the lines of `made`; absent where files were compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub allocations: Option<Allocations>,
}

/// How many allocations were sampled between two snapshots.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Allocations {
    /// Samples.
    pub samples: Option<u64>,
    /// Allocations that found no room to be written down.
    pub lost: Option<u64>,
    /// Sampled objects that lived at the end.
    pub survivors: Option<u64>,
    /// The share of the target's time that it took.
    pub overhead: Option<f64>,
    /// The build copied its allocator into some callers, which are not seen.
    pub partial: bool,
    /// Large blocks (above 512 bytes, without the GIL 1,024), which are known only when they are given, were sampled too; `null` where none was asked for.
    #[serde(default)]
    pub large_blocks: Option<bool>,
    /// Why there are none.
    pub reason: Option<String>,
    /// What to do about that.
    pub remedy: Option<String>,
    /// Where allocations cannot be sampled: the lines at which young collections began, which make most new objects that the
    /// collector tracks. Coarser: of any type, and whether they survive is not known. `samples` are collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_collections: Option<Made>,
}

impl GuideSummary {
    /// Sums up a series. Growth is told by the median step, so that one jump (a warm-up, a cache that filled)
    /// is not called a leak; how sure one can be is the business of `m5 baseline`.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let rss: Vec<f64> = samples.iter().map(|s| s.rss_bytes as f64).collect();
        let fds: Option<Vec<f64>> = samples.iter().map(|s| s.open_fds.map(|n| n as f64)).collect();
        let max = samples.iter().map(|s| s.rss_bytes).max();
        let growth = match samples {
            [first, .., last] => Some(last.rss_bytes as i64 - first.rss_bytes as i64),
            _ => None,
        };
        let stats = MemoryStats {
            max_rss_mb: max.map(|b| b as f64 / MB),
            max_rss_bytes: max,
            total_growth_mb: growth.map(|b| b as f64 / MB),
            total_growth_bytes: growth,
            snapshots: samples.len() as u64,
        };
        let mut leak_detection = Vec::new();
        leak_detection.extend(finding("rss_growth", &rss).map(|mut f| {
            f.growth_rate_mb_per_snapshot = Some(f.growth_per_snapshot / MB);
            f
        }));
        leak_detection.extend(fds.and_then(|fds| finding("fd_growth", &fds)));
        Self { memory_stats: stats, leak_detection }
    }
}

fn finding(kind: &str, values: &[f64]) -> Option<LeakFinding> {
    let mut steps: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
    if steps.len() < 3 {
        return None;
    }
    let rising_share = steps.iter().filter(|s| **s > 0.0).count() as f64 / steps.len() as f64;
    steps.sort_by(f64::total_cmp);
    let median = steps[steps.len() / 2];
    let share = median * steps.len() as f64 / values.first().copied().unwrap_or(1.0).max(1.0);
    if median <= 0.0 || rising_share < LEAST_RISING || share < LEAST_SHARE {
        return None;
    }
    let severity = match share {
        s if s < 0.05 => "low",
        s if s < 0.20 => "medium",
        _ => "high",
    };
    Some(LeakFinding {
        kind: kind.to_owned(),
        severity: severity.to_owned(),
        growth_rate_mb_per_snapshot: None,
        growth_per_snapshot: median,
        rising_share,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[u64]) -> Vec<Sample> {
        let sample = |(i, v): (usize, &u64)| Sample {
            at_seconds: i as f64,
            rss_bytes: v * 1_048_576,
            open_fds: Some(10),
        };
        values.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn steady_growth_is_found_and_a_jump_is_not() {
        let found = GuideSummary::of(&series(&[40, 41, 42, 42, 43, 44]));
        assert_eq!(found.memory_stats.max_rss_mb, Some(44.0));
        assert_eq!(found.memory_stats.total_growth_mb, Some(4.0));
        let leak = &found.leak_detection[0];
        assert_eq!((leak.kind.as_str(), leak.severity.as_str()), ("rss_growth", "medium"));
        assert_eq!(leak.growth_rate_mb_per_snapshot, Some(1.0));
        assert!(GuideSummary::of(&series(&[40, 60, 60, 60, 60])).leak_detection.is_empty());
        assert!(GuideSummary::of(&series(&[40])).memory_stats.total_growth_mb.is_none());
    }
}
