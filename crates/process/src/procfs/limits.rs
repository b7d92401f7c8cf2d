//! What bounds a process, and what it runs: its descriptor limit, its cgroup's name, its program.

use crate::Process;
use std::fs;
use std::path::PathBuf;

impl Process {
    /// Soft limit of open descriptors; `None` where it cannot be read or there is none.
    #[must_use]
    pub fn max_fds(&self) -> Option<u64> {
        parse_max_fds(&fs::read_to_string(self.path("limits")).ok()?)
    }

    /// The text of `/proc/PID/cgroup`.
    #[must_use]
    pub fn cgroup_text(&self) -> Option<String> {
        fs::read_to_string(self.path("cgroup")).ok()
    }

    /// The program that it runs; it changes when the process executes another.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        fs::read_link(self.path("exe")).ok()
    }
}

fn parse_max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let text = "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(parse_max_fds(text), Some(1024));
        assert_eq!(parse_max_fds("Max open files unlimited unlimited files"), None);
        let me = Process::open(std::process::id() as i32).unwrap();
        assert!(me.max_fds().is_some_and(|n| n > 0) && me.program().is_some() && me.cgroup_text().is_some());
    }
}
