//! The memory cgroup that may kill the target: its use, peak and limit, in version 1 and 2.

use super::group_files::directory;
use super::held::GroupDir;
use super::throttling::Throttling;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
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
/// Where groups are is found out again after so many rounds: one may get a controller later.
const RENEWED: u64 = 64;

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
        Group::at(proc_cgroup, mount).read()
    }

    fn of(dir: &mut GroupDir) -> Option<Self> {
        if let Some(usage) = dir.text("memory.usage_in_bytes") {
            return Some(Self {
                version: 1,
                current_bytes: usage.trim().parse().ok(),
                peak_bytes: dir.number("memory.max_usage_in_bytes"),
                max_bytes: dir.number("memory.limit_in_bytes").filter(|n| *n < UNLIMITED),
                ..Self::default()
            });
        }
        let current = dir.text("memory.current")?;
        let pressure = dir.text("memory.pressure").unwrap_or_default();
        Some(Self {
            version: 2,
            current_bytes: current.trim().parse().ok(),
            peak_bytes: dir.number("memory.peak"),
            max_bytes: dir.number("memory.max"),
            pressure_some_percent: avg10(&pressure, "some"),
            pressure_full_percent: avg10(&pressure, "full"),
            throttling: None,
        })
    }
}

/// The directories of a group.
#[derive(Debug)]
struct Group {
    memory: Option<GroupDir>,
    cpu: Option<GroupDir>,
    /// What it said in a round.
    said: Option<(u64, Option<Cgroup>)>,
}

impl Group {
    fn at(proc_cgroup: &str, mount: &Path) -> Self {
        let dir = |controller| directory(proc_cgroup, mount, controller).map(GroupDir::new);
        Self { memory: dir("memory"), cpu: dir("cpu"), said: None }
    }

    fn read(&mut self) -> Option<Cgroup> {
        let memory = Cgroup::of(self.memory.as_mut()?)?;
        Some(Cgroup { throttling: self.cpu.as_mut().and_then(Throttling::of), ..memory })
    }
}

/// The cgroups of many processes, read in rounds: each once a round, however many of them it holds.
#[derive(Debug, Default)]
pub struct Cgroups {
    groups: HashMap<String, Group>,
    round: u64,
}

impl Cgroups {
    /// What was read is of the past from now on.
    pub fn begin_round(&mut self) {
        self.round += 1;
        if self.round.is_multiple_of(RENEWED) {
            self.groups.clear();
        }
    }

    /// The group named in the text of `/proc/PID/cgroup`, as it was when it was first asked for in this round.
    pub fn of(&mut self, proc_cgroup: &str) -> Option<Cgroup> {
        self.below(Path::new(CGROUPS), proc_cgroup)
    }

    fn below(&mut self, mount: &Path, proc_cgroup: &str) -> Option<Cgroup> {
        if !self.groups.contains_key(proc_cgroup) {
            self.groups.insert(proc_cgroup.to_owned(), Group::at(proc_cgroup, mount));
        }
        let group = self.groups.get_mut(proc_cgroup)?;
        match &group.said {
            Some((round, said)) if *round == self.round => said.clone(),
            _ => {
                let said = group.read();
                group.said = Some((self.round, said.clone()));
                said
            }
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

    #[test]
    fn a_group_is_read_once_a_round_and_found_again_where_it_was_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let mut groups = Cgroups::default();
        let mut read = |current: &str, round: bool| {
            group(root.path(), "memory/x", &[("memory.usage_in_bytes", current)]);
            if round {
                groups.begin_round();
            }
            groups.below(root.path(), "4:memory:/x\n").and_then(|c| c.current_bytes)
        };
        assert_eq!([read("1", true), read("2", false), read("3", true)], [Some(1), Some(1), Some(3)]);
        std::fs::remove_dir_all(root.path().join("memory/x")).unwrap();
        let said: Vec<Option<u64>> = (0..RENEWED).map(|i| read(&i.to_string(), true)).collect();
        assert_eq!(said.last(), Some(&Some(RENEWED - 1)));
    }
}
