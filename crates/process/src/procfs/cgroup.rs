//! The memory cgroup that may kill the target: its use, peak and limit, in version 1 and 2.

use super::group_files::{directory, number};
use super::throttling::Throttling;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Memory of the cgroup that holds the process; bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cgroup {
    /// 1 or 2.
    pub version: u8,
    /// In use now.
    pub current_bytes: Option<u64>,
    /// Highest use so far.
    pub peak_bytes: Option<u64>,
    /// Limit; `None` where there is none.
    pub max_bytes: Option<u64>,
    /// Share of the last 10 s in which some task waited for memory, percent (version 2 with pressure counting).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure_some_percent: Option<f64>,
    /// The same for all tasks at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure_full_percent: Option<f64>,
    /// What its CPU quota did, where it has one: since the group began; in a recording, since that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
}

/// Where cgroups are mounted.
pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";
/// Version 1 says "no limit" with a number near 2⁶³.
pub(super) const UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// The highest use so far as a part of the limit, where there is one.
    #[must_use]
    pub fn peak_ratio(&self) -> Option<f64> {
        let limit = self.max_bytes.filter(|limit| *limit > 0)?;
        Some(self.peak_bytes? as f64 / limit as f64)
    }

    /// Reads the memory cgroup named in the text of `/proc/PID/cgroup`, below `mount` (`/sys/fs/cgroup`).
    #[must_use]
    pub fn read(proc_cgroup: &str, mount: &Path) -> Option<Self> {
        let throttling = Throttling::read(proc_cgroup, mount);
        Some(Self { throttling, ..Self::at(&directory(proc_cgroup, mount, "memory")?)? })
    }

    fn at(dir: &Path) -> Option<Self> {
        if dir.join("memory.usage_in_bytes").exists() {
            return Some(Self::v1(dir));
        }
        dir.join("memory.current").exists().then(|| Self::v2(dir))
    }

    fn v1(dir: &Path) -> Self {
        Self {
            version: 1,
            current_bytes: number(&dir.join("memory.usage_in_bytes")),
            peak_bytes: number(&dir.join("memory.max_usage_in_bytes")),
            max_bytes: number(&dir.join("memory.limit_in_bytes")).filter(|n| *n < UNLIMITED),
            pressure_some_percent: None,
            pressure_full_percent: None,
            throttling: None,
        }
    }

    fn v2(dir: &Path) -> Self {
        let pressure = fs::read_to_string(dir.join("memory.pressure")).unwrap_or_default();
        Self {
            version: 2,
            current_bytes: number(&dir.join("memory.current")),
            peak_bytes: number(&dir.join("memory.peak")),
            max_bytes: number(&dir.join("memory.max")),
            pressure_some_percent: avg10(&pressure, "some"),
            pressure_full_percent: avg10(&pressure, "full"),
            throttling: None,
        }
    }
}

/// `some avg10=1.25 avg60=…`
fn avg10(pressure: &str, line: &str) -> Option<f64> {
    let line = pressure.lines().find_map(|l| l.strip_prefix(line))?;
    line.split_whitespace().find_map(|w| w.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::group_files::group;
    use super::*;

    #[test]
    fn version_2_without_limit() {
        let root = tempfile::tempdir().unwrap();
        let pressure = "some avg10=1.25 avg60=0.00 total=9\nfull avg10=0.50 total=1";
        let files = [("memory.current", "123"), ("memory.max", "max"), ("memory.pressure", pressure)];
        group(root.path(), "a/b", &files);
        let got = Cgroup::read("0::/a/b\n", root.path()).unwrap();
        assert_eq!((got.version, got.current_bytes, got.max_bytes), (2, Some(123), None));
        assert_eq!((got.pressure_some_percent, got.pressure_full_percent), (Some(1.25), Some(0.5)));
    }
}
