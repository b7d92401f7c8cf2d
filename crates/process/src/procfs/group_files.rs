//! Where a cgroup's files are, and the numbers in them.

use std::fs;
use std::path::{Component, Path, PathBuf};

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

/// The directory of a group in a mounted hierarchy, by the path that the kernel gives for it; `None` where it cannot be
/// seen from here. In a container the mount may begin at the container's own group while the path is the host's; and a
/// path that climbs (`/../other`) is of a group beside the one that is this process's root.
pub(super) fn existing(root: &Path, path: &str) -> Option<PathBuf> {
    let below = |path: &str| {
        let inside = !Path::new(path).components().any(|part| part == Component::ParentDir);
        Some(root.join(path.trim_start_matches('/'))).filter(|dir| inside && dir.is_dir())
    };
    below(path).or_else(|| {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        below(after(path, &first_group(&mounts, &root.canonicalize().ok()?)?)?)
    })
}

/// The group that a mounted hierarchy begins with, from the text of `mountinfo`.
fn first_group(mounts: &str, point: &Path) -> Option<String> {
    let mounted = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let fields = mounted.map(|line| line.split(' ').skip(3));
    // What is mounted last lies on top.
    let places: Vec<_> = fields.filter_map(|mut f| Some((f.next()?, f.next()?))).collect();
    places.iter().rev().find(|(_, at)| Path::new(at) == point).map(|(root, _)| (*root).to_owned())
}

/// What of a path comes after a group around it.
fn after<'a>(path: &'a str, group: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(group.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Whether what limits a process's memory can be seen: the group in the text of its `/proc/PID/cgroup` that counts memory,
/// below `mount`. In the first group of all (`initial`: this process sees that as the root) nothing is limited.
pub(super) fn visible(proc_cgroup: &str, mount: &Path, initial: bool) -> bool {
    let lines = || proc_cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let v1 = lines().find(|(controllers, _)| controllers.split(',').any(|c| c == "memory"));
    let (path, roots) = match (v1, lines().find(|(controllers, _)| controllers.is_empty())) {
        (Some((controllers, path)), _) => (path, [mount.join("memory"), mount.join(controllers)]),
        (None, Some((_, path))) => (path, [mount.to_owned(), mount.join("unified")]),
        (None, None) => return true,
    };
    let is_group = |root: &PathBuf| existing(root, path).is_some_and(|dir| dir.join("cgroup.procs").exists());
    initial && path == "/" || roots.iter().any(is_group)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_may_begin_at_a_group_further_down() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
            36 31 0:33 /docker/x /sys/fs/cgroup/memory ro,nosuid master:1 - cgroup cgroup rw,memory\n\
            37 31 0:34 / /sys/fs/cgroup/memory/more rw - tmpfs tmpfs rw\n";
        let first = |at: &str| first_group(mounts, Path::new(at));
        assert_eq!(first("/sys/fs/cgroup/memory").as_deref(), Some("/docker/x"));
        assert_eq!((first("/sys/fs/cgroup"), first("/sys/fs/cgroup/memory/more")), (None, None));
        assert_eq!(
            (after("/docker/x", "/docker/x"), after("/docker/x/a", "/docker/x")),
            (Some(""), Some("/a"))
        );
        assert_eq!((after("/docker/xy", "/docker/x"), after("/a", "/")), (None, Some("/a")));
    }

    #[test]
    fn a_group_that_is_not_below_what_is_mounted_is_not_another_one() {
        let root = tempfile::tempdir().unwrap();
        group(root.path(), "pod/own", &[("cgroup.procs", "1")]);
        let own = root.path().join("pod/own");
        assert_eq!(existing(root.path(), "/pod/own"), Some(own.clone()));
        assert_eq!(existing(&own, "/"), Some(own.join("")));
        // A container beside this one, in one pod: its limits are not ours.
        group(root.path(), "pod/other", &[("cgroup.procs", "1")]);
        assert_eq!(existing(&own, "/../other"), None);
        assert_eq!(existing(&own, "/docker/x"), None);
    }

    #[test]
    fn limits_that_cannot_be_seen_are_not_none() {
        let root = tempfile::tempdir().unwrap();
        group(root.path(), "own", &[("cgroup.procs", "1")]);
        group(root.path(), "memory/x", &[("cgroup.procs", "1")]);
        let seen = |text: &str| visible(text, root.path(), false);
        assert!(seen("0::/own\n") && seen("4:memory:/x\n0::/nowhere\n") && seen(""));
        assert!(!seen("0::/../other\n") && !seen("4:cpu,memory:/y\n0::/own\n") && !seen("0::/\n"));
        // No hierarchy is mounted, and there is no group but the first.
        assert!(
            visible("0::/\n", Path::new("/nowhere"), true)
                && !visible("0::/a\n", Path::new("/nowhere"), true)
        );
    }
}
