//! Which settings are tried.

use m5_report::tune::LeftOut;
use std::path::{Path, PathBuf};

/// A setting: environment variables under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Unique.
    pub name: String,
    /// What is set.
    pub environment: Vec<(String, String)>,
    /// Settings of one kind exclude each other.
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Arenas,
    Trim,
    Pad,
    Caches,
    Python,
    /// Another allocator: nothing of the C library's own has an effect then.
    Allocator,
}

impl Setting {
    fn new(name: &str, variable: &str, value: &str, kind: Kind) -> Self {
        let environment = vec![(variable.to_owned(), value.to_owned())];
        Self { name: name.to_owned(), environment, kind }
    }

    /// Whether both can be set at once, each with an effect.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        let allocators = [self, other].iter().filter(|s| s.kind == Kind::Allocator).count();
        let libc = |s: &Self| !matches!(s.kind, Kind::Allocator | Kind::Python);
        self.kind != other.kind && !(allocators == 1 && (libc(self) || libc(other)))
    }

    /// Both at once.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let environment = self.environment.iter().chain(&other.environment).cloned().collect();
        Self { name: format!("{} + {}", self.name, other.name), environment, kind: self.kind }
    }
}

/// Allocators by the names of their libraries.
const ALLOCATORS: [(&str, &[&str]); 3] = [
    ("jemalloc", &["libjemalloc.so.2"]),
    ("mimalloc", &["libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"]),
    ("tcmalloc", &["libtcmalloc_minimal.so.4", "libtcmalloc.so.4"]),
];
/// Where libraries lie.
const FOLDERS: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/lib",
];

/// Settings that can be tried here, and those that cannot. What the environment sets already is not tried.
#[must_use]
pub fn candidates(is_set: impl Fn(&str) -> bool) -> (Vec<Setting>, Vec<LeftOut>) {
    let tunable = "GLIBC_TUNABLES";
    let mut all = vec![
        Setting::new("arenas-1", "MALLOC_ARENA_MAX", "1", Kind::Arenas),
        Setting::new("arenas-2", "MALLOC_ARENA_MAX", "2", Kind::Arenas),
        Setting::new("trim-128k", "MALLOC_TRIM_THRESHOLD_", "131072", Kind::Trim),
        Setting::new("pad-0", "MALLOC_TOP_PAD_", "0", Kind::Pad),
        Setting::new("no-tcache", tunable, "glibc.malloc.tcache_count=0", Kind::Caches),
        Setting::new("pymalloc-off", "PYTHONMALLOC", "malloc", Kind::Python),
    ];
    let mut left_out = Vec::new();
    for (name, files) in ALLOCATORS {
        match installed(files) {
            Some(path) => {
                all.push(Setting::new(name, "LD_PRELOAD", &path.display().to_string(), Kind::Allocator));
            }
            None => left_out.push(LeftOut { name: name.to_owned(), reason: "not installed".to_owned() }),
        }
    }
    let (taken, free): (Vec<Setting>, Vec<Setting>) =
        all.into_iter().partition(|s| s.environment.iter().any(|(variable, _)| is_set(variable)));
    left_out.extend(taken.into_iter().map(|s| LeftOut {
        name: s.name,
        reason: format!("{} is set already", s.environment.first().map_or("", |(variable, _)| variable)),
    }));
    (free, left_out)
}

fn installed(files: &[&str]) -> Option<PathBuf> {
    files
        .iter()
        .flat_map(|file| FOLDERS.map(|folder| Path::new(folder).join(file)))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_already_is_not_tried() {
        let (all, left_out) = candidates(|name| name == "MALLOC_ARENA_MAX");
        assert!(all.iter().all(|s| !s.name.starts_with("arenas")) && all.len() >= 4);
        assert!(left_out.iter().filter(|l| l.reason.contains("MALLOC_ARENA_MAX")).count() == 2);
    }

    #[test]
    fn what_excludes_each_other() {
        let [arenas, more, trim, python] = ["arenas-1", "arenas-2", "trim-128k", "pymalloc-off"]
            .map(|name| candidates(|_| false).0.into_iter().find(|s| s.name == name).unwrap());
        let other = Setting::new("jemalloc", "LD_PRELOAD", "/x", Kind::Allocator);
        assert!(!arenas.goes_with(&more) && arenas.goes_with(&trim) && !arenas.goes_with(&other));
        assert!(other.goes_with(&python) && !other.goes_with(&other));
        assert_eq!(arenas.and(&trim).environment.len(), 2);
    }
}
