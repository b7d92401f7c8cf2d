//! Finds the interpreters: pyenv's, Debian's own, and those that `tests/interpreters.sh` unpacked beside.

use crate::target::start;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One interpreter and how to start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The whole version.
    pub version: (u32, u32, u32),
    /// Name for messages, the path or `debian-3.14 (chroot)`.
    pub name: String,
    /// Whether it is linked with musl instead of glibc.
    pub musl: bool,
    /// Whether it was built without the GIL.
    pub free_threaded: bool,
    command: Vec<OsString>,
    root: Option<PathBuf>,
}

impl Python {
    /// The root that it is started in, where it has one of its own.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// A command that starts this interpreter; add arguments to it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command
    }

    /// The file itself, where it is started without a chroot.
    #[must_use]
    pub fn executable(&self) -> Option<&Path> {
        match self.command.as_slice() {
            [file] => Some(Path::new(file)),
            _ => None,
        }
    }

    /// Major and minor version.
    #[must_use]
    pub fn minor(&self) -> (u32, u32) {
        (self.version.0, self.version.1)
    }

    fn probe(name: String, command: Vec<OsString>, root: Option<PathBuf>) -> Option<Self> {
        let mut python = Self { version: (0, 0, 0), name, musl: false, free_threaded: false, command, root };
        let args = ["-I", "-c", "import sys; print(*sys.version_info[:3])"];
        let mut command = python.command();
        let command = command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let out = start(command).ok()?.wait_with_output().ok()?;
        let text = String::from_utf8(out.stdout).ok()?;
        let mut parts = text.split_whitespace().map(|w| w.parse::<u32>().ok());
        python.version = (parts.next()??, parts.next()??, parts.next()??);
        Some(python)
    }
}

/// Every interpreter from 3.8 on that starts on this machine, one per real file, in order of version. Each is started once in
/// the life of a test program, to ask.
///
/// # Panics
/// Where there is none at all: a live test that compares with nothing must not pass.
#[must_use]
pub fn pythons() -> Vec<Python> {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(installed).clone()
}

/// One of those for each minor version, the first: for what depends on layouts, and not on how an interpreter was built.
#[must_use]
pub fn minor_versions() -> Vec<Python> {
    let mut all = pythons();
    all.dedup_by_key(|p| p.minor());
    all
}

/// Calls it for each of these, a few side by side: for what waits more than it works.
pub fn side_by_side(pythons: &[Python], each: impl Fn(&Python) + Sync) {
    const SIDE_BY_SIDE: usize = 4;
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(python) = pythons.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(python);
                }
            });
        }
    });
}

fn installed() -> Vec<Python> {
    let mut files: Vec<PathBuf> = Vec::new();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    files.extend(children(&home.join(".pyenv/versions")).into_iter().map(|d| d.join("bin/python3")));
    for dir in ["/usr/bin", "/usr/local/bin"] {
        files.push(Path::new(dir).join("python3"));
        files.extend((8..=15).map(|minor| Path::new(dir).join(format!("python3.{minor}"))));
    }
    let mut files: Vec<PathBuf> = files.iter().filter_map(|f| f.canonicalize().ok()).collect();
    files.sort();
    files.dedup();
    let plain =
        files.into_iter().filter_map(|f| Python::probe(f.display().to_string(), vec![f.into()], None));
    let mut found: Vec<Python> = plain.chain(unpacked()).filter(|p| p.version >= (3, 8, 0)).collect();
    found.sort_by_key(|p| p.version);
    assert!(!found.is_empty(), "no CPython 3.8+ on this machine");
    found
}

/// Every interpreter with a GIL: those of [`pythons`] and of [`static_pythons`].
#[must_use]
pub fn all_pythons() -> Vec<Python> {
    pythons().into_iter().chain(static_pythons()).collect()
}

/// The static builds with a GIL, for glibc and musl, in order of version: 3.11 and later. None where
/// `tests/interpreters.sh` has not fetched them.
#[must_use]
pub fn static_pythons() -> Vec<Python> {
    from_wheels().into_iter().filter(|p| !p.free_threaded).collect()
}

/// The free-threaded builds, for glibc and musl, in order of version: 3.13 and later. None where
/// `tests/interpreters.sh` has not fetched them.
#[must_use]
pub fn free_threaded_pythons() -> Vec<Python> {
    from_wheels().into_iter().filter(|p| p.free_threaded).collect()
}

/// The first and the last of these, which may be the same one.
#[must_use]
pub fn ends(pythons: &[Python]) -> Vec<Python> {
    let last = pythons.iter().skip(1).last();
    pythons.first().into_iter().chain(last).cloned().collect()
}

/// Enters the root `$1` with its `/proc` in a mount namespace of its own, so that nothing stays mounted.
const ENTER: &str = r#"r=$1; shift; mount -t proc proc "$r/proc" && exec chroot "$r" "$@""#;

/// `$M5_INTERPRETERS` or the cache.
fn fetched() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let dir = std::env::var_os("M5_INTERPRETERS")
        .map_or_else(|| home.join(".cache/m5/interpreters"), PathBuf::from);
    children(&dir)
}

/// A Python at a path inside a root of its own.
fn in_root(root: &Path, python: &str) -> Option<Python> {
    let name = root.file_name()?.to_str()?;
    let mut with_proc: Vec<OsString> = ["unshare", "--mount", "sh", "-c", ENTER].map(Into::into).into();
    with_proc.extend(["sh".into(), root.into(), python.into()]);
    let plain = vec!["chroot".into(), root.into(), python.into()];
    Python::probe(format!("{name} (chroot)"), with_proc, Some(root.to_owned()))
        .or_else(|| Python::probe(format!("{name} (chroot, no /proc)"), plain, Some(root.to_owned())))
}

/// Debian roots, each named `debian-3.Y` or `debian-3.Y-suite`.
fn unpacked() -> Vec<Python> {
    let start = |root: PathBuf| {
        let version = root.file_name()?.to_str()?.strip_prefix("debian-")?.split('-').next()?.to_owned();
        in_root(&root, &format!("/usr/bin/python{version}"))
    };
    fetched().into_iter().filter_map(start).collect()
}

/// Roots named `wheel-3.Y-libc` or, without the GIL, `wheel-3.Yt-libc`.
fn from_wheels() -> Vec<Python> {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(in_wheels).clone()
}

fn in_wheels() -> Vec<Python> {
    let start = |root: PathBuf| {
        let name = root.file_name()?.to_str()?.to_owned();
        let (version, libc) = name.strip_prefix("wheel-")?.split_once('-')?;
        let musl = libc == "musl";
        let mut python = if musl {
            in_root(&root, "/usr/local/python")?
        } else {
            Python::probe(name.clone(), vec![root.join("python").into()], None)?
        };
        (python.musl, python.free_threaded) = (musl, version.ends_with('t'));
        Some(python)
    };
    let mut found: Vec<Python> = fetched().into_iter().filter_map(start).collect();
    found.sort_by_key(|p| (p.version, p.musl));
    found
}

fn children(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}
