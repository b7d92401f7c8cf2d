//! Memory that is free is given back, and nobody notices: every live byte of a busy allocator is where it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::trim::{Ended, ToTheEnd, Trim, TrimOptions, look, trim};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};
use std::time::{Duration, Instant};

/// Threads that allocate, fill, check and free.
const BUSY: &str = include_str!("trim_busy.py");

fn options() -> TrimOptions {
    TrimOptions { max_pause: Duration::from_millis(50), least_bytes: 0, ..TrimOptions::default() }
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

#[test]
fn a_busy_allocator_keeps_every_byte() {
    for python in libraries() {
        let mut target = start(&python, &[]);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let (mut given, mut library, mut most) = (0, String::new(), 0.0f64);
        for _ in 0..times(20) {
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
            let done = trim(&process, &options(), &ToTheEnd).unwrap();
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
