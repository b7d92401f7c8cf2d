//! The CPU quota of a cgroup, and how often it held its tasks back, in version 1 and 2.

use super::group_files::directory;
use super::held::GroupDir;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a CPU quota did to a group since the group began.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Throttling {
    /// CPU time that its tasks may use, in cores.
    pub quota_cores: f64,
    /// Periods in which some task was runnable.
    pub periods: u64,
    /// Of those, periods in which tasks were held back until the next one.
    pub throttled_periods: u64,
    /// Time for which they were held back, summed over processors; seconds.
    pub throttled_seconds: f64,
}

impl Throttling {
    /// Reads the group named in the text of `/proc/PID/cgroup`, below `mount`. `None` where it has no quota.
    #[must_use]
    pub fn read(proc_cgroup: &str, mount: &Path) -> Option<Self> {
        Self::of(&mut GroupDir::new(directory(proc_cgroup, mount, "cpu")?))
    }

    /// The same of the group with this directory.
    pub(super) fn of(dir: &mut GroupDir) -> Option<Self> {
        let quota_cores = quota(dir)?;
        let text = dir.text("cpu.stat")?;
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse::<u64>().ok()
        };
        let seconds = field("throttled_usec").map(|us| us as f64 / 1e6);
        Some(Self {
            quota_cores,
            periods: field("nr_periods")?,
            throttled_periods: field("nr_throttled")?,
            throttled_seconds: seconds.or_else(|| Some(field("throttled_time")? as f64 / 1e9))?,
        })
    }

    /// What happened after an earlier reading.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        Self {
            quota_cores: self.quota_cores,
            periods: self.periods.saturating_sub(earlier.periods),
            throttled_periods: self.throttled_periods.saturating_sub(earlier.throttled_periods),
            throttled_seconds: (self.throttled_seconds - earlier.throttled_seconds).max(0.0),
        }
    }

    /// Periods in which tasks were held back, as a part of all. `None` where none has passed.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.periods > 0).then(|| self.throttled_periods as f64 / self.periods as f64)
    }
}

/// Cores that a group may use; `None` without a quota.
fn quota(dir: &mut GroupDir) -> Option<f64> {
    let (quota, period) = match dir.text("cpu.max") {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        }
        // No quota is -1 here, which is no `u64`.
        None => (dir.number("cpu.cfs_quota_us")? as f64, dir.number("cpu.cfs_period_us")? as f64),
    };
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::super::group_files::group;
    use super::*;

    #[test]
    fn version_2_with_a_quota() {
        let root = tempfile::tempdir().unwrap();
        let stat = "usage_usec 9\nnr_periods 200\nnr_throttled 30\nthrottled_usec 1500000\nnr_bursts 0";
        group(root.path(), "a", &[("cpu.max", "150000 100000"), ("cpu.stat", stat)]);
        let got = Throttling::read("0::/a\n", root.path()).unwrap();
        let expected =
            Throttling { quota_cores: 1.5, periods: 200, throttled_periods: 30, throttled_seconds: 1.5 };
        assert_eq!(got, expected);
        assert_eq!(got.ratio(), Some(0.15));
        assert_eq!(got.since(&got).ratio(), None, "no period has passed");
    }

    #[test]
    fn version_1_beside_cpuacct() {
        let root = tempfile::tempdir().unwrap();
        let stat = "nr_periods 8\nnr_throttled 2\nthrottled_time 250000000";
        let files = [("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "100000"), ("cpu.stat", stat)];
        group(root.path(), "cpu,cpuacct/x", &files);
        let got = Throttling::read("4:memory:/m\n2:cpu,cpuacct:/x\n0::/\n", root.path()).unwrap();
        assert_eq!((got.quota_cores, got.throttled_seconds, got.ratio()), (0.5, 0.25, Some(0.25)));
    }

    #[test]
    fn no_quota_is_no_throttling() {
        let root = tempfile::tempdir().unwrap();
        let stat = "nr_periods 0\nnr_throttled 0\nthrottled_usec 0";
        group(root.path(), "two", &[("cpu.max", "max 100000"), ("cpu.stat", stat)]);
        group(root.path(), "cpu/one", &[("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "100000")]);
        assert_eq!(Throttling::read("0::/two\n", root.path()), None);
        assert_eq!(Throttling::read("2:cpu:/one\n", root.path()), None);
        assert_eq!(Throttling::read("", root.path()), None);
    }
}
