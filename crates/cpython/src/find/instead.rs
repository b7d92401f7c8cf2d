//! What a process is that has no interpreter m5 can read: told, so that nobody has to find out.

use m5_process::Process;

/// Interpreters below that are told, at most.
const TOLD: usize = 5;

/// What a process is in place of CPython 3.8 or later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Instead {
    /// It has ended, and this process has not asked for its end yet.
    Zombie {
        /// The parent.
        parent: i32,
    },
    /// Another Python, by its name: `PyPy`, `GraalPy`.
    Other {
        /// The name.
        name: &'static str,
    },
    /// A CPython that is too old: `2.7`, `3.6`.
    Old {
        /// Its version.
        version: String,
    },
    /// A shell, a boot-loader, a supervisor: the interpreters run below it.
    Around {
        /// Its own name.
        name: String,
        /// Their pids.
        below: Vec<i32>,
    },
    /// None of these.
    #[default]
    Nothing,
}

impl Instead {
    /// Looks at a process that has no `_PyRuntime`. What cannot be read is [`Instead::Nothing`].
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let Ok(process) = Process::open(pid) else { return Self::Nothing };
        let Ok(stat) = process.stat() else { return Self::Nothing };
        if matches!(stat.state, 'Z' | 'X') {
            return Self::Zombie { parent: stat.ppid };
        }
        let maps = process.maps().unwrap_or_default();
        let files = || maps.iter().filter(|m| m.executable).map(|m| name_of(&m.path));
        if let Some(name) = files().find_map(other) {
            return Self::Other { name };
        }
        let below: Vec<i32> = Process::descendants(pid).unwrap_or_default();
        let runs = |pid: &i32| Process::open(*pid).is_ok_and(|p| super::find(&p).is_ok());
        let below: Vec<i32> = below.into_iter().filter(runs).take(TOLD).collect();
        match files().find_map(old) {
            _ if !below.is_empty() => Self::Around { name: stat.comm, below },
            Some(version) => Self::Old { version },
            None => Self::Nothing,
        }
    }
}

fn name_of(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// A Python of other making, by the name of its program or library.
fn other(file: &str) -> Option<&'static str> {
    let known = [("pypy", "PyPy"), ("graalpy", "GraalPy"), ("pythonvm", "GraalPy")];
    let file = file.strip_prefix("lib").unwrap_or(file);
    known.iter().find(|(begin, _)| file.starts_with(begin)).map(|(_, name)| *name)
}

/// The version of a CPython before 3.8, by the name of its program or library: `python2.7`, `libpython3.6m.so.1.0`.
fn old(file: &str) -> Option<String> {
    let rest = file.strip_prefix("lib").unwrap_or(file).strip_prefix("python")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let major = digits(rest);
    let minor = digits(rest[major.len()..].strip_prefix('.')?);
    let version = (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?);
    (version < (3, 8)).then(|| format!("{}.{}", version.0, version.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn names_tell_other_pythons() {
        assert_eq!(other("pypy3"), Some("PyPy"));
        assert_eq!(other("libpypy3.9-c.so"), Some("PyPy"));
        assert_eq!(other(name_of("/usr/lib/jvm/libpythonvm.so")), Some("GraalPy"));
        assert_eq!(other("python3.11"), None);
        assert_eq!(old("python2.7").as_deref(), Some("2.7"));
        assert_eq!(old(name_of("/x/libpython3.6m.so.1.0 (deleted)")).as_deref(), Some("3.6"));
        assert!(old("python3.8").is_none() && old("python3").is_none() && old("pythonic").is_none());
    }

    #[test]
    fn a_zombie_has_a_parent() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let zombie = || Process::open(pid).is_ok_and(|p| p.stat().is_ok_and(|s| s.state == 'Z'));
        while !zombie() {
            std::thread::yield_now();
        }
        assert_eq!(Instead::of(pid), Instead::Zombie { parent: std::process::id() as i32 });
        child.wait().unwrap();
        assert_eq!(Instead::of(pid), Instead::Nothing);
    }

    #[test]
    fn what_runs_below_a_shell_is_named() {
        use std::io::{BufRead, BufReader};
        let python = m5_testkit::pythons().into_iter().find(|p| p.executable().is_some()).unwrap();
        let program = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()";
        let script = format!("'{}' -c '{program}'; :", python.executable().unwrap().display());
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let below = vec![line.trim().parse().unwrap()];
        assert_eq!(Instead::of(shell.id() as i32), Instead::Around { name: "sh".to_owned(), below });
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }
}
