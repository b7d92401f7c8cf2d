//! Captures of a busy asyncio server with threads, under load: not one request is lost, nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod killing;

use killing::Moments;
use m5_heap::{CaptureOptions, Method, capture};
use m5_process::Process;
use m5_testkit::{Target, pythons};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const PROGRAM: &str = include_str!("server.py");
const CLIENTS: usize = 4;

fn rounds() -> usize {
    if std::env::var_os("M5_SLOW").is_some() { 1000 } else { 30 }
}

fn start() -> (Target, u16) {
    let python = pythons().into_iter().find(|p| p.minor() == (3, 12)).unwrap_or_else(|| pythons().remove(0));
    let mut target = Target::start(&python, PROGRAM);
    let port = target.numbers::<u16>()[0];
    (target, port)
}

/// Errors that the server saw, and its mappings.
fn ask(target: &mut Target) -> (u64, u64) {
    target.say("?");
    let numbers = target.numbers::<u64>();
    (numbers[0], numbers[1])
}

/// Sends numbers and wants each back, one larger, for as long as `work` goes on; how many were answered.
fn under_load<T>(port: u16, work: impl FnOnce() -> T) -> (T, u64) {
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let client = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut number = 0u64;
        while !over.load(Ordering::Relaxed) {
            writeln!(stream, "{number}").unwrap();
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            assert_eq!(line.trim().parse(), Ok(number + 1), "an answer was lost");
            answered.fetch_add(1, Ordering::Relaxed);
            number += 1;
        }
    };
    let done = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let done = work();
        over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|c| c.join().unwrap());
        done
    });
    (done, answered.into_inner())
}

/// Children that ended without a signal to their parent and that nobody waited for: copies of a tracer.
fn strays(pid: i32) -> usize {
    let dir = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let lists = dir.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let silent = |child: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, f)| f.split(' ').nth(35)) == Some("0")
    };
    lists.map(|list| list.split_whitespace().filter(|child| silent(child)).count()).sum()
}

#[test]
fn a_server_loses_nothing_to_captures() {
    let (mut target, port) = start();
    let process = Process::open(target.pid()).unwrap();
    let (_, before) = ask(&mut target);
    let (pauses, answered) = under_load(port, || {
        let options = CaptureOptions { method: Method::Fork, ..CaptureOptions::default() };
        let mut pauses: Vec<f64> = (0..rounds())
            .map(|_| capture(&process, &options).unwrap().report.pause_seconds.unwrap())
            .collect();
        pauses.sort_by(f64::total_cmp);
        pauses
    });
    let (errors, after) = ask(&mut target);
    println!(
        "{} captures, {answered} requests answered, pause median {:.2} ms, longest {:.2} ms; {before} mappings, then {after}",
        pauses.len(),
        pauses[pauses.len() / 2] * 1e3,
        pauses[pauses.len() - 1] * 1e3,
    );
    assert_eq!((errors, strays(target.pid())), (0, 0));
    assert!(answered > CLIENTS as u64 && after < before + 40, "{before} {after}");
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn helper_that_captures_a_server_until_it_is_killed() {
    let Some(pid) = killing::tracee() else { return };
    let process = Process::open(pid).unwrap();
    let options = CaptureOptions { method: Method::Fork, ..CaptureOptions::default() };
    loop {
        let _ = capture(&process, &options);
    }
}

#[test]
fn a_server_loses_nothing_to_tracers_that_are_killed() {
    let (mut target, port) = start();
    let pid = target.pid();
    let (_, before) = ask(&mut target);
    let mut moments = Moments(0x51_7cc1);
    let ((), answered) = under_load(port, || {
        for _ in 0..rounds() {
            moments.kill("helper_that_captures_a_server_until_it_is_killed", pid);
        }
    });
    let (errors, after) = ask(&mut target);
    println!("{} tracers killed, {answered} requests answered; {before} mappings, then {after}", rounds());
    assert_eq!(errors, 0);
    // The next capture reaps what those that were killed left.
    let options = CaptureOptions { method: Method::Fork, ..CaptureOptions::default() };
    capture(&Process::open(pid).unwrap(), &options).unwrap();
    assert_eq!(strays(pid), 0);
    assert!(after < before + 40, "{before} {after}");
}
