//! The target notices nothing: captures of a busy process, and tracers killed at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod killing;

use killing::Moments;
use m5_heap::{CaptureOptions, Method, capture};
use m5_process::Process;
use m5_testkit::{Target, pythons};
use std::fs;
use std::time::{Duration, Instant};

/// Threads in system calls of many kinds, in computation, with children and signals; each checks its results.
const PROGRAM: &str = include_str!("safety.py");

struct Answer {
    /// Wrong results and exceptions.
    errors: u64,
    /// Calls straight into the C library that gave EINTR without a handler.
    broken_off: u64,
    /// Rounds of the slowest thread.
    rounds: u64,
}

fn ask(target: &mut Target) -> Answer {
    target.say("?");
    let numbers: Vec<u64> = target.numbers();
    Answer { errors: numbers[0], broken_off: numbers[1], rounds: numbers[2] }
}

/// Waits until every thread of the target has gone on.
fn goes_on(target: &mut Target) {
    let before = ask(target).rounds;
    let patience = Instant::now() + Duration::from_secs(60);
    while ask(target).rounds <= before + 1 {
        assert!(Instant::now() < patience, "the target does not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn status(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned()
}

/// Children that ended and that nobody waits for: those that signal their parent are the target's own.
fn strays(pid: i32) -> usize {
    let mut count = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let fields: Vec<&str> =
                stat.rsplit_once(") ").map(|(_, f)| f.split_whitespace().collect()).unwrap_or_default();
            count += usize::from(fields.get(35) == Some(&"0"));
        }
    }
    count
}

fn start() -> Target {
    let python = pythons().into_iter().find(|p| p.minor() == (3, 12)).unwrap_or_else(|| pythons().remove(0));
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    goes_on(&mut target);
    target
}

#[test]
fn captures_leave_no_trace() {
    let mut target = start();
    let pid = target.pid();
    let process = Process::open(pid).unwrap();
    let mappings = process.maps().unwrap().len();
    let rounds = if std::env::var_os("M5_SLOW").is_some() { 1000 } else { 25 };
    for round in 0..rounds {
        for method in [Method::Fork, Method::Freeze] {
            let options = CaptureOptions { method, max_pause: Duration::from_secs(5) };
            let taken = capture(&process, &options).unwrap();
            assert!(taken.report.pause_seconds.is_some());
            if method == Method::Fork {
                assert!(taken.report.reap_seconds.is_some(), "{round}: {:?}", taken.report.notes);
            }
        }
    }
    goes_on(&mut target);
    let answer = ask(&mut target);
    assert_eq!((answer.errors, answer.broken_off), (0, 0), "the target saw errors");
    assert_eq!((status(pid, "TracerPid:"), strays(pid)), ("0".to_owned(), 0));
    assert!(process.maps().unwrap().len() < mappings + 40);
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn helper_that_captures_until_it_is_killed() {
    let Some(pid) = killing::tracee() else { return };
    let process = Process::open(pid).unwrap();
    loop {
        let options = CaptureOptions { method: Method::Fork, ..CaptureOptions::default() };
        if let Err(error) = capture(&process, &options) {
            println!("{error}");
        }
    }
}

#[test]
fn a_tracer_killed_at_any_moment_leaves_the_target_running() {
    let mut target = start();
    let pid = target.pid();
    let rounds = if std::env::var_os("M5_SLOW").is_some() { 1000 } else { 60 };
    let mut moments = Moments(0x9e37_79b9);
    for _ in 0..rounds {
        moments.kill("helper_that_captures_until_it_is_killed", pid);
        let ended = target.child().try_wait().unwrap();
        assert!(ended.is_none(), "the target died: {ended:?}");
    }
    goes_on(&mut target);
    // A call of C that the tracer interrupted but did not live to restore may see EINTR; Python retries it.
    assert_eq!(ask(&mut target).errors, 0, "the target saw errors");
    assert_eq!(status(pid, "TracerPid:"), "0");
    // A copy whose maker was killed is dead but not reaped; the next capture does that.
    let process = Process::open(pid).unwrap();
    capture(&process, &CaptureOptions { method: Method::Fork, ..CaptureOptions::default() }).unwrap();
    assert_eq!(strays(pid), 0);
}

/// Not a test of its own either: every thread stands still while all is read, then none does.
#[test]
fn helper_that_freezes_until_it_is_killed() {
    let Some(pid) = killing::tracee() else { return };
    let process = Process::open(pid).unwrap();
    for method in [Method::Freeze, Method::Live].into_iter().cycle() {
        let options = CaptureOptions { method, max_pause: Duration::from_secs(5) };
        if let Err(error) = capture(&process, &options) {
            println!("{error}");
        }
    }
}

#[test]
fn a_freeze_killed_at_any_moment_lets_every_thread_go() {
    let mut target = start();
    let pid = target.pid();
    let rounds = if std::env::var_os("M5_SLOW").is_some() { 1000 } else { 30 };
    let mut moments = Moments(0x2545_f491);
    for _ in 0..rounds {
        moments.kill("helper_that_freezes_until_it_is_killed", pid);
        let ended = target.child().try_wait().unwrap();
        assert!(ended.is_none(), "the target died: {ended:?}");
        // It answers: nothing of it stands.
        goes_on(&mut target);
    }
    let answer = ask(&mut target);
    assert_eq!((answer.errors, strays(pid)), (0, 0));
    assert_eq!(status(pid, "TracerPid:"), "0");
}
