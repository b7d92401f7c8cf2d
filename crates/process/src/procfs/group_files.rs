//! Where a cgroup's files are, and the numbers in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Inside a container the path may be the host's; then the mount itself is the process's own cgroup.
pub(super) fn existing(root: &Path, path: &str) -> Option<PathBuf> {
    let full = root.join(path.trim_start_matches('/'));
    [full, root.to_owned()].into_iter().find(|p| p.is_dir())
}

/// The number that a file holds.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
