//! `m5 gc --set`, `--optimize` and `--freeze` killed before each of their steps, and at random moments: the next `--undo`
//! knows what was done and takes it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/steps.rs"]
mod steps;
mod support;

use m5_testkit::{Python, Target, all_pythons, pythons};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use steps::ended_before;
use support::{folder, json, m5, root, verdict};

/// Tells its thresholds, whether it collects, and how many objects are frozen, while the main thread makes objects that only a collection frees.
const PROGRAM: &str = "
import gc, sys, threading
gc.set_threshold(701, 11, 13)
kept = [[i] for i in range(20000)]
def answer():
    for line in sys.stdin:
        print(*gc.get_threshold(), int(gc.isenabled()), gc.get_freeze_count(), flush=True)
threading.Thread(target=answer, daemon=True).start()
print('ready', flush=True)
wait = threading.Event()
while True:
    for _ in range(200):
        own = []; own.append(own)
    wait.wait(0.0005)
";

fn rounds() -> u32 {
    if std::env::var_os("M5_SLOW").is_some() { 200 } else { 12 }
}

/// A target, and an m5 whose journal lies in a folder of its own.
struct Trial {
    target: Target,
    state: tempfile::TempDir,
    /// What it told before any m5 came.
    was: Vec<u64>,
    /// How long a whole run takes here and now.
    whole: Duration,
    seed: u64,
}

impl Trial {
    fn new(command: Command) -> Self {
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let (state, was) = (folder(), Vec::new());
        let mut trial = Self { target, state, was, whole: Duration::ZERO, seed: 0x9e37_79b9 };
        trial.was = trial.state();
        assert_eq!(trial.was[..2], [701, 11]);
        trial
    }

    fn m5(&self, args: &[&str]) -> Command {
        let mut command = m5();
        command.env("XDG_STATE_HOME", self.state.path()).args(["gc", "-p", &self.target.pid().to_string()]);
        command.args(args).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn state(&mut self) -> Vec<u64> {
        self.target.say("");
        self.target.numbers()
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
        assert_ne!(self.state(), self.was);
        self.undone("a whole run");
    }

    /// Undoes it, and everything is as it was.
    fn undone(&mut self, after: &str) {
        self.undo();
        assert_eq!(self.state(), self.was, "{after}");
    }

    /// Runs and is killed before its first change, before its second, and so on until a run comes to its end; what is asked
    /// after each. How many changes there were.
    fn killed_before_each_step(&mut self, args: &[&str], name: &str, ask: &dyn Fn(&str)) -> usize {
        for step in 0..200 {
            // A trial on a busy machine may find nothing to change, and the next one does.
            let call = (0..3).find_map(|_| ended_before(&mut self.m5(args), step));
            let after = format!("{name}: {args:?} before change {step} ({call:?})");
            let now = self.state();
            let shown = json(&self.m5(&["--show", "--json"]).stdout(Stdio::piped()).output().unwrap());
            if now != self.was {
                // What was done stands in the journal, with what was there before.
                let frozen = now.last() != self.was.last();
                let kept = shown["changed_by_m5"][0]["before"]["thresholds"][0].as_u64();
                assert!(frozen && shown["frozen_by_m5"] == true || kept == Some(701), "{after}: {shown}");
            }
            self.undone(&after);
            ask(&after);
            if call.is_none() {
                println!("{name}: {args:?}: {step} changes");
                return step;
            }
        }
        panic!("{name}: {args:?} never comes to its end");
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

/// The oldest interpreter, 3.13 and the newest, at work.
fn some() -> impl Iterator<Item = (String, Trial)> {
    let all = pythons();
    let last = all.len() - 1;
    let chosen =
        move |(i, p): &(usize, Python)| [0, last].contains(i) || p.minor() == (3, 13) && !p.free_threaded;
    all.into_iter().enumerate().filter(chosen).map(|(_, python)| {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", PROGRAM]);
        (python.name, Trial::new(command))
    })
}

/// At least a journal before it, a value, and a journal after it.
const LEAST: usize = 3;

#[test]
fn settings_are_undone_whatever_step_was_the_last() {
    for (name, mut trial) in some() {
        for args in [&["--set", "50000,20,30"][..], &["--disable"]] {
            assert!(trial.killed_before_each_step(args, &name, &|_| ()) >= LEAST, "{name}: {args:?}");
        }
    }
}

#[test]
fn a_second_change_is_undone_with_the_first() {
    for (name, mut trial) in some() {
        for step in 0.. {
            assert!(trial.m5(&["--set", "50000,20,30"]).status().unwrap().success());
            let call = ended_before(&mut trial.m5(&["--set", "60000,21,31"]), step);
            trial.undone(&format!("{name}: before change {step} ({call:?})"));
            if call.is_none() {
                break;
            }
        }
    }
}

/// Each of some thirty changes takes a trial: on one interpreter, where nobody asks for more.
#[test]
fn a_trial_is_undone_whatever_step_was_the_last() {
    let most = if std::env::var_os("M5_SLOW").is_some() { 3 } else { 1 };
    for (name, mut trial) in some().take(most) {
        let steps = trial.killed_before_each_step(&["--optimize", "-d", "300ms"], &name, &|_| ());
        assert!(steps >= LEAST, "{name}: nothing was tried");
    }
}

#[test]
fn settings_that_a_killed_m5_left_are_undone() {
    for (name, mut trial) in some() {
        trial.whole(&["--set", "50000,20,30"]);
        for round in 0..rounds() {
            // Another change on top of the first may be the one that was broken off.
            trial.killed(&["--set", "60000,21,31"]);
            if round % 2 == 0 {
                trial.killed(&["--set", "70000,22,32"]);
            }
            trial.undo();
            assert_eq!(trial.state(), trial.was, "{name} round {round}");
        }
        for round in 0..rounds() / 4 {
            trial.killed_within(Duration::from_secs(4), &["--optimize", "-d", "1s"]);
            trial.undo();
            assert_eq!(trial.state(), trial.was, "{name} trial {round}");
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
    let empty = |after: &str| assert!(left().is_empty(), "{after}: {:?}", left());
    assert!(trial.killed_before_each_step(&["--freeze"], "its own /tmp", &empty) > LEAST);
    trial.whole(&["--freeze"]);
    for round in 0..rounds() {
        trial.killed(&["--freeze"]);
        trial.undo();
        assert_eq!(trial.state(), trial.was, "round {round}");
        assert!(left().is_empty(), "round {round}: {:?}", left());
    }
}
