//! What a process is called in its own namespace, where a container gives it other numbers.

/// The number that thread `tid` of `pid` has in its own PID namespace: what its own code gets from the system.
#[must_use]
pub fn inner_tid(pid: i32, tid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// Processes that have this number in their own PID namespace and another one here: what a container calls `pid`.
#[must_use]
pub fn outer_pids(pid: i32) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<i32> =
        pids.filter(|outer| *outer != pid && inner_tid(*outer, *outer) == Some(pid)).collect();
    found.sort_unstable();
    found
}

/// Whether m5 itself is inside a PID namespace: what runs outside has no number here.
#[must_use]
pub fn in_pid_namespace() -> bool {
    /// The kernel's first PID namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h).
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() != FIRST)
}

/// Whether m5 sees the first group of cgroups as the root, and no container's own.
pub(crate) fn in_first_cgroups() -> bool {
    /// The kernel's first namespace of cgroups (PROC_CGROUP_INIT_INO); kernels without such namespaces have one.
    const FIRST: &str = "cgroup:[4026531835]";
    std::fs::read_link("/proc/self/ns/cgroup").map_or(true, |link| link.as_os_str() == FIRST)
}

#[cfg(test)]
mod tests {
    use super::inner_tid;

    #[test]
    fn a_process_knows_its_own_number() {
        let pid = std::process::id().cast_signed();
        assert_eq!(inner_tid(pid, pid), Some(pid));
        assert_eq!(inner_tid(pid, 0), None);
    }
}
