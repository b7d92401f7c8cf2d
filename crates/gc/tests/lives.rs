//! Beginnings and ends: attached in the middle of a collection, attached again, tracer killed, target forked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Scenario, attach, drain_until};
use m5_gc::{SourceKind, TraceOptions, Tracer};
use m5_testkit::{Python, SLOW_COLLECTION, Target, pythons};

/// Those that watchpoints are for, and 3.15 with them.
const WATCH: TraceOptions =
    TraceOptions { source: Some(SourceKind::Watchpoint), max_overhead: None, children: false };

#[test]
fn attached_in_the_middle_of_a_collection() {
    let program = format!(
        "{SLOW_COLLECTION}
collect()
print('between', flush=True)
sys.stdin.readline()
gc.collect(0); gc.collect(1)
print('done', flush=True)
sys.stdin.readline()
"
    );
    for python in pythons() {
        let mut target = Target::start(&python, &program);
        assert_eq!(target.line(), "inside");
        let mut tracer = attach(target.pid(), &WATCH);
        let mut pauses = Vec::new();
        drain_until(&mut tracer, &mut pauses, || {
            target.say("");
            assert_eq!(target.line(), "between");
        });
        assert_eq!(pauses, [], "{}: it began before", python.name);
        drain_until(&mut tracer, &mut pauses, || {
            target.say("");
            assert_eq!(target.line(), "done");
        });
        let generations: Vec<_> = pauses.iter().map(|p| p.generation).collect();
        assert_eq!(generations, [Some(0), Some(1)], "{}", python.name);
        let coverage = tracer.coverage();
        assert_eq!((coverage.seen(), coverage.happened(), coverage.lost), (2, 2, 0), "{}", python.name);
    }
}

/// A collection that goes on until it is told to end.
const HELD: &str = "
gc.disable()
print('ready', flush=True)
sys.stdin.readline()
collect()
print('done', flush=True)
sys.stdin.readline()
";

/// Whoever watches for less than a collection takes is told of it; that nothing paused would be the opposite of the truth.
#[test]
fn one_that_outlasts_the_watch_is_told() {
    for python in pythons() {
        for (source, max_overhead) in [(None, None), (None, Some(0.0)), (Some(SourceKind::Poll), None)] {
            let mut target = Target::start(&python, &format!("{SLOW_COLLECTION}{HELD}"));
            assert_eq!(target.line(), "ready");
            let mut tracer = attach(target.pid(), &TraceOptions { source, max_overhead, children: false });
            let name = format!("{} by {:?} at {max_overhead:?}", python.name, tracer.kind());
            let mut pauses = Vec::new();
            drain_until(&mut tracer, &mut pauses, || {
                target.say("");
                assert_eq!(target.line(), "inside");
            });
            assert_eq!(tracer.coverage().happened(), 0, "{name}");
            let ran = |tracer: &mut Tracer, pauses: &mut Vec<_>| {
                std::thread::sleep(tracer.interval());
                tracer.drain(pauses).unwrap();
                tracer.coverage().unfinished_ns
            };
            let first = ran(&mut tracer, &mut pauses);
            let later = ran(&mut tracer, &mut pauses);
            assert!(later > first && pauses.is_empty(), "{name}: {first} {later} {pauses:?}");
            drain_until(&mut tracer, &mut pauses, || {
                target.say("");
                assert_eq!(target.line(), "done");
            });
            let coverage = tracer.coverage();
            assert_eq!((coverage.unfinished_ns, coverage.happened()), (0, 1), "{name}: {coverage:?}");
            assert!(pauses.len() == 1 && pauses[0].duration_ns >= later, "{name}: {pauses:?}");
        }
    }
}

/// No reading falls between two collections: at each moment as many happened as were seen, at least.
#[test]
fn collections_without_a_moment_between() {
    let program = "
import gc, sys, threading
gc.disable()
kept = [[i] for i in range(100_000)]
print('ready', flush=True)
collect = lambda: [gc.collect() for _ in iter(int, 1)]
threading.Thread(target=collect, daemon=True).start()
for line in sys.stdin: print(gc.get_stats()[2]['collections'], flush=True)
";
    for python in pythons() {
        for source in [SourceKind::Watchpoint, SourceKind::Poll] {
            let mut target = Target::start(&python, program);
            assert_eq!(target.line(), "ready");
            let mut tracer = attach(
                target.pid(),
                &TraceOptions { source: Some(source), max_overhead: None, children: false },
            );
            let mut pauses = Vec::new();
            for _ in 0..20 {
                std::thread::sleep(tracer.interval());
                tracer.drain(&mut pauses).unwrap();
                let coverage = tracer.coverage();
                assert!(coverage.seen() <= coverage.happened(), "{} {source:?}: {coverage:?}", python.name);
                assert_eq!(coverage.seen(), pauses.len() as u64, "{}: {coverage:?}", python.name);
            }
        }
    }
}

const STEPS: &str = "
import gc, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    for _ in range(int(line)): gc.collect(1)
    print(gc.get_stats()[1]['collections'], flush=True)
";

fn steps(target: &mut Target, times: usize) -> u64 {
    target.say(&times.to_string());
    target.numbers::<u64>()[0]
}

#[test]
fn attached_again_and_twice_at_once() {
    for python in pythons() {
        let mut target = Target::start(&python, STEPS);
        assert_eq!(target.line(), "ready");
        for times in [3, 5] {
            let mut tracer = attach(target.pid(), &WATCH);
            let mut pauses = Vec::new();
            drain_until(&mut tracer, &mut pauses, || steps(&mut target, times));
            assert_eq!(pauses.len(), times, "{}", python.name);
            drop(tracer);
            steps(&mut target, 2);
        }
        // Two at once share four registers: the second has one left and reads generations off the counters.
        let (mut first, mut second) = (attach(target.pid(), &WATCH), attach(target.pid(), &WATCH));
        let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
        drain_until(&mut first, &mut of_first, || steps(&mut target, 1));
        second.drain(&mut of_second).unwrap();
        for pauses in [&of_first, &of_second] {
            assert_eq!(pauses.len(), 1, "{}", python.name);
            assert_eq!(pauses[0].generation, Some(1), "{}", python.name);
        }
    }
}

#[test]
fn no_register_left_is_said_and_polled() {
    let python = newest();
    let mut target = Target::start(&python, STEPS);
    assert_eq!(target.line(), "ready");
    let held: Vec<_> = [0, 1].map(|_| attach(target.pid(), &WATCH)).into();
    let tracer = attach(target.pid(), &TraceOptions::default());
    assert_eq!(tracer.kind(), SourceKind::Poll);
    assert!(tracer.reason().contains("debug registers"), "{}", tracer.reason());
    drop(held);
}

/// The newest interpreter that keeps no records of its own.
fn newest() -> Python {
    pythons().into_iter().rfind(|p| p.minor() < (3, 15)).unwrap()
}

#[test]
fn the_target_outlives_a_killed_tracer() {
    for python in pythons() {
        let mut target = Target::start(&python, STEPS);
        assert_eq!(target.line(), "ready");
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "a_tracer_to_kill", "--nocapture"]);
        command.env("M5_TEST_PID", target.pid().to_string());
        let mut tracer = Target::spawn(command);
        while !tracer.line().contains("tracing") {}
        let before = steps(&mut target, 50);
        tracer.child().kill().unwrap();
        tracer.child().wait().unwrap();
        assert_eq!(steps(&mut target, 50), before + 50, "{}", python.name);
        let mut again = attach(target.pid(), &WATCH);
        let mut pauses = Vec::new();
        drain_until(&mut again, &mut pauses, || steps(&mut target, 7));
        assert_eq!(pauses.len(), 7, "{}", python.name);
    }
}

/// Not a test of its own: the process that the test above kills.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn a_tracer_to_kill() {
    let Ok(pid) = std::env::var("M5_TEST_PID") else { return };
    let mut tracer = attach(pid.parse().unwrap(), &WATCH);
    println!("tracing");
    let mut pauses = Vec::new();
    loop {
        std::thread::sleep(tracer.interval());
        tracer.drain(&mut pauses).unwrap();
    }
}

/// Forked workers collect on their own; what they saw themselves comes back by a pipe.
const FORKS: &str = "
def worker(times, out):
    log.clear()
    for i in range(times): gc.collect(i % 3)
    pairs = [(log[i][0], log[i + 1][0], log[i][2], log[i + 1][3]) for i in range(0, len(log), 2)]
    os.write(out, repr(pairs).encode())
    os._exit(0)
gc.disable()
for times in (6, 9, 3):
    gc.collect(0)
    back, out = os.pipe()
    child = os.fork()
    if child == 0: worker(times, out)
    os.close(out)
    data = b''
    while True:
        piece = os.read(back, 65536)
        if not piece: break
        data += piece
    os.waitpid(child, 0)
    gc.collect(1)
    for start, stop, g, c in eval(data):
        log.append((start, 'a', g, 0)); log.append((stop, 'o', g, c))
";

#[test]
fn forked_children_if_wanted() {
    let scenario = Scenario::new("fork", FORKS);
    for python in pythons() {
        for children in [false, true] {
            let options = TraceOptions { children, ..WATCH };
            let run = common::run(&python, &scenario.program, &options);
            let name = format!("children {children} on {}", python.name);
            let mine = if children { 24 } else { 6 };
            assert_eq!(run.truth.len(), 24, "{name}");
            assert_eq!(run.pauses.len(), mine, "{name}: {:?}", run.coverage);
            assert_eq!(run.coverage.happened(), mine as u64, "{name}: {:?}", run.coverage);
            let mut pids: Vec<i32> = run.pauses.iter().map(|p| p.pid).collect();
            pids.sort_unstable();
            pids.dedup();
            assert_eq!(pids.len(), if children { 4 } else { 1 }, "{name}");
            let mut labels: Vec<_> = run.pauses.iter().map(|p| p.generation.unwrap()).collect();
            labels.sort_unstable();
            if children {
                let mut truth: Vec<u8> = run.truth.iter().map(|t| t.generation).collect();
                truth.sort_unstable();
                assert_eq!(labels, truth, "{name}");
            }
        }
    }
}

#[test]
fn children_that_were_there_before_and_run_another_program() {
    let program = "
import subprocess, sys, gc
inner = '''
import gc, sys
gc.disable()
print('ready', flush=True)
sys.stdin.readline()
for i in range(5): gc.collect(2)
print('done', flush=True)
sys.stdin.readline()
'''
gc.disable()
p = subprocess.Popen([sys.executable, '-I', '-c', inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(p.stdout.readline().strip(), flush=True)
sys.stdin.readline()
gc.collect(1)
p.stdin.write('go\\n'); p.stdin.flush()
print(p.stdout.readline().strip(), flush=True)
sys.stdin.readline()
p.kill(); p.wait()
";
    let python = newest();
    let mut target = Target::start(&python, program);
    assert_eq!(target.line(), "ready");
    let mut tracer = attach(target.pid(), &TraceOptions { children: true, ..WATCH });
    let mut pauses = Vec::new();
    drain_until(&mut tracer, &mut pauses, || {
        target.say("");
        assert_eq!(target.line(), "done");
    });
    let of = |own: bool| pauses.iter().filter(|p| (p.pid == target.pid()) == own).count();
    assert_eq!((of(true), of(false)), (1, 5), "{:?}", tracer.coverage());
    assert_eq!(tracer.coverage().happened(), 6);
    target.say("");
}

#[test]
fn subinterpreters_have_collectors_of_their_own() {
    let program = "
import gc, sys
try:
    import _interpreters as subs
except ImportError:
    import _xxsubinterpreters as subs
gc.disable()
first = subs.create()
print('ready', flush=True)
sys.stdin.readline()
gc.collect(2)
def run(i, n): getattr(subs, 'run_string')(i, 'import gc; gc.disable()\\nfor i in range(%d): gc.collect(1)' % n)
run(first, 4)
print('then', flush=True)
sys.stdin.readline()
subs.destroy(first)
print('done', flush=True)
sys.stdin.readline()
";
    for python in pythons().into_iter().filter(|p| p.minor() >= (3, 9)) {
        let mut target = Target::start(&python, program);
        assert_eq!(target.line(), "ready", "{}", python.name);
        let mut tracer = attach(target.pid(), &WATCH);
        let mut pauses = Vec::new();
        drain_until(&mut tracer, &mut pauses, || {
            target.say("");
            assert_eq!(target.line(), "then");
        });
        let coverage = tracer.coverage();
        assert_eq!(pauses.len(), 5, "{}: {coverage:?}", python.name);
        assert_eq!((coverage.happened(), coverage.lost), (5, 0), "{}: {coverage:?}", python.name);
        drain_until(&mut tracer, &mut pauses, || {
            target.say("");
            assert_eq!(target.line(), "done");
        });
        assert_eq!(tracer.coverage().happened() as usize, pauses.len(), "{}", python.name);
    }
}

#[test]
fn workers_forked_before_and_after() {
    let program = "
import gc, os, sys
gc.disable()
def worker():
    go, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go, 1)
        for i in range(4): gc.collect(i % 3)
        os._exit(0)
    return child, told
first, tell_first = worker()
print('ready', flush=True)
sys.stdin.readline()
second, tell_second = worker()
for pid, tell in ((first, tell_first), (second, tell_second)):
    os.write(tell, b'x')
    os.waitpid(pid, 0)
print('done', flush=True)
sys.stdin.readline()
";
    for python in pythons() {
        let mut target = Target::start(&python, program);
        assert_eq!(target.line(), "ready");
        let mut tracer = attach(target.pid(), &TraceOptions { children: true, ..WATCH });
        let mut pauses = Vec::new();
        drain_until(&mut tracer, &mut pauses, || {
            target.say("");
            assert_eq!(target.line(), "done");
        });
        let coverage = tracer.coverage();
        assert_eq!((pauses.len(), coverage.happened(), coverage.lost), (8, 8, 0), "{}", python.name);
        let mut labels: Vec<_> = pauses.iter().map(|p| p.generation.unwrap()).collect();
        labels.sort_unstable();
        assert_eq!(labels, [0, 0, 0, 0, 1, 1, 2, 2], "{}", python.name);
    }
}
