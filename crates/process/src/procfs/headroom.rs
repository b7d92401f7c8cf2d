//! How much memory may still be used before a limit around a target or around m5 ends somebody.

use super::cgroup::CGROUPS;
use super::group_files::visible;
use super::memory_limits::{End, Limit, OVERCOMMIT, limits, machine};
use super::namespaces::in_first_cgroups;
use std::fmt;
use std::fs;
use std::path::Path;

/// What a capture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryNeed {
    /// Bytes that come to be charged to the target: pages of which it makes a copy while another has them too, page
    /// tables, pages that are brought back from swap.
    pub target: u64,
    /// Bytes that m5 itself comes to hold.
    pub own: u64,
    /// Bytes that the kernel promises to a copy of the target, touched or not.
    pub promised: u64,
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
    /// The machine's memory, and what it promises where it promises no more than it has.
    machine: Vec<Limit>,
    /// Whether the groups around the target could be looked at.
    visible: bool,
}

impl Headroom {
    /// Looks at the limits around a process and around this one.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let text = |who: &str| fs::read_to_string(format!("/proc/{who}/cgroup")).unwrap_or_default();
        let of_target = text(&pid.to_string());
        let around = |text: &str| limits(text, Path::new(CGROUPS));
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            target: around(&of_target),
            own: around(&text("self")),
            machine: machine(&meminfo, &fs::read_to_string(OVERCOMMIT).unwrap_or_default()),
            visible: visible(&of_target, Path::new(CGROUPS), in_first_cgroups()),
        }
        .joined()
    }

    /// Whether the limits around the target are known. Where they are not, there may be any.
    #[must_use]
    pub fn known(&self) -> bool {
        self.visible
    }

    /// Where both are in one group whose processes are ended together, no limit of the machine spares the target either.
    fn joined(mut self) -> Self {
        let together = |groups: &[Limit]| groups.iter().any(|limit| limit.end == End::Together);
        if together(&self.target) {
            self.machine.iter_mut().filter(|m| m.end == End::One).for_each(|m| m.end = End::Together);
        }
        self
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
        let need_below = |limit: &Limit| if limit.end == End::Together { need * 4 } else { need };
        match tightest.filter(|limit| limit.left < need_below(limit)) {
            Some(limit) => {
                let (need, left) = (need_below(&limit), limit.left);
                Err(Shortage { need, left, place: limit.name(), own: true, with_copy: false })
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
        let of_machine = self.machine.iter().map(|limit| match limit.end {
            End::Refusal => (limit, need.promised, need.own),
            End::One | End::Together => (limit, need.target, need.own),
        });
        let short = of_groups.chain(of_machine).filter_map(|(limit, target, own)| {
            let with = |bytes: u64| match bytes {
                0 => 0,
                bytes => bytes.saturating_add(limit.reserve(bytes)),
            };
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

    /// Whether so many bytes more of this process have room below every limit that the target is below too.
    #[must_use]
    pub fn fits_beside(&self, bytes: u64) -> bool {
        let shared = |own: &&Limit| self.target.iter().any(|limit| limit.group == own.group);
        let fits = |limit: &Limit| limit.left >= bytes.saturating_add(limit.reserve(bytes));
        self.own.iter().filter(shared).all(fits)
    }

    /// Bytes that the target may still have below the tightest limit of its groups; `None` where none is limited.
    #[must_use]
    pub fn left_in_groups(&self) -> Option<u64> {
        self.target.iter().map(|limit| limit.left).min()
    }

    /// The tightest limit of the target's groups, or the machine's memory where that is less.
    #[must_use]
    pub fn tightest(&self) -> Option<u64> {
        self.watched().map(|limit| limit.limit).min()
    }

    /// The limits that what the target uses counts against.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &Limit> {
        self.target.iter().chain(&self.machine).filter(|limit| limit.end != End::Refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory_limits::Counts;
    use super::super::memory_limits::tests::{MIB, group, v2};
    use super::*;
    use std::path::PathBuf;

    fn limit(name: &str, left: u64) -> Limit {
        let group = Some(PathBuf::from(name));
        Limit { group, limit: 1000 * MIB, left: left * MIB, end: End::One, counts: Counts::default() }
    }

    #[test]
    fn whose_need_counts_where() {
        let headroom = |target: &[Limit], own: &[Limit], machine: u64| Headroom {
            target: target.to_vec(),
            own: own.to_vec(),
            machine: vec![Limit { group: None, ..limit("", machine) }],
            visible: true,
        };
        let need = MemoryNeed { target: 100 * MIB, own: 200 * MIB, promised: 0 };
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
        // What lies in files counts only below a limit that both are below.
        assert!(headroom(&[limit("a", 10)], &[limit("b", 10)], 9000).fits_beside(100 * MIB));
        assert!(headroom(&[limit("a", 120)], &[limit("a", 120)], 9000).fits_beside(100 * MIB));
        assert!(!headroom(&[limit("a", 110)], &[limit("a", 110)], 9000).fits_beside(100 * MIB));
        let machine = headroom(&[], &[], 320).check(need).unwrap_err();
        assert_eq!(machine.place, "this machine");
        // Who needs nothing is refused nothing, however little is left.
        assert!(
            headroom(&[limit("a", 0)], &[], 9000)
                .check(MemoryNeed { own: MIB, ..MemoryNeed::default() })
                .is_ok()
        );
    }

    #[test]
    fn who_is_ended_with_all_others_keeps_more_free() {
        let root = tempfile::tempdir().unwrap();
        v2(root.path(), "pod", 400, &(512 * MIB).to_string());
        v2(root.path(), "pod/engine", 400, &(500 * MIB).to_string());
        v2(root.path(), "pod/other", 10, &(500 * MIB).to_string());
        group(root.path(), "pod/engine", &[("memory.oom.group", "1".to_owned())]);
        let ends = |text: &str| limits(text, root.path()).iter().map(|l| l.end).collect::<Vec<_>>();
        assert_eq!(ends("0::/pod/engine"), [End::Together, End::Together]);
        assert_eq!(ends("0::/pod/other"), [End::One, End::One]);
        let machine = || machine("MemTotal: 4096000 kB\nMemAvailable: 4096000 kB\n", "0");
        let of = |text: &str| {
            let (target, own) = (limits(text, root.path()), Vec::new());
            Headroom { target, own, machine: machine(), visible: true }.joined()
        };
        // 100 MiB are left: 70 and a tenth fit, 70 and a reserve of 64 do not.
        let need = MemoryNeed { target: 70 * MIB, ..MemoryNeed::default() };
        assert_eq!(of("0::/pod/engine").check(need).unwrap_err().left, 100 * MIB);
        assert!(of("0::/pod/other").check(need).is_ok());
        assert_eq!(of("0::/pod/engine").machine[0].end, End::Together);
    }

    #[test]
    fn where_the_machine_promises_no_more_than_it_has_promises_count() {
        let text = "MemTotal: 4096000 kB\nMemAvailable: 4096000 kB\nCommitLimit: 2048000 kB\nCommitted_AS: 1024000 kB\n";
        let of = |mode| {
            let (target, own) = (Vec::new(), Vec::new());
            Headroom { target, own, machine: machine(text, mode), visible: true }
        };
        let need = MemoryNeed { target: 10 * MIB, own: 0, promised: 990 * MIB };
        let short = of("2\n").check(need).unwrap_err();
        assert_eq!((short.left / MIB, short.own), (1000, false));
        assert!(short.place.contains("promises"));
        assert!(of("2").check(MemoryNeed { promised: 900 * MIB, ..need }).is_ok());
        assert!(of("0").check(need).is_ok());
        assert_eq!(of("2").watched().count(), 1);
    }

    #[test]
    fn here_and_now() {
        let here = Headroom::of(std::process::id() as i32);
        assert!(here.machine.first().is_some_and(|m| m.left > 0 && m.left <= m.limit));
        assert!(here.check(MemoryNeed { target: u64::MAX / 4, ..MemoryNeed::default() }).is_err());
    }
}
