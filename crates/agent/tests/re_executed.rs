//! A process that executes its own file anew under its PID, as servers do when they reload: read anew every time,
//! wherever its memory lies then, and never at addresses of what is no more.
#![allow(clippy::unwrap_used, clippy::panic)]

use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_agent::record::{RecordOptions, record};
use m5_gc::SourceKind;
use m5_process::{Process, unix_ns};
use m5_report::doc::{End, ProcessRecord};
use m5_testkit::{Target, all_pythons, free_threaded_pythons, pythons};
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

/// Collections before it executes itself: no more than the records of 3.15 hold at a time.
const TOLD: u64 = 2;

/// Records a process that collects as it is told, executes itself, and collects on; what was recorded.
fn recorded(name: &str, target: Target) -> ProcessRecord {
    let process = Process::open(target.pid()).unwrap();
    let options = RecordOptions {
        duration: Duration::from_secs(300),
        interval: Duration::from_millis(20),
        children: false,
        pauses: Some(true),
        max_overhead: None,
        stacks_above: None,
        workload: None,
    };
    let (mut target, mut step) = (target, 0);
    let recorded = record(&[process], &options, &mut |progress| {
        match step {
            0 => {
                target.say(&TOLD.to_string());
                target.line();
                step = 1;
            }
            // Polling misses what is short.
            1 if progress.pauses >= TOLD || progress.elapsed_seconds > 20.0 => {
                target.say("-1");
                target.line();
                target.say("100");
                target.line();
                step = 2;
            }
            _ => {}
        }
        progress.elapsed_seconds < 120.0
    });
    let mut recorded = recorded.unwrap();
    assert_eq!((step, recorded.recorded.end), (2, End::TargetExited), "{name}");
    recorded.processes.pop().unwrap()
}

#[test]
fn a_recording_ends_with_the_execution_that_it_began_with() {
    for python in all_pythons().into_iter().chain(free_threaded_pythons()) {
        let mut target = start(python.command());
        target.line();
        let record = recorded(&python.name, target);
        let name = format!("{} ({:?})", python.name, record.pauses.as_ref().map(|log| log.source));
        assert!(record.re_executed_seconds.is_some() && !record.exited, "{name}");
        let log = record.pauses.unwrap();
        assert_eq!(log.coverage.generations[2].happened, TOLD, "{name}: {:?}", log.coverage);
        assert!(log.seen() == TOLD || log.source == SourceKind::Poll, "{name}: {:?}", log.coverage);
        let counts: Vec<u64> = record.samples.gc2_collections.iter().copied().flatten().collect();
        assert!(counts.iter().max().unwrap() - counts[0] <= TOLD, "{name}: {counts:?}");
    }
}
