//! Memory that is free is given back, and nobody notices: every live byte of a busy allocator is where it was.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod killing;

use killing::Moments;
use m5_heap::trim::{Ended, ToTheEnd, Trim, TrimOptions, look, trim};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};
use std::fs;
use std::time::{Duration, Instant};

/// Threads that allocate, fill, check and free.
const BUSY: &str = include_str!("trim_busy.py");

fn options() -> TrimOptions {
    TrimOptions { max_pause: Duration::from_secs(1), least_bytes: 0, ..TrimOptions::default() }
}

fn start(python: &Python, words: &[&str]) -> Target {
    let mut command = python.command();
    command.args(["-I", "-u", "-c", BUSY]).args(words);
    Target::spawn(command)
}

/// Asks what went wrong; rounds that were made.
fn fine(target: &mut Target, name: &str) -> u64 {
    target.say("?");
    let numbers: Vec<u64> = target.numbers();
    assert_eq!((numbers[0], numbers[2]), (0, 0), "{name}: live bytes changed, or the allocator is damaged");
    numbers[1]
}

fn goes_on(target: &mut Target, name: &str) {
    let before = fine(target, name);
    let patience = Instant::now() + Duration::from_secs(60);
    while fine(target, name) <= before + 1 {
        assert!(Instant::now() < patience, "{name} does not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn rss(process: &Process) -> u64 {
    process.status().unwrap().rss_bytes.unwrap()
}

/// One interpreter for each C library that is here.
fn libraries() -> Vec<Python> {
    let mut all: Vec<Python> = Vec::new();
    for python in pythons().into_iter().rev() {
        if all.iter().all(|known| known.root() != python.root()) {
            all.push(python);
        }
    }
    all
}

fn times(usual: usize) -> usize {
    std::env::var("M5_TRIMS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Children that signal nobody: none but m5's are.
fn strays(pid: i32) -> usize {
    let mut count = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let exit_signal = stat.rsplit_once(") ").and_then(|(_, f)| f.split_whitespace().nth(35));
            count += usize::from(exit_signal == Some("0"));
        }
    }
    count
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn helper_that_trims_until_it_is_killed() {
    let Some(pid) = killing::tracee() else { return };
    let process = Process::open(pid).unwrap();
    loop {
        if let Err(error) = trim(&process, &options(), &ToTheEnd) {
            println!("{error}");
        }
    }
}

#[test]
fn a_tracer_killed_at_any_moment_damages_nothing() {
    let python = libraries().pop().unwrap();
    let mut target = start(&python, &[]);
    assert_eq!(target.line(), "ready");
    let pid = target.pid();
    let mut moments = Moments(0x1234_5678);
    for _ in 0..times(40) {
        moments.kill("helper_that_trims_until_it_is_killed", pid);
        let ended = target.child().try_wait().unwrap();
        assert!(ended.is_none(), "the target died: {ended:?}");
    }
    goes_on(&mut target, &python.name);
    let process = Process::open(pid).unwrap();
    // A helper whose maker was killed is dead and waits to be reaped.
    trim(&process, &options(), &ToTheEnd).unwrap();
    assert_eq!(strays(pid), 0);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0\n"));
}

/// Neither list nor pause says how large a chunk may be.
#[test]
fn a_chunk_for_which_no_stop_is_long_enough_goes_in_parts() {
    let python = libraries().pop().unwrap();
    let program = "import sys\nblocks = [b'x' * 100_000 for _ in range(2000)]\nkeep = b'y' * 100_000\ndel blocks\n\
                   print('ready', flush=True)\nsys.stdin.readline()\nassert keep == b'y' * 100_000\nprint('fine')";
    let mut command = python.command();
    command.args(["-u", "-c", program]);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let (before, mut given) = (rss(&process), 0);
    assert!(look(&process).unwrap().free_bytes() > 150 << 20);
    let patience = Instant::now() + Duration::from_secs(120);
    // A busy machine takes the whole pause now and then.
    let short = TrimOptions { max_pause: Duration::from_millis(15), ..options() };
    while look(&process).unwrap().free_bytes() > 1 << 20 {
        assert!(Instant::now() < patience, "{given}");
        given += trim(&process, &short, &ToTheEnd).unwrap().given_bytes;
    }
    let went = before - rss(&process);
    assert!(given > 150 << 20 && went.abs_diff(given) < 4 << 20, "{given} said, {went} went");
    still_fine(&mut target);
}

/// A program that frees, then does what a word says.
fn freed(python: &Python, environment: &[(&str, &str)], then: &str) -> Target {
    let program = format!(
        "import os, sys, signal, time\nkeep = [b'x' * 9000 for i in range(8000)][::40]\n{then}\n\
         print('ready', flush=True)\nsys.stdin.readline()\nassert all(k == b'x' * 9000 for k in keep)\nprint('fine')"
    );
    let mut command = python.command();
    command.args(["-u", "-c", &program]).envs(environment.iter().copied());
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    target
}

fn still_fine(target: &mut Target) {
    target.say("");
    assert_eq!(target.line(), "fine");
}

#[test]
fn where_it_is_not_safe_it_is_refused_with_the_reason() {
    let python = libraries().pop().unwrap();
    let perturbed: [&[(&str, &str)]; 2] =
        [&[("MALLOC_PERTURB_", "165")], &[("GLIBC_TUNABLES", "glibc.malloc.perturb=7")]];
    for environment in perturbed {
        let mut target = freed(&python, environment, "");
        let process = Process::open(target.pid()).unwrap();
        let error = trim(&process, &options(), &ToTheEnd).unwrap_err().to_string();
        assert!(error.contains("pattern"), "{error}");
        still_fine(&mut target);
    }
    let mut stopped = freed(&python, &[], "");
    let process = Process::open(stopped.pid()).unwrap();
    kill(stopped.pid(), libc::SIGSTOP);
    let patience = Instant::now() + Duration::from_secs(20);
    while process.stat().unwrap().state != 'T' {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = trim(&process, &options(), &ToTheEnd).unwrap_err().to_string();
    kill(stopped.pid(), libc::SIGCONT);
    assert!(error.contains("stopped by a signal"), "{error}");
    still_fine(&mut stopped);
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: plain numbers; the child is our own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn locked_memory_stays_and_is_counted() {
    let python = libraries().pop().unwrap();
    let lock = "import ctypes; ok = ctypes.CDLL(None).mlockall(1); assert not ok";
    let mut target = freed(&python, &[], lock);
    let process = Process::open(target.pid()).unwrap();
    let done = trim(&process, &options(), &ToTheEnd).unwrap();
    assert!(done.kept_bytes() > 32 << 20 && done.given_bytes == 0, "{done:?}");
    still_fine(&mut target);
}

#[test]
fn a_program_that_checks_its_heap_agrees() {
    let python = libraries().pop().unwrap();
    let checks = [("LD_PRELOAD", "libc_malloc_debug.so.0"), ("MALLOC_CHECK_", "3")];
    let mut target = freed(&python, &checks, "");
    let process = Process::open(target.pid()).unwrap();
    let done = trim(&process, &options(), &ToTheEnd).unwrap();
    assert!(done.given_bytes > 32 << 20, "{done:?}");
    still_fine(&mut target);
    assert!(target.child().wait().unwrap().success());
}

#[test]
fn an_exec_in_the_middle_is_noticed() {
    let python = libraries().pop().unwrap();
    let program = r#"
import os, sys
keep = [b"x" * 9000 for i in range(3000)][::40]
if len(sys.argv) < 60: os.execv(sys.executable, [*sys.orig_argv[:4], *["x"] * len(sys.argv)])
print("ready", flush=True)
sys.stdin.readline()
print("fine")
"#;
    let mut command = python.command();
    command.args(["-u", "-c", program]);
    let mut target = Target::spawn(command);
    let process = Process::open(target.pid()).unwrap();
    for _ in 0..30 {
        // Whatever it says: the process goes on to its end.
        let _ = trim(&process, &options(), &ToTheEnd);
    }
    assert_eq!(target.line(), "ready");
    still_fine(&mut target);
}

#[test]
fn forks_and_signals_while_it_is_trimmed() {
    let python = libraries().pop().unwrap();
    let program = r#"
import os, signal, subprocess, sys, threading
count = 0
def handle(*_):
    global count; count += 1; junk = [bytes(20000) for _ in range(50)]
    # Only now: on a busy machine the next would come before this one is done, and so on for ever.
    if not over: signal.setitimer(signal.ITIMER_REAL, 0.001)
over = False
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
errors = []
def forks():
    while not over:
        pid = os.fork()
        if not pid: os._exit(7 if len([bytes(9000) for _ in range(300)]) == 300 else 1)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 7: errors.append("child")
        if subprocess.run(["true"]).returncode: errors.append("true")
thread = threading.Thread(target=forks); thread.start()
keep = [b"x" * 9000 for i in range(8000)][::40]
print("ready", flush=True)
sys.stdin.readline()
over = True; thread.join(); signal.setitimer(signal.ITIMER_REAL, 0)
assert all(k == b"x" * 9000 for k in keep) and not errors and count > 3, (errors, count)
print("fine", flush=True)
"#;
    let mut command = python.command();
    command.args(["-u", "-c", program]);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let mut given = 0;
    for _ in 0..times(15) {
        given += trim(&process, &options(), &ToTheEnd).unwrap().given_bytes;
    }
    assert!(given > 16 << 20, "{given}");
    still_fine(&mut target);
    assert_eq!(strays(target.pid()), 0);
}

#[test]
fn a_busy_allocator_keeps_every_byte() {
    for python in libraries() {
        let mut target = start(&python, &[]);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let (mut given, mut library, mut most) = (0, String::new(), 0.0f64);
        for _ in 0..times(8) {
            let done: Trim = trim(&process, &options(), &ToTheEnd).unwrap();
            given += done.given_bytes;
            most = most.max(done.longest_stop_seconds.unwrap_or(0.0));
            library = done.library;
        }
        goes_on(&mut target, &python.name);
        eprintln!("{}: glibc {library}, {} MiB, longest stop {:.1} ms", python.name, given >> 20, most * 1e3);
        assert!(given > 1 << 20, "{}: nothing was given", python.name);
    }
}

#[test]
fn a_program_without_threads_is_trimmed_too() {
    for python in libraries() {
        let mut target = start(&python, &["one"]);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        for round in 0..times(5) {
            let before = rss(&process);
            let done =
                trim(&process, &options(), &ToTheEnd).unwrap_or_else(|e| panic!("{}: {e}", python.name));
            let went = before - rss(&process);
            assert!(done.ended == Ended::Done, "{}: {done:?}", python.name);
            if round == 0 {
                eprintln!("{}: {} of {} MiB", python.name, done.given_bytes >> 20, done.free_bytes() >> 20);
                assert!(
                    done.given_bytes > 8 << 20 && went.abs_diff(done.given_bytes) < 1 << 20,
                    "{went} {done:?}"
                );
            }
            assert!(look(&process).unwrap().free_bytes() < 1 << 20, "{}: it is all back", python.name);
            fine(&mut target, &python.name);
        }
    }
}
