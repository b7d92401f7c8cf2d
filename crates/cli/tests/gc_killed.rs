//! `m5 gc --set`, `--optimize` and `--freeze` killed at random moments: the next `--undo` knows what was done and takes it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, all_pythons, pythons};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{folder, m5, root, verdict};

/// Tells its thresholds and how many objects are frozen, while the main thread makes objects that only a collection frees.
const PROGRAM: &str = "
import gc, sys, threading
gc.set_threshold(701, 11, 13)
kept = [[i] for i in range(20000)]
def answer():
    for line in sys.stdin:
        print(*gc.get_threshold()[:2], gc.get_freeze_count(), flush=True)
threading.Thread(target=answer, daemon=True).start()
print('ready', flush=True)
wait = threading.Event()
while True:
    for _ in range(200):
        own = []; own.append(own)
    wait.wait(0.0005)
";
const AS_IT_WAS: [u64; 3] = [701, 11, 0];

fn rounds() -> u32 {
    if std::env::var_os("M5_SLOW").is_some() { 200 } else { 12 }
}

/// A target, and an m5 whose journal lies in a folder of its own.
struct Trial {
    target: Target,
    state: tempfile::TempDir,
    /// How long a whole run takes here and now.
    whole: Duration,
    seed: u64,
}

impl Trial {
    fn new(command: Command) -> Self {
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        Self { target, state: folder(), whole: Duration::ZERO, seed: 0x9e37_79b9 }
    }

    fn m5(&self, args: &[&str]) -> Command {
        let mut command = m5();
        command.env("XDG_STATE_HOME", self.state.path()).args(["gc", "-p", &self.target.pid().to_string()]);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn state(&mut self) -> [u64; 3] {
        self.target.say("");
        self.target.numbers().try_into().unwrap()
    }

    fn undo(&self) {
        let (code, said) = verdict(&self.m5(&["--undo"]).output().unwrap());
        assert!(code == 0 || code == 2 && said.contains("nothing"), "{code}: {said}");
    }

    /// Runs to the end, undoes it, and remembers how long the run took.
    fn whole(&mut self, args: &[&str]) {
        let began = Instant::now();
        let (code, said) = verdict(&self.m5(args).output().unwrap());
        self.whole = began.elapsed();
        assert_eq!(code, 0, "{said}");
        assert_ne!(self.state(), AS_IT_WAS);
        self.undo();
        assert_eq!(self.state(), AS_IT_WAS);
    }

    /// Runs and is killed at some moment of the run.
    fn killed(&mut self, args: &[&str]) {
        self.killed_within(self.whole, args);
    }

    fn killed_within(&mut self, whole: Duration, args: &[&str]) {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = whole.mul_f64((self.seed >> 40) as f64 / f64::from(1 << 24) * 1.1);
        let mut child = self.m5(args).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn settings_that_a_killed_m5_left_are_undone() {
    let mut all = pythons();
    let ends: [Python; 2] = [all.remove(0), all.pop().unwrap()];
    for python in ends {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", PROGRAM]);
        let mut trial = Trial::new(command);
        trial.whole(&["--set", "50000,20,30"]);
        for round in 0..rounds() {
            // Another change on top of the first may be the one that was broken off.
            trial.killed(&["--set", "60000,21,31"]);
            if round % 2 == 0 {
                trial.killed(&["--set", "70000,22,32"]);
            }
            trial.undo();
            assert_eq!(trial.state(), AS_IT_WAS, "{} round {round}", python.name);
        }
        for round in 0..rounds() / 4 {
            trial.killed_within(Duration::from_secs(4), &["--optimize", "-d", "1s"]);
            trial.undo();
            assert_eq!(trial.state(), AS_IT_WAS, "{} trial {round}", python.name);
        }
    }
}

/// The interpreter with a `/tmp` of its own, where nobody else leaves anything.
fn with_own_tmp(python: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /tmp && exec \"$@\"", "sh"]).arg(python);
    command.args(["-I", "-u", "-c", PROGRAM]);
    command
}

#[test]
fn a_freeze_that_a_killed_m5_left_is_undone_and_its_folder_goes() {
    let able = |p: &Python| p.version >= (3, 14, 0) && !p.free_threaded;
    let python = all_pythons().into_iter().filter(able).find_map(|p| p.executable().map(PathBuf::from));
    let Some(python) = python.filter(|_| root()) else {
        eprintln!("left out: it takes root and an interpreter of 3.14 or later");
        return;
    };
    let mut trial = Trial::new(with_own_tmp(&python));
    let tmp = PathBuf::from(format!("/proc/{}/root/tmp", trial.target.pid()));
    let left = || std::fs::read_dir(&tmp).unwrap().flatten().map(|e| e.file_name()).collect::<Vec<_>>();
    trial.whole(&["--freeze"]);
    for round in 0..rounds() {
        trial.killed(&["--freeze"]);
        trial.undo();
        assert_eq!(trial.state(), AS_IT_WAS, "round {round}");
        assert!(left().is_empty(), "round {round}: {:?}", left());
    }
}
