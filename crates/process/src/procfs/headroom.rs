//! How much memory may still be used before a limit kills somebody: every memory cgroup around a process, in both
//! versions, and the machine itself.

use super::cgroup::{CGROUPS, UNLIMITED};
use super::group_files::existing;
use std::fmt;
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
}

/// What a capture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryNeed {
    /// Bytes that come to be charged to the target: pages of which it makes a copy while another has them too, page
    /// tables, pages that are brought back from swap.
    pub target: u64,
    /// Bytes that m5 itself comes to hold.
    pub own: u64,
}

/// Memory that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes needed, with what is kept in reserve.
    pub need: u64,
    /// Bytes left.
    pub left: u64,
    /// Which limit is near.
    pub place: String,
    /// Whether it would do without what m5 itself needs.
    pub own: bool,
    /// Whether what the target comes to hold is part of the need.
    pub with_copy: bool,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, left, place, own, with_copy } = self;
        let who = match (own, with_copy) {
            (false, _) => "a copy of the target",
            (true, false) => "m5 itself",
            (true, true) => "a copy of the target and m5 itself",
        };
        write!(f, "{who} may need {} MiB and {} MiB are left in {place}", need >> 20, left >> 20)
    }
}

/// The limits around a target and around m5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headroom {
    pub(crate) target: Vec<Limit>,
    own: Vec<Limit>,
    machine: Option<Limit>,
}

impl Headroom {
    /// Looks at the limits around a process and around this one.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let text = |who: &str| fs::read_to_string(format!("/proc/{who}/cgroup")).unwrap_or_default();
        let around = |text: &str| limits(text, Path::new(CGROUPS));
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            target: around(&text(&pid.to_string())),
            own: around(&text("self")),
            machine: machine(&meminfo),
        }
    }

    /// Whether this process may come to hold so many bytes more below the limits around it, of any process that it may
    /// look at in the same group. At a limit the kernel ends whom it likes: even who offers itself with the highest
    /// score is spared where another holds more than the limit, as who has large libraries mapped does.
    ///
    /// # Errors
    /// The tightest limit.
    pub fn check_own(need: u64) -> Result<(), Shortage> {
        let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let tightest = limits(&text, Path::new(CGROUPS)).into_iter().min_by_key(|limit| limit.left);
        match tightest.filter(|limit| limit.left < need) {
            Some(limit) => {
                Err(Shortage { need, left: limit.left, place: limit.name(), own: true, with_copy: false })
            }
            None => Ok(()),
        }
    }

    /// Whether everything that is needed can be had below every limit.
    ///
    /// # Errors
    /// The limit that is nearest to being passed.
    pub fn check(&self, need: MemoryNeed) -> Result<(), Shortage> {
        let inside = |groups: &[Limit], one: &Limit| groups.iter().any(|g| g.group == one.group);
        let all = self.target.iter().chain(self.own.iter().filter(|o| !inside(&self.target, o)));
        let of_groups = all.map(|limit| {
            let target = if inside(&self.target, limit) { need.target } else { 0 };
            let own = if inside(&self.own, limit) { need.own } else { 0 };
            (limit, target, own)
        });
        let of_machine = self.machine.iter().map(|limit| (limit, need.target, need.own));
        let short = of_groups.chain(of_machine).filter_map(|(limit, target, own)| {
            let with = |bytes: u64| if bytes == 0 { 0 } else { bytes.saturating_add(reserve(bytes)) };
            let need = with(target.saturating_add(own));
            (limit.left < need).then(|| Shortage {
                need,
                left: limit.left,
                place: limit.name(),
                own: limit.left >= with(target),
                with_copy: target > 0,
            })
        });
        short.max_by_key(|s| s.need - s.left).map_or(Ok(()), Err)
    }

    /// Bytes that the target may still have below the tightest limit of its groups; `None` where none is limited.
    #[must_use]
    pub fn left_in_groups(&self) -> Option<u64> {
        self.target.iter().map(|limit| limit.left).min()
    }

    /// The tightest limit of the target's groups, or the machine's memory where that is less.
    #[must_use]
    pub fn tightest(&self) -> Option<u64> {
        self.target.iter().chain(&self.machine).map(|limit| limit.limit).min()
    }

    /// The limits that the target's memory counts against.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &Limit> {
        self.target.iter().chain(&self.machine)
    }
}

/// Bytes kept free beside what is needed: the kernel counts in batches, and others use memory too.
pub(crate) fn reserve(need: u64) -> u64 {
    (need / 10).max(16 << 20)
}

impl Limit {
    fn name(&self) -> String {
        match &self.group {
            Some(dir) => format!("the memory cgroup {}", dir.strip_prefix(CGROUPS).unwrap_or(dir).display()),
            None => "this machine".to_owned(),
        }
    }
}

/// The limited groups around a process, by the text of its `/proc/PID/cgroup`, below `mount`.
fn limits(text: &str, mount: &Path) -> Vec<Limit> {
    let mut found: Vec<Limit> = Vec::new();
    for (root, dir) in groups(text, mount) {
        let around = dir.ancestors().take_while(|d| d.starts_with(&root)).filter_map(limit_of);
        for limit in around {
            if !found.iter().any(|f| f.group == limit.group) {
                found.push(limit);
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

fn limit_of(dir: &Path) -> Option<Limit> {
    let number = |name: &str| fs::read_to_string(dir.join(name)).ok()?.trim().parse::<u64>().ok();
    let (usage, limit) = match number("memory.usage_in_bytes") {
        Some(usage) => (usage, number("memory.limit_in_bytes").filter(|n| *n < UNLIMITED)?),
        // Above `high` nobody is killed, but everybody in the group is slowed down.
        None => (
            number("memory.current")?,
            [number("memory.max"), number("memory.high")].into_iter().flatten().min()?,
        ),
    };
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let used = usage.saturating_sub(reclaimable(&stat));
    Some(Limit { group: Some(dir.to_owned()), limit, left: limit.saturating_sub(used) })
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

fn machine(meminfo: &str) -> Option<Limit> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Limit { group: None, limit: bytes("MemTotal:")?, left: bytes("MemAvailable:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn group(root: &Path, path: &str, files: &[(&str, String)]) {
        let dir = root.join(path);
        fs::create_dir_all(&dir).unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.join(name), format!("{text}\n")).unwrap());
    }

    fn v2(root: &Path, path: &str, current: u64, max: &str) {
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
    fn file_pages_that_are_given_up_first_are_no_use_and_slowing_down_is_a_limit() {
        let root = tempfile::tempdir().unwrap();
        v2(root.path(), "a", 400, &(500 * MIB).to_string());
        let stat = format!("anon 1\ninactive_file {}\nfile_dirty {}", 90 * MIB, 30 * MIB);
        group(root.path(), "a", &[("memory.stat", stat)]);
        assert_eq!(left("0::/a\n", root.path()), [160]);
        group(root.path(), "a", &[("memory.high", (450 * MIB).to_string())]);
        assert_eq!(left("0::/a\n", root.path()), [110]);
    }

    fn limit(name: &str, left: u64) -> Limit {
        Limit { group: Some(PathBuf::from(name)), limit: 1000 * MIB, left: left * MIB }
    }

    #[test]
    fn whose_need_counts_where() {
        let headroom = |target: &[Limit], own: &[Limit], machine: u64| Headroom {
            target: target.to_vec(),
            own: own.to_vec(),
            machine: Some(Limit { group: None, limit: 4000 * MIB, left: machine * MIB }),
        };
        let need = MemoryNeed { target: 100 * MIB, own: 200 * MIB };
        let apart = headroom(&[limit("a", 117)], &[limit("b", 221)], 331);
        assert!(apart.check(need).is_ok());
        let target = headroom(&[limit("a", 115)], &[], 9000).check(need).unwrap_err();
        assert_eq!((target.left / MIB, target.own, target.need / MIB), (115, false, 116));
        let inside = headroom(&[limit("a", 300)], &[limit("a", 300)], 9000).check(need).unwrap_err();
        assert!(
            inside.own
                && inside
                    .to_string()
                    .contains("a copy of the target and m5 itself may need 330 MiB and 300 MiB")
        );
        let machine = headroom(&[], &[], 320).check(need).unwrap_err();
        assert_eq!(machine.place, "this machine");
        // Who needs nothing is refused nothing, however little is left.
        assert!(headroom(&[limit("a", 0)], &[], 9000).check(MemoryNeed { target: 0, own: MIB }).is_ok());
    }

    #[test]
    fn here_and_now() {
        let here = Headroom::of(std::process::id() as i32);
        assert!(here.machine.as_ref().is_some_and(|m| m.left > 0 && m.left <= m.limit));
        assert!(here.check(MemoryNeed { target: u64::MAX / 4, own: 0 }).is_err());
    }
}
