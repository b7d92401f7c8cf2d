//! The stack that m5 reads against the one that `traceback` sees inside, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::{Interpreter, living_threads};
use m5_process::Process;
use m5_testkit::{Target, all_pythons, free_threaded_pythons};

/// The main thread stands in `readline`, a second one in a lock, each some frames deep.
const PROGRAM: &str = "
import sys, threading, traceback, gc
lock = threading.Lock(); lock.acquire()
ready = threading.Event()
def wide_名(depth):
    if depth:
        return wide_名(depth - 1)
    ready.set()
    with lock:
        pass
class Worker:
    def run(self):
        for _ in range(1):

            (lambda: [wide_名(3)
                      for _ in (1,)])()
worker = threading.Thread(target=Worker().run); worker.start()
ready.wait()
import time
def waits(): return sys._current_frames()[worker.ident].f_lineno == wide_名.__code__.co_firstlineno + 4
while not waits(): time.sleep(0.001)
def generator():
    yield 1
    yield tell(
        'x')
def tell(x):
    frames = sys._current_frames()
    text = []
    for ident, frame in frames.items():
        native = next(getattr(t, 'native_id', 0) for t in threading.enumerate() if t.ident == ident)
        rows = [(getattr(f.f_code, 'co_qualname', f.f_code.co_name), l) for f, l in traceback.walk_stack(frame)]
        text.append(repr((native, rows)))
    # The innermost line of this thread is the one that waits below.
    print(len(text), flush=True)
    for t in text: print(t, flush=True)
    sys.stdin.readline()
for _ in generator(): pass
";

#[test]
fn the_stack_of_each_thread_agrees_with_traceback() {
    for python in all_pythons().into_iter().chain(free_threaded_pythons()) {
        let mut target = Target::start(&python, PROGRAM);
        let count: usize = target.line().parse().unwrap();
        let truth: Vec<String> = (0..count).map(|_| target.line()).collect();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        for tid in process.threads().unwrap() {
            let stack = interpreter.stack(target.pid(), tid).unwrap();
            let rows: Vec<(String, u32)> =
                stack.iter().map(|f| (f.function.clone(), f.line.unwrap_or(0))).collect();
            let of = truth.iter().find(|t| t.starts_with(&format!("({tid},"))).unwrap();
            let own = rows.first().is_some_and(|(f, _)| f == "tell");
            let seen: Vec<String> = rows.iter().map(|(f, l)| format!("('{f}', {l})")).collect();
            let (seen, of) = match own {
                // This thread has moved on within its innermost frame.
                true => (seen[1..].join(", "), of.split_once("), ").unwrap().1.to_owned()),
                false => (seen.join(", "), of.split_once('[').unwrap().1.to_owned()),
            };
            assert_eq!(format!("{seen}])"), of, "{}", python.name);
            assert!(stack.iter().all(|f| !f.file.is_empty()), "{}", python.name);
        }
        println!("stacks agree with traceback: {}", python.name);
    }
}

/// Forks as a server in C does: the interpreter is not told, so that it keeps the numbers of the parent's threads.
const FORKED: &str = "
import sys, os
try:
    import ctypes
    fork = ctypes.PyDLL(None).fork
except Exception:
    print(0, flush=True); sys.exit()
child = fork()
if child: os.waitpid(child, 0); sys.exit()
def serves():
    print(os.getpid(), flush=True)
    sys.stdin.readline()
serves()
";

#[test]
fn the_threads_of_a_process_that_c_forked_are_known() {
    for python in all_pythons().into_iter().chain(free_threaded_pythons()) {
        let mut target = Target::start(&python, FORKED);
        let pid: i32 = target.line().parse().unwrap();
        if pid == 0 {
            println!("left out, no ctypes: {}", python.name);
            continue;
        }
        let process = Process::open(pid).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let states = interpreter.thread_states(&living_threads(&process).unwrap()).unwrap();
        assert!(matches!(states[..], [(tid, _)] if tid == pid), "{}: {states:?}", python.name);
        let stack = interpreter.stack(pid, pid).unwrap();
        let functions: Vec<&str> = stack.iter().map(|f| f.function.as_str()).collect();
        assert_eq!(functions[..2], ["serves", "<module>"], "{}", python.name);
    }
}
