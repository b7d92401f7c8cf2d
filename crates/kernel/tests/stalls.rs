//! Turns of loops against what the program itself measured, and against stalls that it makes on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::Interpreter;
use m5_kernel::{Error, LoopWatch, Turn};
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
    match LoopWatch::attach(&process, gil) {
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
        seen.extend(watch.drain());
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
