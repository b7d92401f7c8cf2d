//! Targets that must live on, and what a test does to them and asks of them.
#![allow(clippy::unwrap_used, clippy::panic)]
// Each test file takes what it needs.
#![allow(dead_code)]

use m5_testkit::{Python, Target, pythons};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The oldest and the newest interpreter that needs no root of its own.
pub(crate) fn ends() -> Vec<Python> {
    let mut all: Vec<Python> = pythons().into_iter().filter(|p| p.name.starts_with('/')).collect();
    let newest = all.pop();
    all.into_iter().take(1).chain(newest).collect()
}

pub(crate) fn newest() -> Python {
    ends().pop().unwrap()
}

pub(crate) fn ready(python: &Python, program: &str) -> Target {
    let mut target = Target::start(python, program);
    assert_eq!(target.line(), "ready");
    target
}

pub(crate) fn lives(target: &mut Target) {
    assert!(target.child().try_wait().unwrap().is_none(), "the target died");
    target.say("?");
    assert_eq!(target.line(), "alive");
}

pub(crate) fn signal(pid: i32, number: i32) {
    let sent = Command::new("kill").args([format!("-{number}"), pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// States of a process's threads.
pub(crate) fn states(pid: i32) -> Vec<char> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let state = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("stat")).ok()?;
        text.rsplit_once(") ")?.1.chars().next()
    };
    tasks.filter_map(state).collect()
}

pub(crate) fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// What the descriptors of a process are of; none where it has ended.
pub(crate) fn descriptors(pid: u32) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok())
}

/// How often a process has waited for something.
pub(crate) fn waits(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

/// Whether a process is no more than an exit code.
pub(crate) fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Waits for something to be so; false where it never is.
pub(crate) fn until(most: Duration, mut what: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + most;
    loop {
        if what() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        // Whoever waits leaves the processors to those that are waited for.
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn signal_if_alive(child: &Child, number: i32) {
    let _ = Command::new("kill")
        .args([format!("-{number}"), child.id().to_string()])
        .stderr(Stdio::null())
        .status();
}

/// A memory cgroup for one target, in either version.
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let made = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].into_iter().find_map(|root| {
            let dir = PathBuf::from(root).join(format!("m5-test-{name}-{}", std::process::id()));
            fs::create_dir(&dir).ok()?;
            let counts = ["memory.usage_in_bytes", "memory.current"].iter().any(|f| dir.join(f).exists());
            counts.then_some(Self(dir.clone())).or_else(|| fs::remove_dir(&dir).err().and(None))
        });
        if made.is_none() {
            eprintln!("left out: no memory cgroup can be made here");
        }
        made
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a process that runs into it.
    pub(crate) fn take(&self, pid: i32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    pub(crate) fn file(&self, names: [&str; 2]) -> PathBuf {
        names.iter().map(|n| self.0.join(n)).find(|p| p.exists()).unwrap()
    }

    pub(crate) fn used(&self) -> u64 {
        let text = fs::read_to_string(self.file(["memory.usage_in_bytes", "memory.current"])).unwrap();
        text.trim().parse().unwrap()
    }

    pub(crate) fn limit(&self, bytes: u64) {
        fs::write(self.file(["memory.limit_in_bytes", "memory.max"]), bytes.to_string()).unwrap();
    }

    /// Starts a command inside the group.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display()), "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets a group go a moment after its last process.
        for _ in 0..200 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
