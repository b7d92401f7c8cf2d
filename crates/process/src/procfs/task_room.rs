//! How many tasks a process may still start before the limit of a cgroup (`pids.max`, version 1 and 2) refuses it one.

use super::cgroup::CGROUPS;
use super::group_files::{existing, number};
use crate::Process;
use std::path::Path;

impl Process {
    /// The least that is left below any limit around it; `None` where none is limited.
    #[must_use]
    pub fn tasks_left(&self) -> Option<u64> {
        left(&self.cgroup_text()?, Path::new(CGROUPS))
    }
}

fn left(proc_cgroup: &str, mount: &Path) -> Option<u64> {
    let groups = proc_cgroup.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let root = match controllers {
            "" => mount.to_owned(),
            list if list.split(',').any(|c| c == "pids") => mount.join("pids"),
            _ => return None,
        };
        existing(&root, path).map(|dir| (root, dir))
    });
    groups.filter_map(|(root, dir)| below(&root, &dir)).min()
}

/// What is left in a group and those around it.
fn below(root: &Path, dir: &Path) -> Option<u64> {
    let around = dir.ancestors().take_while(|d| d.starts_with(root));
    let left = |dir: &Path| {
        let (most, now) = (number(&dir.join("pids.max"))?, number(&dir.join("pids.current"))?);
        Some(most.saturating_sub(now))
    };
    around.filter_map(left).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn group(root: &Path, path: &str, most: &str, now: &str) {
        let dir = root.join(path);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("pids.max"), most).unwrap();
        fs::write(dir.join("pids.current"), now).unwrap();
    }

    #[test]
    fn the_tightest_group_counts_in_both_versions() {
        let root = tempfile::tempdir().unwrap();
        group(root.path(), "pod", "100\n", "98\n");
        group(root.path(), "pod/engine", "50\n", "10\n");
        group(root.path(), "pids/docker", "max\n", "7\n");
        group(root.path(), "pids/docker/x", "30\n", "25\n");
        let of = |text: &str| left(text, root.path());
        assert_eq!(of("0::/pod/engine\n"), Some(2));
        assert_eq!(of("8:pids:/docker/x\n4:memory:/m\n"), Some(5));
        assert_eq!(of("8:pids:/docker\n"), None);
        assert_eq!(of(""), None);
    }
}
