//! What a process is called in its own namespace, where a container gives it other numbers.

/// The number that thread `tid` of `pid` has in its own PID namespace: what its own code gets from the system.
#[must_use]
pub fn inner_tid(pid: i32, tid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
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
