//! What a rule may look at, and how it is read from a watched process.

use crate::pool::Member;
use m5_stats::objectives::FD_GROWTH_SECONDS;
use m5_stats::{Verdict, quantile, sorted};
use serde::{Deserialize, Serialize};

/// A figure of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Resident memory, bytes.
    Rss,
    /// Growth of the memory's floor, bytes a second.
    Growth,
    /// 1 while memory has been growing for so long that it is an alarm (`Assessment::alarm`), else 0.
    Verdict,
    /// Seconds until the memory limit is reached.
    TimeToLimit,
    /// Open file descriptors.
    Fds,
    /// File descriptors gained in five minutes.
    FdGrowth,
    /// Established connections.
    Connections,
    /// 95th percentile of the latest pauses, seconds.
    GcPauseP95,
}

impl Metric {
    /// Whether the danger lies below the level.
    #[must_use]
    pub fn falls(self) -> bool {
        self == Self::TimeToLimit
    }

    /// Whether it is an amount that a process has from its start: then a level can lie below what that takes.
    #[must_use]
    pub fn is_amount(self) -> bool {
        matches!(self, Self::Rss | Self::Fds | Self::Connections)
    }

    /// The value now; `None` where it is not measured.
    #[must_use]
    pub fn read(self, member: &Member) -> Option<f64> {
        match self {
            Self::Rss => member.reading.status.rss_bytes.map(|b| b as f64),
            Self::Growth => member.assessment().slope,
            Self::Verdict => match member.assessment().verdict {
                Verdict::Insufficient => None,
                _ => Some(f64::from(u8::from(member.assessment().alarm))),
            },
            Self::TimeToLimit => {
                member.assessment().limit.map(|l| l.expected_seconds.unwrap_or(f64::INFINITY))
            }
            Self::Fds => member.reading.fds.as_ref().map(|f| f.total as f64),
            Self::FdGrowth => fd_growth(member),
            Self::Connections => member.established().map(|n| n as f64),
            Self::GcPauseP95 => {
                let lengths: Vec<f64> = member.pauses.latest().map(|p| p.duration_ns as f64 / 1e9).collect();
                quantile(&sorted(&lengths), 0.95)
            }
        }
    }
}

fn fd_growth(member: &Member) -> Option<f64> {
    let now = member.chart_points().filter(|m| m.fds.is_some()).last()?;
    let from = now.unix_seconds - FD_GROWTH_SECONDS;
    let before = member.chart_points().find(|m| m.unix_seconds >= from)?;
    Some(now.fds? - before.fds?)
}
