//! Turns of loops against what the program itself measured, and against stalls that it makes on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::allowed;
use m5_cpython::Interpreter;
use m5_kernel::{LoopCounter, LoopOptions, LoopWatch, Turn};
use m5_process::{Process, monotonic_ns};
use m5_testkit::{Python, Target, free_threaded_pythons, pythons};

/// A loop of `select` that stamps its turns itself. Each line that it reads names what the next turn does; the answer is
/// that turn's begin and end, nanoseconds, as near to the calls as Python comes, and how long it waited for a
/// processor meanwhile, as the kernel tells it.
const PROGRAM: &str = "
import gc, os, select, sys, threading, time
read, write = os.pipe()
clock = lambda: int(time.monotonic() * 1e9)
numbers = [str(i * 7919 % 1000003) for i in range(200000)]
class Node: pass
def cycles():
    kept = []
    for _ in range(100000):
        node = Node(); node.me = node; kept.append(node)
    return kept
KEPT = []
def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: sum(range(20000))
begin, done = threading.Semaphore(0), threading.Semaphore(0)
def hold():
    while True:
        begin.acquire()
        sorted(numbers); sorted(numbers)
threading.Thread(target=hold, daemon=True).start()
lock = threading.Lock()
def gil():
    begin.release()
    end = time.monotonic() + 0.03
    while time.monotonic() < end: pass
def waited():
    with open('/proc/thread-self/schedstat') as f: return int(f.read().split()[1])
def other_lock():
    lock.acquire()
    lock.acquire(timeout=0.04)
    lock.release()
def inner():
    other = select.poll()
    other.register(read, select.POLLIN)
    other.poll(40)
    select.select([read], [], [], 0.04)
def nested():
    other = select.epoll()
    other.register(read, select.EPOLLIN)
    other.poll(0.04)
    other.close()
def renew():
    global poll
    poll.close()
    time.sleep(0.04)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
def long():
    os.write(1, b'begun\\n')
    os.read(0, 100)
KINDS = {'inner': inner, 'nested': nested, 'renew': renew, 'long': long, 'code': lambda: busy(0.03), 'sleep': lambda: time.sleep(0.04), 'gil': gil, 'lock': other_lock,
         'collector': lambda: gc.collect(), 'nothing': lambda: None}
poll = select.POLL()
poll.register(read, select.POLLIN)
poll.register(0, select.POLLIN)
KEPT.append(cycles())
gc.disable()
print('ready', flush=True)
start = 0
while True:
    poll.poll()
    before, start = waited(), clock()
    kind = os.read(0, 100).decode().strip()
    if not kind: break
    KINDS[kind]()
    end, delay = clock(), waited() - before
    os.write(1, f'{start} {end} {delay}\\n'.encode())
    poll.poll(0)
";

fn watch(python: &Python, target: &Target) -> Option<LoopWatch> {
    let process = Process::open(target.pid()).unwrap();
    let gil = Interpreter::attach(&process).unwrap().gil_address().unwrap();
    let options = LoopOptions { gil, above_ns: 0, max_overhead: 1.0 };
    allowed(&python.name, LoopWatch::attach(&process, &options))
}

/// The turn that held these moments.
fn turn(watch: &mut LoopWatch, from: u64, to: u64) -> Turn {
    let deadline = monotonic_ns() + 10_000_000_000;
    let mut seen = Vec::new();
    loop {
        let holds = |t: &Turn| t.start_ns <= from && to <= t.start_ns + t.duration_ns;
        seen.extend(watch.drain().unwrap());
        if let Some(turn) = seen.iter().find(|t| holds(t)) {
            return *turn;
        }
        assert!(monotonic_ns() < deadline, "{from} to {to} did not come: {seen:?}");
        std::thread::yield_now();
    }
}

#[test]
fn turns_and_their_division() {
    for python in pythons().into_iter().chain(free_threaded_pythons()) {
        let mut target = Target::start(&python, &PROGRAM.replace("POLL()", "poll()"));
        assert_eq!(target.line(), "ready");
        let Some(mut watch) = watch(&python, &target) else { return };
        for kind in ["nothing", "code", "sleep", "lock", "collector", "gil"] {
            target.say(kind);
            let stamps = target.numbers::<u64>();
            let turn = turn(&mut watch, stamps[0], stamps[1]);
            let spent = turn.spent;
            let told = format!("{python:?} {kind}: {turn:?}, stamped {stamps:?}");
            let waited = spent.gil_ns + spent.locks_ns + spent.calls_ns;
            let processor = spent.processor_ns.unwrap_or(0);
            let all = waited + processor + spent.faults_ns.unwrap_or(0);
            assert!(all <= turn.duration_ns + 100_000, "{told}");
            // Before and after its own look it may have waited too, but for no longer than the turn is longer.
            let around = turn.duration_ns - (stamps[1] - stamps[0]);
            if spent.processor_ns.is_some() {
                assert!(processor.abs_diff(stamps[2]) <= around + 1_000_000, "{told}");
            }
            let ran = turn.duration_ns.saturating_sub(all);
            match kind {
                // It slept 40 ms, whatever the machine did besides.
                "sleep" => {
                    assert!(spent.calls_ns > 39_000_000 - processor.min(20_000_000), "{told}");
                    assert!(spent.longest_call.is_some_and(|(_, ns)| ns > 39_000_000), "{told}");
                }
                "lock" => assert!(spent.gil_ns + spent.locks_ns > 20_000_000, "{told}"),
                // It ran for 30 ms of its own time.
                "code" => assert!(ran > 25_000_000 && spent.gil_ns < ran, "{told}"),
                "gil" if python.free_threaded => assert_eq!(spent.gil_ns, 0, "{told}"),
                "gil" => {
                    assert!(spent.gil_ns + spent.locks_ns > 1_000_000 || processor > 1_000_000, "{told}")
                }
                "collector" => assert!(ran > 1_000_000 && waited < ran, "{told}"),
                _ => {}
            }
        }
        assert_eq!(watch.lost().unwrap(), 0);
    }
}

#[test]
fn a_loop_of_epoll_waits_nowhere_else() {
    for python in pythons() {
        let mut target = Target::start(&python, &PROGRAM.replace("POLL()", "epoll()"));
        assert_eq!(target.line(), "ready");
        let Some(mut watch) = watch(&python, &target) else { return };
        // The first turn tells that it is one of epoll.
        for kind in ["nothing", "inner"] {
            target.say(kind);
            let stamps = target.numbers::<u64>();
            let turn = turn(&mut watch, stamps[0], stamps[1]);
            let calls = turn.spent.calls_ns + turn.spent.processor_ns.unwrap_or(0);
            assert!(kind == "nothing" || calls > 75_000_000, "{python:?}: {turn:?}");
        }
    }
}

/// The turn in which a kind of stall was made, and all that were seen until then.
fn made(watch: &mut LoopWatch, target: &mut Target, kind: &str) -> Turn {
    target.say(kind);
    let stamps = target.numbers::<u64>();
    turn(watch, stamps[0], stamps[1])
}

#[test]
fn a_wait_at_another_epoll_is_a_call() {
    for python in pythons() {
        let mut target = Target::start(&python, &PROGRAM.replace("POLL()", "epoll()"));
        assert_eq!(target.line(), "ready");
        let Some(mut watch) = watch(&python, &target) else { return };
        made(&mut watch, &mut target, "nothing");
        let nested = made(&mut watch, &mut target, "nested");
        let spent = nested.spent;
        let calls = spent.calls_ns + spent.processor_ns.unwrap_or(0);
        assert!(nested.duration_ns > 39_000_000 && calls > 39_000_000, "{python:?}: {nested:?}");
    }
}

#[test]
fn what_comes_after_a_loop_is_closed_is_no_turn() {
    let pythons = pythons();
    for python in pythons.first().into_iter().chain(pythons.last()) {
        let mut target = Target::start(python, &PROGRAM.replace("POLL()", "epoll()"));
        assert_eq!(target.line(), "ready");
        let Some(mut watch) = watch(python, &target) else { return };
        made(&mut watch, &mut target, "nothing");
        target.say("renew");
        let stamps = target.numbers::<u64>();
        // The next loop is seen, and its first turn begins after its own wait.
        target.say("nothing");
        let after = target.numbers::<u64>();
        let deadline = monotonic_ns() + 10_000_000_000;
        let mut seen = Vec::new();
        while !seen.iter().any(|t: &Turn| t.start_ns <= after[0] && after[1] <= t.start_ns + t.duration_ns) {
            seen.extend(watch.drain().unwrap());
            assert!(monotonic_ns() < deadline, "{python:?}: {seen:?}");
            std::thread::yield_now();
        }
        let over = |t: &Turn| t.start_ns <= stamps[0] && stamps[1] <= t.start_ns + t.duration_ns;
        assert!(!seen.iter().any(over), "{python:?}: {seen:?} {stamps:?}");
    }
}

#[test]
fn a_turn_that_had_begun_before_and_one_that_still_lasts() {
    let pythons = pythons();
    for python in pythons.first().into_iter().chain(pythons.last()) {
        for poll in ["epoll()", "poll()"] {
            let mut target = Target::start(python, &PROGRAM.replace("POLL()", poll));
            assert_eq!(target.line(), "ready");
            target.say("long");
            assert_eq!(target.line(), "begun");
            let Some(mut watch) = watch(python, &target) else { return };
            let deadline = monotonic_ns() + 10_000_000_000;
            // It says so a moment before it reads.
            watch.suppose(target.pid());
            let lasts = watch.unfinished();
            assert!(lasts.len() == 1 && lasts[0].lasts && lasts[0].began_before, "{python:?}: {lasts:?}");
            target.say("on");
            let _stamps = target.numbers::<u64>();
            let mut ended = Vec::new();
            while ended.is_empty() {
                ended = watch.drain().unwrap();
                assert!(monotonic_ns() < deadline, "{python:?}");
            }
            assert!(ended[0].began_before && !ended[0].lasts, "{python:?}: {ended:?}");
            assert!(ended[0].start_ns == lasts[0].start_ns, "{python:?}: {ended:?} {lasts:?}");
            // One that waits is in none.
            while watch.unfinished().iter().any(|turn| turn.tid == target.pid()) {
                assert!(monotonic_ns() < deadline, "{python:?}");
            }
            let waits = || m5_process::thread_call(target.pid(), target.pid()).is_some_and(|n| n >= 0);
            while !waits() {
                assert!(monotonic_ns() < deadline, "{python:?}");
            }
            watch.suppose(target.pid());
            assert!(watch.unfinished().is_empty(), "{python:?}");
        }
    }
}

/// A thread that uses sockets with timeouts, as drivers do, and tries them before it uses them again; in between it waits for
/// work. The main thread is a loop.
const WORKER: &str = "
import os, queue, select, socket, sys, threading
jobs, done = queue.Queue(), queue.Queue()
def work():
    ours, theirs = socket.socketpair()
    ours.settimeout(0.002)
    while True:
        done.put(jobs.get())
        look = select.poll()
        look.register(ours, select.POLLIN)
        look.poll(0)
        try: ours.recv(1)
        except OSError: pass
worker = threading.Thread(target=work, daemon=True)
worker.start()
poll = select.poll()
poll.register(0, select.POLLIN)
read, write = os.pipe()
poll.register(read, select.POLLIN)
print('ready', flush=True)
while poll.poll():
    if not os.read(0, 100): break
    jobs.put(1)
    done.get()
    print('done', flush=True)
";

#[test]
fn a_thread_that_waits_for_sockets_of_its_own_is_no_loop() {
    let pythons = pythons();
    for python in pythons.first().into_iter().chain(pythons.last()) {
        let mut target = Target::start(python, WORKER);
        assert_eq!(target.line(), "ready");
        let Some(watch) = watch(python, &target) else { return };
        for _ in 0..20 {
            target.say("job");
            assert_eq!(target.line(), "done");
        }
        let turns: Vec<(i32, u64)> = watch.lengths().iter().map(|(tid, l)| (*tid, l.turns)).collect();
        assert!(turns.iter().all(|(tid, _)| *tid == target.pid()), "{python:?}: {turns:?}");
        assert!(turns.iter().any(|(_, turns)| *turns >= 18), "{python:?}: {turns:?}");
    }
}

/// As many turns as its processor can make, and one of 30 ms now and then; the number of those is told.
const FAST: &str = "
import select, sys, time
import os
poll = select.poll()
poll.register(0, select.POLLIN)
poll.register(os.pipe()[0], select.POLLIN)
print('ready', flush=True)
turns = 0
while True:
    for _ in range(2000):
        if poll.poll(0): sys.exit()
    turns += 1
    time.sleep(0.03)
";

#[test]
fn what_would_cost_too_much_is_seen_in_windows() {
    let pythons = pythons();
    let python = &pythons[0];
    let mut target = Target::start(python, FAST);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let options = LoopOptions { gil: None, above_ns: 20_000_000, max_overhead: 0.001 };
    let mut watch = match LoopWatch::attach(&process, &options) {
        Ok(watch) => watch,
        Err(error) => {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{error}");
            eprintln!("skipped: {error}");
            return;
        }
    };
    let deadline = monotonic_ns() + 60_000_000_000;
    let mut long = Vec::new();
    while watch.share().0 > 0.2 || long.is_empty() {
        long.extend(watch.drain().unwrap());
        assert!(monotonic_ns() < deadline, "{:?} {long:?}", watch.share());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let turns: u64 = watch.lengths().iter().map(|(_, l)| l.turns).sum();
    let in_long: u64 = watch.lengths().iter().map(|(_, l)| l.buckets[7..].iter().sum::<u64>()).sum();
    assert!(turns > 0 && in_long >= 1, "{turns} {in_long}");
    assert!(long.iter().all(|t| t.duration_ns >= 20_000_000), "{long:?}");
    assert_eq!(watch.lost().unwrap(), 0);
}

#[test]
fn many_processes_are_counted_apart() {
    let pythons = pythons();
    let program = PROGRAM.replace("POLL()", "poll()");
    let mut targets = [0, 1].map(|_| Target::start(&pythons[0], &program));
    assert!(targets.iter_mut().all(|target| target.line() == "ready"));
    let mut counter = match LoopCounter::new() {
        Ok(counter) => counter,
        Err(error) => {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{error}");
            eprintln!("skipped: {error}");
            return;
        }
    };
    for target in &targets {
        counter.add(target.pid(), 1.0).unwrap();
    }
    // The first answer tells that a wait returned: a turn began. Each further one ended two: its own, and the empty one.
    for (target, times) in targets.iter_mut().zip([2, 5]) {
        for _ in 0..times {
            target.say("nothing");
            let _stamps = target.numbers::<u64>();
        }
    }
    counter.step().unwrap();
    let pids = [targets[0].pid(), targets[1].pid()];
    let deadline = monotonic_ns() + 10_000_000_000;
    // The last pair ends after its answer.
    let mut turns = || pids.map(|pid| counter.turns(pid, |_| true).unwrap().lengths.turns);
    while turns() != [4, 10] {
        assert!(monotonic_ns() < deadline, "{:?}", turns());
        std::thread::yield_now();
    }
    counter.forget(pids[0]);
    assert!(counter.turns(pids[0], |_| true).is_none() && counter.turns(pids[1], |_| true).is_some());
    // Nothing is counted twice where it is taken up anew.
    counter.add(pids[0], 1.0).unwrap();
    assert_eq!(counter.turns(pids[0], |_| true).unwrap().lengths.turns, 0);
}
