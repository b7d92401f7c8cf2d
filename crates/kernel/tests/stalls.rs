//! Turns of loops against what the program itself measured, and against stalls that it makes on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::Interpreter;
use m5_kernel::{Error, LoopCounter, LoopOptions, LoopWatch, Turn};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

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
KINDS = {'inner': inner, 'code': lambda: busy(0.03), 'sleep': lambda: time.sleep(0.04), 'gil': gil, 'lock': other_lock,
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
    match LoopWatch::attach(&process, &options) {
        Ok(watch) => Some(watch),
        Err(error @ (Error::Refused { .. } | Error::Unsupported(_))) => {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{python:?}: {error}");
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The turn that held these moments.
fn turn(watch: &mut LoopWatch, from: u64, to: u64) -> Turn {
    let deadline = m5_process::monotonic_ns() + 10_000_000_000;
    let mut seen = Vec::new();
    loop {
        let holds = |t: &Turn| t.start_ns <= from && to <= t.start_ns + t.duration_ns;
        seen.extend(watch.drain().unwrap());
        if let Some(turn) = seen.iter().find(|t| holds(t)) {
            return *turn;
        }
        assert!(m5_process::monotonic_ns() < deadline, "{from} to {to} did not come: {seen:?}");
        std::thread::yield_now();
    }
}

#[test]
fn turns_and_their_division() {
    for python in pythons() {
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

/// As many turns as its processor can make, and one of 30 ms now and then; the number of those is told.
const FAST: &str = "
import select, sys, time
poll = select.poll()
poll.register(0, select.POLLIN)
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
    let deadline = m5_process::monotonic_ns() + 60_000_000_000;
    let mut long = Vec::new();
    while watch.share().0 > 0.2 || long.is_empty() {
        long.extend(watch.drain().unwrap());
        assert!(m5_process::monotonic_ns() < deadline, "{:?} {long:?}", watch.share());
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
    let deadline = m5_process::monotonic_ns() + 10_000_000_000;
    // The last pair ends after its answer.
    let mut turns = || pids.map(|pid| counter.turns(pid).unwrap().lengths.turns);
    while turns() != [4, 10] {
        assert!(m5_process::monotonic_ns() < deadline, "{:?}", turns());
        std::thread::yield_now();
    }
    counter.forget(pids[0]);
    assert!(counter.turns(pids[0]).is_none() && counter.turns(pids[1]).is_some());
    // Nothing is counted twice where it is taken up anew.
    counter.add(pids[0], 1.0).unwrap();
    assert_eq!(counter.turns(pids[0]).unwrap().lengths.turns, 0);
}
