//! Where a cgroup's files are, and the numbers in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the group that a controller (`memory`, `cpu`) is bound to, in either version of cgroups.
pub(super) fn directory(proc_cgroup: &str, mount: &Path, controller: &str) -> Option<PathBuf> {
    let v1 = proc_cgroup.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|c| c == controller).then_some((controllers, path))
    });
    match v1 {
        // Some systems mount controllers that belong together by all their names, some by each one's own.
        Some((controllers, path)) => {
            let roots = [mount.join(controller), mount.join(controllers)];
            existing(roots.iter().find(|r| r.is_dir())?, path)
        }
        None => existing(mount, proc_cgroup.lines().find_map(|l| l.strip_prefix("0::"))?),
    }
}

/// Inside a container the path may be the host's; then the mount itself is the process's own cgroup.
pub(super) fn existing(root: &Path, path: &str) -> Option<PathBuf> {
    let full = root.join(path.trim_start_matches('/'));
    [full, root.to_owned()].into_iter().find(|p| p.is_dir())
}

/// The number that a file holds.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A made-up group with its files, for tests.
#[cfg(test)]
pub(super) fn group(root: &Path, path: &str, files: &[(&str, &str)]) {
    let dir = root.join(path);
    fs::create_dir_all(&dir).unwrap();
    files.iter().for_each(|(name, text)| fs::write(dir.join(name), format!("{text}\n")).unwrap());
}
