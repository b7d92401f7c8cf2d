//! A real prefork program: without `gc.freeze` a collection in the workers copies what they inherited, with it
//! the pages stay shared; and reading objects copies pages for their counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_heap::{CaptureOptions, Inherited, ProcessTree, Redaction, take_tree};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

const PROGRAM: &str = "
import gc, os, sys
class Row:
    def __init__(self, i): self.number, self.next = i, None
gc.disable()
ROWS = [Row(i) for i in range(40000)]
MODE = sys.argv[1]
if MODE != 'plain': gc.freeze()
ready, done = os.pipe(), os.pipe()
workers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        gc.collect()
        held = list(ROWS) if MODE == 'counts' else None
        os.write(ready[1], b'.')
        os.read(done[0], 1)
        os._exit(0)
    workers.append(pid)
for _ in workers: os.read(ready[0], 1)
print(*workers, flush=True)
sys.stdin.readline()
for pid in workers:
    os.write(done[1], b'.')
for pid in workers: os.waitpid(pid, 0)
print('ended', flush=True)
";

fn tree(python: &Python, mode: &str) -> ProcessTree {
    let mut command = python.command();
    command.args(["-I", "-u", "-c", PROGRAM, mode]);
    let mut target = Target::spawn(command);
    let pids = target.numbers::<i32>();
    let process = Process::open(target.pid()).unwrap();
    let (_, tree) = take_tree(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    assert_eq!(tree.workers.iter().map(|w| w.pid).collect::<Vec<_>>(), pids);
    target.say("end");
    assert_eq!(target.line(), "ended");
    tree
}

fn worker(tree: &ProcessTree) -> Inherited {
    let worker = tree.workers.first().unwrap();
    assert!(worker.rss_bytes > worker.private_bytes && worker.private_bytes.is_some());
    worker.inherited.unwrap_or_else(|| panic!("{:?}", worker.reason))
}

/// 40,000 instances with their attributes.
const OBJECTS: u64 = 40_000 * 48;

#[test]
fn the_collectors_copies_are_told_from_those_of_counts() {
    for python in pythons() {
        let [plain, frozen, counts] = ["plain", "frozen", "counts"].map(|mode| tree(&python, mode));
        println!("{}: {:?}\n  {:?}\n  {:?}", python.name, worker(&plain), worker(&frozen), worker(&counts));
        let many = [&plain, &frozen, &counts].map(|t| t.frozen_objects.unwrap() > 40_000);
        assert_eq!(many, [false, true, true], "{}", python.name);
        assert!(worker(&plain).collector_bytes > OBJECTS, "{}", python.name);
        assert!(worker(&frozen).collector_bytes < OBJECTS / 8, "{}", python.name);
        assert!(worker(&frozen).shared_bytes > worker(&plain).shared_bytes + OBJECTS, "{}", python.name);
        assert!(worker(&counts).counts_bytes > OBJECTS, "{}", python.name);
    }
}

#[test]
fn a_child_with_a_program_of_its_own_is_no_copy() {
    let python = pythons().pop().unwrap();
    let program = "
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'print(1, flush=True); input()'], stdin=-1, stdout=-1)
child.stdout.readline()
print('ready', flush=True)
sys.stdin.readline()
child.communicate(b'x')
";
    let mut target = Target::start(&python, program);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let (_, tree) = take_tree(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    let child = tree.workers.first().unwrap();
    assert!(child.inherited.is_none() && child.reason.as_ref().unwrap().contains("its own"));
    target.say("end");
    target.child().wait().unwrap();
}
