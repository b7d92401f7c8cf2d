//! What m5 must leave alone in the thread that it makes call: memory below a stack of the program's own making, a
//! restartable sequence that the stop interrupted, the last tasks that its cgroup allows.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{ends, lives, newest, ready};
use m5_testkit::Target;
use std::fs;
use std::path::{Path, PathBuf};
use support::{json, run};

fn snapshot(pid: i32, method: &str) -> std::process::Output {
    let pid = pid.to_string();
    let fixed = ["snapshot", "--lang", "en", "--json", "--top", "1", "--max-pause", "5s"];
    run(&[&fixed[..], &["--method", method, "-p", &pid]].concat())
}

/// All of it runs on a stack that lies in the middle of other data, as coroutines of libraries in C do.
const OWN_STACK: &str = "
import ctypes, sys
libc = ctypes.CDLL(None)
big = [[i] for i in range(20000)]
memory = ctypes.create_string_buffer(2 << 20)
back, there = ctypes.create_string_buffer(8192), ctypes.create_string_buffer(8192)
@ctypes.CFUNCTYPE(None)
def serve():
    print('ready')
    for line in sys.stdin: print('alive')
assert libc.getcontext(there) == 0
field = lambda at, value: ctypes.c_uint64.from_buffer(there, at).__setattr__('value', value)
field(8, ctypes.addressof(back)); field(16, ctypes.addressof(memory) + (1 << 20)); field(32, 1 << 20)
libc.makecontext(there, serve, 0)
libc.swapcontext(back, there)
";

#[test]
fn nothing_is_written_below_a_stack_that_the_program_made_itself() {
    for python in ends().into_iter().filter(|p| p.minor() < (3, 14)) {
        let mut target = ready(&python, OWN_STACK);
        for _ in 0..3 {
            let document = json(&snapshot(target.pid(), "auto"));
            assert_eq!(document["info"]["method"], "freeze", "{}: {document}", python.name);
            assert!(
                document["info"]["notes"].to_string().contains("stacks of their own making"),
                "{document}"
            );
            let refused = snapshot(target.pid(), "fork");
            assert_eq!(refused.status.code(), Some(5), "{refused:?}");
            lives(&mut target);
        }
    }
}

/// A thread that never leaves a restartable sequence but by its exit, through which it enters again. Answers whether
/// the kernel still knows that it is in one.
const RESTARTABLE: &str = "
import ctypes, mmap, struct, sys, threading
libc = ctypes.CDLL(None)
try: offset = ctypes.c_ssize_t.in_dll(libc, '__rseq_offset').value; size = ctypes.c_uint.in_dll(libc, '__rseq_size').value
except ValueError: size = 0
if not size: print('none'); sys.exit()
big = [[i] for i in range(20000)]
page = mmap.mmap(-1, 4096, prot=7)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
page.write(bytes.fromhex('488937' 'f390' 'ebfc' '53300553' '48ff02' 'ebf0'))
page[64:96] = struct.pack('<QQQQ', 0, base + 3, 4, base + 11)
libc.pthread_self.restype = ctypes.c_void_p
area, begun = [], threading.Event()
def run():
    area.append(libc.pthread_self() + offset + 8)
    begun.set()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(base)(area[0], base + 64, base + 128)
threading.Thread(target=run, daemon=True).start()
begun.wait()
word = lambda at: ctypes.c_uint64.from_address(at).value
while word(area[0]) != base + 64: pass
print('ready')
for line in sys.stdin: print('alive' if word(area[0]) == base + 64 else 'the sequence was forgotten')
";

#[test]
fn a_restartable_sequence_that_was_interrupted_is_left_by_its_exit() {
    for python in ends() {
        let mut target = Target::start(&python, RESTARTABLE);
        if target.line() == "none" {
            eprintln!("left out: the C library registers no restartable sequences here");
            continue;
        }
        for method in ["fork", "freeze", "fork"] {
            let document = json(&snapshot(target.pid(), method));
            assert_eq!(document["info"]["method"], method, "{}: {document}", python.name);
            lives(&mut target);
        }
    }
}

/// A cgroup that counts tasks, in either version.
struct TaskGroup(PathBuf);

impl TaskGroup {
    fn new() -> Option<Self> {
        let made = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].iter().find_map(|root| {
            let dir = Path::new(root).join(format!("m5-test-tasks-{}", std::process::id()));
            fs::create_dir(&dir).ok()?;
            if dir.join("pids.max").exists() {
                return Some(Self(dir));
            }
            fs::remove_dir(&dir).err().and(None)
        });
        if made.is_none() {
            eprintln!("left out: no cgroup that counts tasks can be made here");
        }
        made
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        harm::until(std::time::Duration::from_secs(5), || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn the_last_tasks_of_a_group_are_the_targets_own() {
    let Some(group) = TaskGroup::new() else { return };
    let mut target = ready(
        &newest(),
        "
import sys
big = [[i] for i in range(20000)]
print('ready')
for line in sys.stdin: print('alive')
",
    );
    fs::write(group.0.join("cgroup.procs"), target.pid().to_string()).unwrap();
    for (most, method) in [("3", "freeze"), ("100", "fork"), ("max", "fork")] {
        fs::write(group.0.join("pids.max"), most).unwrap();
        let document = json(&snapshot(target.pid(), "auto"));
        assert_eq!(document["info"]["method"], method, "{most}: {document}");
        assert!(method == "fork" || document["info"]["notes"].to_string().contains("more tasks"));
        lives(&mut target);
    }
}
