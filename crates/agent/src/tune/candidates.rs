//! Which settings are tried.

use m5_heap::trim::RETURNING;
use m5_report::tune::{Lack, LeftOut};
use std::path::{Path, PathBuf};

/// A setting under a name: environment variables, or what is done to the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Unique.
    pub name: String,
    /// What is set.
    pub environment: Vec<(String, String)>,
    /// Whether the process is started without transparent huge pages.
    pub no_huge_pages: bool,
    /// What is written into the living process after its warm-up.
    pub collector: Option<Collector>,
    /// Settings of one kind exclude each other.
    kind: Kind,
}

/// What is done to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collector {
    /// Other thresholds.
    Thresholds([i32; 3]),
    /// What lives after the warm-up is never looked at again.
    Freeze,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Arenas,
    Trim,
    Pad,
    Caches,
    Python,
    HugePages,
    Collector,
    /// Another allocator: nothing of the C library's own has an effect then.
    Allocator,
    /// What another allocator does with what is free.
    Returns,
}

impl Setting {
    fn new(name: &str, variable: &str, value: &str, kind: Kind) -> Self {
        let environment = vec![(variable.to_owned(), value.to_owned())];
        Self { name: name.to_owned(), environment, no_huge_pages: false, collector: None, kind }
    }

    fn collector(name: &str, collector: Collector) -> Self {
        let plain = Self::without_huge_pages();
        let kind = Kind::Collector;
        Self { name: name.to_owned(), no_huge_pages: false, collector: Some(collector), kind, ..plain }
    }

    fn without_huge_pages() -> Self {
        Self {
            name: "no-huge-pages".to_owned(),
            environment: Vec::new(),
            no_huge_pages: true,
            collector: None,
            kind: Kind::HugePages,
        }
    }

    /// Lines of Python that do what no variable of the environment does.
    #[must_use]
    pub fn python(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.no_huge_pages {
            lines.push("import ctypes; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # at the start".to_owned());
        }
        match self.collector {
            Some(Collector::Thresholds([a, b, c])) => {
                lines.push(format!("import gc; gc.set_threshold({a}, {b}, {c})  # after the warm-up"));
            }
            Some(Collector::Freeze) => {
                lines.push("import gc; gc.collect(); gc.freeze()  # after the warm-up".to_owned());
            }
            None => {}
        }
        lines
    }

    /// Whether both can be set at once, each with an effect.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        let allocators = [self, other].iter().filter(|s| s.kind == Kind::Allocator).count();
        let libc = |s: &Self| matches!(s.kind, Kind::Arenas | Kind::Trim | Kind::Pad | Kind::Caches);
        self.kind != other.kind && !(allocators == 1 && (libc(self) || libc(other)))
    }

    /// Both at once.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let environment = self.environment.iter().chain(&other.environment).cloned().collect();
        Self {
            name: format!("{} + {}", self.name, other.name),
            environment,
            no_huge_pages: self.no_huge_pages || other.no_huge_pages,
            collector: self.collector.or(other.collector),
            kind: self.kind,
        }
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
const PRELOAD: &str = "LD_PRELOAD";

/// Settings that can be tried here, and those that cannot. What is set already, by the environment or by words of the
/// command (`env NAME=VALUE …`), is not tried.
#[must_use]
pub fn candidates(set: impl Fn(&str) -> Option<String>) -> (Vec<Setting>, Vec<LeftOut>) {
    let tunable = "GLIBC_TUNABLES";
    let mut all = vec![
        Setting::new("arenas-1", "MALLOC_ARENA_MAX", "1", Kind::Arenas),
        Setting::new("arenas-2", "MALLOC_ARENA_MAX", "2", Kind::Arenas),
        Setting::new("trim-128k", "MALLOC_TRIM_THRESHOLD_", "131072", Kind::Trim),
        Setting::new("pad-0", "MALLOC_TOP_PAD_", "0", Kind::Pad),
        Setting::new("no-tcache", tunable, "glibc.malloc.tcache_count=0", Kind::Caches),
        Setting::new("pymalloc-off", "PYTHONMALLOC", "malloc", Kind::Python),
    ];
    all.push(Setting::collector("gc-10000", Collector::Thresholds([10_000, 10, 10])));
    all.push(Setting::collector("gc-freeze", Collector::Freeze));
    let mut left_out = Vec::new();
    match huge_pages() {
        true => all.push(Setting::without_huge_pages()),
        false => left_out.push(LeftOut { name: "no-huge-pages".to_owned(), lack: Lack::Off }),
    }
    let preloaded = set(PRELOAD).unwrap_or_default();
    for (name, files) in ALLOCATORS {
        match installed(files) {
            Some(path) => {
                all.push(Setting::new(name, PRELOAD, &path.display().to_string(), Kind::Allocator));
            }
            None => left_out.push(LeftOut { name: name.to_owned(), lack: Lack::NotInstalled }),
        }
        all.extend(returning(name).filter(|_| preloaded.contains(name)));
    }
    // A Python without a GIL has its own.
    all.extend(returning("mimalloc").filter(|_| !preloaded.contains("mimalloc")));
    let of =
        |s: &Setting| s.environment.iter().map(|(name, _)| name.clone()).find(|name| set(name).is_some());
    let (taken, free): (Vec<Setting>, Vec<Setting>) = all.into_iter().partition(|s| of(s).is_some());
    left_out.extend(
        taken.into_iter().map(|s| LeftOut { lack: Lack::Set(of(&s).unwrap_or_default()), name: s.name }),
    );
    (free, left_out)
}

/// Every name that a setting may have on some machine.
#[must_use]
pub fn names() -> Vec<String> {
    let (free, left_out) = candidates(|_| None);
    let known = free.into_iter().map(|s| s.name).chain(left_out.into_iter().map(|l| l.name));
    let mut all: Vec<String> = known.chain(RETURNING.iter().map(|r| format!("{}-returns", r.name))).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What makes an allocator that is in use return what is free.
fn returning(name: &str) -> Option<Setting> {
    let known = RETURNING.iter().find(|known| known.name == name)?;
    let environment = known.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Some(Setting {
        name: format!("{name}-returns"),
        environment: environment.collect(),
        no_huge_pages: false,
        collector: None,
        kind: Kind::Returns,
    })
}

/// Whether the kernel gives huge pages to whoever wants them, or to all.
fn huge_pages() -> bool {
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    setting.is_ok_and(|s| !s.contains("[never]"))
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
        let (all, left_out) = candidates(|name| (name == "MALLOC_ARENA_MAX").then(String::new));
        assert!(all.iter().all(|s| !s.name.starts_with("arenas")) && all.len() >= 4);
        assert!(left_out.iter().filter(|l| l.lack == Lack::Set("MALLOC_ARENA_MAX".to_owned())).count() == 2);
    }

    #[test]
    fn who_is_started_under_another_allocator_is_told_what_returns_its_memory() {
        let (all, left_out) = candidates(|name| (name == PRELOAD).then(|| "/x/libtcmalloc.so.4".to_owned()));
        let found = all.iter().find(|s| s.name == "tcmalloc-returns").unwrap();
        assert_eq!(found.environment, [("TCMALLOC_AGGRESSIVE_DECOMMIT".to_owned(), "1".to_owned())]);
        assert!(all.iter().all(|s| s.kind != Kind::Allocator && s.name != "jemalloc-returns"));
        assert!(!left_out.is_empty());
        let (plain, _) = candidates(|_| None);
        assert!(plain.iter().all(|s| s.name != "tcmalloc-returns"));
        assert!(plain.iter().any(|s| s.name == "mimalloc-returns"), "an interpreter's own");
    }

    #[test]
    fn what_excludes_each_other() {
        let [arenas, more, trim, python] = ["arenas-1", "arenas-2", "trim-128k", "pymalloc-off"]
            .map(|name| candidates(|_| None).0.into_iter().find(|s| s.name == name).unwrap());
        let other = Setting::new("jemalloc", "LD_PRELOAD", "/x", Kind::Allocator);
        assert!(!arenas.goes_with(&more) && arenas.goes_with(&trim) && !arenas.goes_with(&other));
        assert!(other.goes_with(&python) && !other.goes_with(&other));
        assert_eq!(arenas.and(&trim).environment.len(), 2);
        let [rare, freeze] = ["gc-10000", "gc-freeze"]
            .map(|name| candidates(|_| None).0.into_iter().find(|s| s.name == name).unwrap());
        assert!(!rare.goes_with(&freeze) && rare.goes_with(&arenas) && rare.goes_with(&other));
        let both = arenas.and(&rare);
        assert!(both.environment.len() == 1 && both.python() == rare.python() && rare.python().len() == 1);
    }
}
