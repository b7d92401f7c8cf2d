//! Where a snapshot is refused, and why; and a target with more threads than anybody has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use support::{json, run, verdict};

/// Lets a filter judge its system calls (and allow all of them), as containers and browsers do.
const FILTERED: &str = "
import ctypes, sys
class Filter(ctypes.Structure):
    _fields_ = [('code', ctypes.c_uint16), ('jt', ctypes.c_uint8), ('jf', ctypes.c_uint8), ('k', ctypes.c_uint32)]
class Program(ctypes.Structure):
    _fields_ = [('len', ctypes.c_uint16), ('filter', ctypes.POINTER(Filter))]
libc = ctypes.CDLL(None, use_errno=True)
allow = (Filter * 1)(Filter(6, 0, 0, 0x7FFF0000))
program = Program(1, allow)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
print('ready')
for line in sys.stdin: print('alive')
";

/// Attaches to a process as a debugger does, without stopping it.
const DEBUGGER: &str = "
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
print('ready')
pid = int(sys.stdin.readline())
assert libc.ptrace(0x4206, pid, None, None) == 0, ctypes.get_errno()
print('attached')
sys.stdin.read()
";

const THREADS: &str = "
import sys, threading
threading.stack_size(64 * 1024)
stop = threading.Event()
for _ in range(2000):
    threading.Thread(target=stop.wait, daemon=True).start()
print('ready')
for line in sys.stdin: print(threading.active_count())
";

fn python() -> Python {
    pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap()
}

fn ready(program: &str) -> Target {
    let mut target = Target::start(&python(), program);
    assert_eq!(target.line(), "ready");
    target
}

fn snapshot(target: &Target, method: &str) -> std::process::Output {
    run(&[
        "snapshot",
        "--lang",
        "en",
        "--method",
        method,
        "--json",
        "--top",
        "1",
        "-p",
        &target.pid().to_string(),
    ])
}

fn method(document: &Value) -> &str {
    document["info"]["method"].as_str().unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn no_call_is_injected_unasked_where_a_filter_judges_calls() {
    let mut target = ready(FILTERED);
    let document = json(&snapshot(&target, "auto"));
    assert_eq!(method(&document), "freeze", "the gentlest that is left");
    assert!(document["info"]["notes"].to_string().contains("seccomp"), "{document}");
    target.say("?");
    assert_eq!(target.line(), "alive");
}

#[test]
fn a_debugger_keeps_its_process_to_itself() {
    let target = ready("import sys; print('ready'); sys.stdin.read()");
    let mut debugger = ready(DEBUGGER);
    debugger.say(&target.pid().to_string());
    assert_eq!(debugger.line(), "attached");
    for way in ["fork", "freeze"] {
        let (code, said) = verdict(&snapshot(&target, way));
        let named = said.contains(&format!("PID {}", debugger.pid())) && said.contains("--method live");
        assert!(code != 0 && named, "{way}: {code} {said}");
    }
    assert_eq!(method(&json(&snapshot(&target, "live"))), "live");
}

#[test]
fn two_thousand_threads_are_stopped_and_let_go() {
    let mut target = ready(THREADS);
    for way in ["fork", "freeze"] {
        let document = json(&run(&[
            "snapshot",
            "--method",
            way,
            "--max-pause",
            "10s",
            "--json",
            "--top",
            "1",
            "-p",
            &target.pid().to_string(),
        ]));
        assert_eq!(method(&document), way);
        assert!(document["info"]["pause_seconds"].as_f64().unwrap() > 0.0);
        target.say("?");
        assert_eq!(target.line(), "2001");
    }
}
