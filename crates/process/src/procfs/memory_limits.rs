//! The limits on memory around a process: every memory cgroup, in both versions, and the machine itself.

use super::cgroup::{CGROUPS, UNLIMITED};
use super::group_files::{existing, number};
use std::fs;
use std::path::{Path, PathBuf};

/// A limit on memory, and how near it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The cgroup's directory; `None` for the machine.
    pub(crate) group: Option<PathBuf>,
    /// Bytes that may be in use.
    pub(crate) limit: u64,
    /// Bytes that can still be had: what is unused, and file pages that the kernel gives up first.
    pub(crate) left: u64,
    /// What happens where it is passed.
    pub(crate) end: End,
    /// What is counted.
    pub(crate) counts: Counts,
}

/// What counts against a limit, by the file of a group that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Counts {
    /// Memory, version 1.
    Memory1,
    /// Memory, version 2.
    #[default]
    Memory2,
    /// Memory and what of it is swapped out, version 1: to swap out makes no room below it.
    WithSwap1,
}

impl Counts {
    /// The file with what is in use.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Memory1 => "memory.usage_in_bytes",
            Self::Memory2 => "memory.current",
            Self::WithSwap1 => "memory.memsw.usage_in_bytes",
        }
    }

    /// Files of which the least is the limit. Above `high` nobody is ended, but everybody in the group is slowed down.
    fn limits(self) -> &'static [&'static str] {
        match self {
            Self::Memory1 => &["memory.limit_in_bytes"],
            Self::Memory2 => &["memory.max", "memory.high"],
            Self::WithSwap1 => &["memory.memsw.limit_in_bytes"],
        }
    }
}

/// What a limit does to who passes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// One process is ended.
    #[default]
    One,
    /// All processes of a group are ended together (`memory.oom.group`, which orchestrators set): nobody goes first.
    Together,
    /// Nobody is ended, but no memory is given (`vm.overcommit_memory` 2): what counts is what was promised, used or not.
    Refusal,
}

/// Bytes kept free beside what is needed: the kernel counts in batches, and others use memory too.
fn reserve(need: u64) -> u64 {
    (need / 10).max(16 << 20)
}

pub(super) const OVERCOMMIT: &str = "/proc/sys/vm/overcommit_memory";

impl Limit {
    /// Bytes kept free beside what is needed; more where the target goes with whoever passes the limit.
    pub(crate) fn reserve(&self, need: u64) -> u64 {
        match self.end {
            End::Together => (need / 4).max(64 << 20),
            End::One | End::Refusal => reserve(need),
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> String {
        match &self.group {
            Some(dir) => format!("the memory cgroup {}", dir.strip_prefix(CGROUPS).unwrap_or(dir).display()),
            None if self.end == End::Refusal => {
                "what this machine promises (vm.overcommit_memory is 2)".to_owned()
            }
            None => "this machine".to_owned(),
        }
    }
}

/// The limited groups around a process, by the text of its `/proc/PID/cgroup`, below `mount`.
pub(super) fn limits(text: &str, mount: &Path) -> Vec<Limit> {
    let mut found: Vec<Limit> = Vec::new();
    for (root, dir) in groups(text, mount) {
        let mut together = false;
        for dir in dir.ancestors().take_while(|d| d.starts_with(&root)) {
            // Who is ended at an outer limit takes the inner group with it.
            together |= number(&dir.join("memory.oom.group")) == Some(1);
            for mut limit in limits_of(dir) {
                if together {
                    limit.end = End::Together;
                }
                if !found.iter().any(|f| f.group == limit.group && f.counts == limit.counts) {
                    found.push(limit);
                }
            }
        }
    }
    found
}

/// Root and directory of the process's group in each hierarchy that may count memory.
fn groups(text: &str, mount: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut out = Vec::new();
    for line in text.lines() {
        let Some((number, (controllers, path))) =
            line.split_once(':').and_then(|(n, r)| Some((n, r.split_once(':')?)))
        else {
            continue;
        };
        let roots = match (number, controllers) {
            ("0", "") => vec![mount.to_owned(), mount.join("unified")],
            (_, list) if list.split(',').any(|c| c == "memory") => vec![mount.join("memory")],
            _ => continue,
        };
        for root in roots {
            if let Some(dir) = existing(&root, path) {
                out.push((root, dir));
            }
        }
    }
    out
}

fn limits_of(dir: &Path) -> Vec<Limit> {
    let number = |name: &str| number(&dir.join(name));
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let of = |counts: Counts| {
        let usage = number(counts.file())?;
        let limit =
            counts.limits().iter().filter_map(|name| number(name)).min().filter(|n| *n < UNLIMITED)?;
        let used = usage.saturating_sub(reclaimable(&stat));
        let left = limit.saturating_sub(used);
        Some(Limit { group: Some(dir.to_owned()), limit, left, end: End::One, counts })
    };
    [Counts::Memory1, Counts::Memory2, Counts::WithSwap1].into_iter().filter_map(of).collect()
}

/// Clean file pages that were not used lately: what the kernel gives up first. Of a version 1 group's own text the
/// `total_` values count, which hold what is below it too.
fn reclaimable(stat: &str) -> u64 {
    let value = |name: &str| {
        let of = |key: &str| {
            stat.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' ')?.parse::<u64>().ok())
        };
        of(&format!("total_{name}")).or_else(|| of(name)).unwrap_or(0)
    };
    let unwritten = ["dirty", "file_dirty", "writeback", "file_writeback"].map(value).iter().sum();
    value("inactive_file").saturating_sub(unwritten)
}

pub(super) fn machine(meminfo: &str, overcommit: &str) -> Vec<Limit> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let memory = bytes("MemTotal:").zip(bytes("MemAvailable:"));
    let memory = memory.map(|(limit, left)| Limit {
        group: None,
        limit,
        left,
        end: End::One,
        counts: Counts::default(),
    });
    let promised = bytes("CommitLimit:").zip(bytes("Committed_AS:")).filter(|_| overcommit.trim() == "2");
    let promised = promised.map(|(limit, promised)| {
        let left = limit.saturating_sub(promised);
        Limit { group: None, limit, left, end: End::Refusal, counts: Counts::default() }
    });
    memory.into_iter().chain(promised).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const MIB: u64 = 1 << 20;

    pub(crate) fn group(root: &Path, path: &str, files: &[(&str, String)]) {
        let dir = root.join(path);
        fs::create_dir_all(&dir).unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.join(name), format!("{text}\n")).unwrap());
    }

    pub(crate) fn v2(root: &Path, path: &str, current: u64, max: &str) {
        group(root, path, &[("memory.current", (current * MIB).to_string()), ("memory.max", max.to_owned())]);
    }

    fn v1(root: &Path, path: &str, current: u64, max: u64) {
        let files = [("memory.usage_in_bytes", current * MIB), ("memory.limit_in_bytes", max)]
            .map(|(n, v)| (n, v.to_string()));
        group(root, path, &files);
    }

    fn left(text: &str, root: &Path) -> Vec<u64> {
        limits(text, root).iter().map(|l| l.left / MIB).collect()
    }

    #[test]
    fn every_limit_around_counts_in_both_versions() {
        let root = tempfile::tempdir().unwrap();
        v2(root.path(), "pod", 480, &(512 * MIB).to_string());
        v2(root.path(), "pod/engine", 100, &(400 * MIB).to_string());
        v2(root.path(), "pod/free", 10, "max");
        v1(root.path(), "memory/docker", 900, 1 << 63);
        v1(root.path(), "memory/docker/x", 700, 1000 * MIB);
        assert_eq!(left("0::/pod/engine\n", root.path()), [300, 32]);
        assert_eq!(left("0::/pod/free\n", root.path()), [32]);
        assert_eq!(left("5:cpu:/\n4:memory,hugetlb:/docker/x\n0::/pod\n", root.path()), [300, 32]);
        assert_eq!(left("0::/\n", root.path()), [0u64; 0]);
    }

    #[test]
    fn what_is_swapped_out_counts_where_memory_and_swap_are_limited_together() {
        let root = tempfile::tempdir().unwrap();
        v1(root.path(), "memory/x", 700, 1000 * MIB);
        let files = [("usage", 1150), ("limit", 1200)];
        let files =
            files.map(|(name, mib)| (format!("memory.memsw.{name}_in_bytes"), (mib * MIB).to_string()));
        let files = files.each_ref().map(|(name, text)| (name.as_str(), text.clone()));
        group(root.path(), "memory/x", &files);
        assert_eq!(left("4:memory:/x\n", root.path()), [300, 50]);
        group(root.path(), "memory/x", &[("memory.memsw.limit_in_bytes", (i64::MAX as u64).to_string())]);
        assert_eq!(left("4:memory:/x\n", root.path()), [300]);
    }

    #[test]
    fn file_pages_that_are_given_up_first_are_no_use_and_slowing_down_is_a_limit() {
        let root = tempfile::tempdir().unwrap();
        v2(root.path(), "a", 400, &(500 * MIB).to_string());
        let stat = format!("anon 1\ninactive_file {}\nfile_dirty {}", 90 * MIB, 30 * MIB);
        group(root.path(), "a", &[("memory.stat", stat)]);
        assert_eq!(left("0::/a\n", root.path()), [160]);
        group(root.path(), "a", &[("memory.high", (450 * MIB).to_string())]);
        assert_eq!(left("0::/a\n", root.path()), [110]);
    }
}
