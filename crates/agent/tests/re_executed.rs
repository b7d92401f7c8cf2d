//! A process that executes its own file anew under its PID, as servers do when they reload: read anew every time,
//! wherever its memory lies then, and never at addresses of what is no more.
#![allow(clippy::unwrap_used, clippy::panic)]

use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_process::{Process, unix_ns};
use m5_testkit::{Target, pythons};
use std::process::Command;
use std::time::{Duration, Instant};

/// Collects as often as it is told and says how often it did in all; told less than nothing, it executes itself.
const PROGRAM: &str = "
import gc, os, sys
gc.disable()
print(gc.get_stats()[2]['collections'], flush=True)
for line in sys.stdin:
    if int(line) < 0:
        os.execv(sys.executable, [sys.executable, '-I', '-u', '-c', sys.argv[1], sys.argv[1]])
    for _ in range(int(line)):
        gc.collect(2)
    print(gc.get_stats()[2]['collections'], flush=True)
";

fn start(mut command: Command) -> Target {
    command.args(["-I", "-u", "-c", PROGRAM, PROGRAM]);
    Target::spawn(command)
}

fn pool(target: &Target) -> Pool {
    let identity = Process::open(target.pid()).unwrap().identity();
    let selection = Selection { processes: vec![identity], names: Vec::new() };
    let mut pool = Pool::new(PoolOptions { selection, max_overhead: Some(1.0), traced: 1, limit: None });
    pool.refresh();
    pool
}

/// Full collections, as the pool reads them now.
fn collections(pool: &mut Pool) -> Option<u64> {
    pool.drain();
    pool.sample(1);
    let members = pool.members();
    assert!(members.len() <= 1);
    members.first()?.gc.map(|gc| gc.generations[2].collections)
}

/// Samples until the collector is read; nothing but the truth may be read meanwhile.
fn until(pool: &mut Pool, truth: u64, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match collections(pool) {
            Some(read) => return assert_eq!(read, truth, "{name}"),
            None => assert!(Instant::now() < deadline, "{name}: not read anew"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn executes_itself(name: &str, mut target: Target, times: u64) {
    let mut begin = target.numbers::<u64>()[0];
    let mut pool = pool(&target);
    until(&mut pool, begin, name);
    for time in 1..=times {
        target.say(&(10 + time).to_string());
        let truth = target.numbers::<u64>()[0];
        assert_eq!((truth, collections(&mut pool)), (begin + 10 + time, Some(truth)), "{name}");
        let told = unix_ns() as f64 / 1e9;
        // Samples fall before, into and after the exec.
        target.say("-1");
        let read: Vec<u64> = (0..40).filter_map(|_| collections(&mut pool)).collect();
        begin = target.numbers::<u64>()[0];
        assert!(read.iter().all(|n| *n == truth || *n <= begin), "{name}: {read:?} of {truth} and {begin}");
        until(&mut pool, begin, name);
        let members = pool.members();
        assert!(
            members[0].chart_points().all(|mark| mark.unix_seconds > told),
            "{name}: not another execution"
        );
    }
}

#[test]
fn the_same_file_is_read_anew_on_every_interpreter() {
    for python in pythons() {
        executes_itself(&python.name, start(python.command()), 4);
    }
}

#[test]
fn also_where_addresses_are_not_randomised() {
    let allowed = Command::new("setarch").args(["-R", "true"]).status().is_ok_and(|s| s.success());
    if !allowed {
        println!("left out: setarch -R is not there or not allowed");
        return;
    }
    for python in pythons() {
        let Some(file) = python.executable() else { continue };
        let mut command = Command::new("setarch");
        command.arg("-R").arg(file);
        executes_itself(&python.name, start(command), 4);
    }
}
