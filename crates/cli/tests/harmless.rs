//! A target that m5 looks at lives on: with a filter on one thread, near a memory limit, while it executes another
//! program, with children of its own that signal nobody, and while m5 itself stands still.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{Group, children, ends, has_ended, lives, newest, ready, signal, signal_if_alive, states, until};
use m5_testkit::Target;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{json, m5, run};

fn snapshot(pid: i32, more: &[&str]) -> std::process::Output {
    let pid = pid.to_string();
    run(&[&["snapshot", "--lang", "en", "--json", "--top", "1", "-p", &pid], more].concat())
}

/// A pool's worker that sandboxes itself: fork and wait end the whole process. The main thread is free.
const FILTERED_WORKER: &str = "
import ctypes, struct, sys, threading, queue
libc = ctypes.CDLL(None, use_errno=True)
def bpf(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
def forbid(numbers):
    program = [bpf(0x20, 0, 0, 0)]
    for i, n in enumerate(numbers): program.append(bpf(0x15, len(numbers) - i, 0, n))
    program += [bpf(6, 0, 0, 0x7fff0000), bpf(6, 0, 0, 0x80000000)]
    text = ctypes.create_string_buffer(b''.join(program))
    class Program(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
    filter = Program(len(program), ctypes.addressof(text))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0, ctypes.get_errno()
work, filtered = queue.Queue(), threading.Event()
def worker():
    forbid([56, 57, 58, 435, 59, 322, 61, 247])
    filtered.set()
    while True: work.get()
threading.Thread(target=worker, daemon=True).start()
filtered.wait()
print('ready')
for line in sys.stdin:
    work.put(1)
    print('alive')
";

#[test]
fn a_filter_on_one_thread_is_seen() {
    for python in ends() {
        let mut target = ready(&python, FILTERED_WORKER);
        for _ in 0..3 {
            // A thread without a processor takes its time to stop.
            let document = json(&snapshot(target.pid(), &["--max-pause", "5s"]));
            assert_eq!(document["info"]["method"], "freeze", "{}: {}", python.name, document["info"]);
            lives(&mut target);
            // Asked for, the copy is made by a thread without a filter.
            assert_eq!(json(&snapshot(target.pid(), &["--method", "fork"]))["info"]["method"], "fork");
            lives(&mut target);
        }
    }
}

/// Rewrites all of its memory without a rest, as numeric code does.
const IN_PLACE: &str = "
import sys, threading
big = bytearray(b'x') * (96 << 20)
small = [[i] for i in range(100000)]
def churn():
    n = 0
    while True:
        n += 1
        for i in range(0, len(big), 4096): big[i] = n & 255
threading.Thread(target=churn, daemon=True).start()
print('ready')
for line in sys.stdin: print('alive')
";

#[test]
fn no_capture_near_a_limit_ends_the_target() {
    let Some(group) = Group::new("near") else { return };
    let python = newest();
    let mut command = python.command();
    command.args(["-I", "-u", "-c", IN_PLACE]);
    let mut target = Target::spawn(group.inside(&command));
    assert_eq!(target.line(), "ready");
    for percent in [8, 20, 35, 45, 60, 80, 100, 140] {
        group.limit(u64::MAX >> 2);
        let used = group.used();
        group.limit(used + used * percent / 100);
        let output = snapshot(target.pid(), &["--max-pause", "5s"]);
        lives(&mut target);
        let document = json(&output);
        let (method, notes) = (&document["info"]["method"], document["info"]["notes"].to_string());
        assert!(method != "fork" || percent >= 100, "+{percent} %: {method}");
        assert!(method == "fork" || notes.contains("memory cgroup"), "+{percent} %: {notes}");
    }
}

#[test]
fn m5_inside_the_targets_group_is_refused_before_it_takes_the_room() {
    let Some(group) = Group::new("inside") else { return };
    let mut command = newest().command();
    command.args(["-I", "-u", "-c", IN_PLACE]);
    let mut target = Target::spawn(group.inside(&command));
    assert_eq!(target.line(), "ready");
    for (percent, room) in [(15, false), (60, false), (600, true)] {
        group.limit(u64::MAX >> 2);
        let used = group.used();
        group.limit(used + used * percent / 100);
        for method in ["auto", "live"] {
            let mut here = m5();
            let pid = target.pid().to_string();
            here.args(["snapshot", "--lang", "en", "--json", "--top", "1", "--method", method, "-p", &pid]);
            let output = group.inside(&here).stdin(Stdio::null()).output().unwrap();
            lives(&mut target);
            // Where not even its start has room, the kernel ends m5 and nobody else.
            let Some(code) = output.status.code() else { continue };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(room == (code == 0), "+{percent} %, {method}: {code} {said}");
            assert!(room || said.contains("m5 itself may need"), "{said}");
        }
    }
}

/// Executes itself anew whenever it is told to, in the middle of whatever m5 does.
const EXECUTES: &str = "
import os, signal, sys, threading
big = bytearray(60 << 20)
def again(*_): os.execv(sys.executable, [sys.executable, '-I', '-u', '-c', sys.argv[1], sys.argv[1]])
signal.signal(signal.SIGUSR1, again)
print('ready', flush=True)
for line in sys.stdin: print('alive', flush=True)
";

#[test]
fn an_execution_at_any_moment_of_a_capture_is_noticed_and_survived() {
    let rounds = if std::env::var_os("M5_SLOW").is_some() { 200 } else { 12 };
    for python in ends() {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", EXECUTES, EXECUTES]);
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let pid = target.pid();
        let mut moment = 0x9e37_79b9_u64;
        for round in 0..rounds {
            let mut capture = m5();
            capture.args(["snapshot", "--json", "--top", "1", "-p", &pid.to_string()]);
            let mut capture = capture.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_micros(2_000 + (moment >> 33) % 90_000));
            signal(pid, libc::SIGUSR1);
            assert_eq!(target.line(), "ready", "{} round {round}", python.name);
            let code = capture.wait().unwrap().code();
            assert!([Some(0), Some(5), Some(6)].contains(&code), "{code:?}");
            lives(&mut target);
        }
    }
}

const LARGE: &str = "
import sys
big = [bytearray(b'x' * (1 << 20)) for _ in range(500)]
print('ready')
for line in sys.stdin: print('alive')
";

fn capturing(pid: i32, method: &str) -> Child {
    let mut capture = m5();
    capture.args(["snapshot", "--json", "--top", "1", "--max-pause", "3s", "--method", method]);
    capture.args(["-p", &pid.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_stopped_m5_lets_its_target_go() {
    let mut target = ready(&newest(), LARGE);
    let pid = target.pid();
    // All threads stand still while they are read: caught there, m5 is stopped as by `kill -STOP`.
    let caught = (0..20).any(|_| {
        let mut capture = capturing(pid, "freeze");
        let standing = until(Duration::from_secs(20), || {
            states(pid).contains(&'t') || capture.try_wait().unwrap().is_some()
        });
        assert!(standing, "m5 neither stops the target nor ends");
        signal_if_alive(&capture, libc::SIGSTOP);
        let held = states(pid).contains(&'t');
        if held {
            let again = until(Duration::from_secs(30), || !states(pid).contains(&'t'));
            assert!(again, "the target stands as long as m5 does");
        }
        signal_if_alive(&capture, libc::SIGCONT);
        let _ = capture.wait();
        held
    });
    assert!(caught, "never caught while the target stood still");
    lives(&mut target);
    // A copy costs memory for as long as it is there.
    let mut capture = capturing(pid, "fork");
    assert!(
        until(Duration::from_secs(20), || !children(pid).is_empty() || capture.try_wait().unwrap().is_some())
    );
    signal_if_alive(&capture, libc::SIGSTOP);
    let zombies_or_none = || children(pid).into_iter().all(has_ended);
    assert!(until(Duration::from_secs(30), zombies_or_none), "the copy stays while m5 is stopped");
    signal_if_alive(&capture, libc::SIGCONT);
    let _ = capture.wait();
    // Caught before it had let the target go, m5 was ended, and what it left is reaped by the next one.
    assert_eq!(json(&snapshot(pid, &["--method", "fork"]))["info"]["method"], "fork");
    assert!(children(pid).is_empty(), "the dead copy was not reaped");
    lives(&mut target);
}

/// A child of its own that signals nobody and has ended; later somebody asks for it.
const OWN_ZOMBIE: &str = "
import ctypes, os, sys
libc = ctypes.CDLL(None)
child = libc.syscall(56, 0, 0, 0, 0, 0)
if child == 0: os._exit(7)
print('ready')
for line in sys.stdin: print(*os.waitpid(child, 0x40000000))
";

#[test]
fn the_targets_own_dead_children_stay_its_own() {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let mut target = ready(&newest(), OWN_ZOMBIE);
    for _ in 0..2 {
        assert_eq!(json(&snapshot(target.pid(), &["--method", "fork"]))["info"]["method"], "fork");
    }
    target.say("?");
    assert!(target.line().ends_with(" 1792"), "its child was reaped by another");
}

/// Asks without a pause for children of every kind, and tells of those that it got.
const WAITS_FOR_ALL: &str = "
import os, sys, threading, time
got = []
def waiter():
    while True:
        try: got.append(os.waitpid(-1, 0x40000000))
        except ChildProcessError: time.sleep(.0005)
threading.Thread(target=waiter, daemon=True).start()
big = [bytearray(b'x' * (1 << 20)) for _ in range(100)]
print('ready')
for line in sys.stdin: print(len(got))
";

#[test]
fn whoever_waits_for_all_children_never_sees_the_copy() {
    let mut target = ready(&newest(), WAITS_FOR_ALL);
    for _ in 0..5 {
        let document = json(&snapshot(target.pid(), &["--method", "fork"]));
        assert_eq!(document["info"]["method"], "fork", "{document}");
        target.say("?");
        assert_eq!(target.line(), "0");
    }
    assert!(children(target.pid()).is_empty());
}
