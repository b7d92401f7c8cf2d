//! Where collections begin, by the kernel's programs, against what the collector's own callbacks say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::allowed;
use m5_kernel::{CollectionWatch, CollectorEvent};
use m5_process::{Process, monotonic_ns};
use m5_testkit::{Python, Target, pythons};

/// Collections from many places. Each line that it reads is a round; the answer says where each of its collections began, by
/// the collector's own callback: functions and lines, innermost first.
const PROGRAM: &str = "
import gc, sys, threading
seen = []
def note(phase, info):
    if phase == 'start':
        frame, stack = sys._getframe(1), []
        while frame is not None:
            stack.append('%s:%d' % (frame.f_code.co_name, frame.f_lineno))
            frame = frame.f_back
        seen.append(','.join(stack))
keep = []
class Node:
    def __init__(self):
        self.me = self
    def __del__(self):
        keep.append([])
def makes():
    for _ in range(300):
        keep.append([[] for _ in range(3)])
def asked():
    gc.collect()
    gc.collect(
        1)
def deep(n):
    if n:
        deep(n - 1)
    else:
        makes()
def steps():
    for _ in range(300):
        keep.append([])
        yield
def finalized():
    for _ in range(100):
        Node()
    gc.collect()
def everything():
    makes()
    asked()
    deep(80)
    list(steps())
    finalized()
    thread = threading.Thread(target=makes)
    thread.start()
    thread.join()
def round():
    gc.callbacks.append(note)
    everything()
    gc.callbacks.remove(note)
    keep.clear()
gc.set_threshold(50, 3, 3)
print('ready', flush=True)
for line in sys.stdin:
    gc.disable()
    del seen[:]
    gc.enable()
    round()
    gc.disable()
    print(';'.join(seen), flush=True)
";

fn watch(python: &Python, target: &Target) -> Option<CollectionWatch> {
    allowed(&python.name, CollectionWatch::attach(&Process::open(target.pid()).unwrap()))
}

/// Functions and lines, as the program tells them.
fn told(event: &CollectorEvent) -> String {
    let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let frame = |f: &m5_cpython::PyFrame| format!("{}:{}", short(&f.function), f.line.unwrap_or(0));
    event.stack.iter().map(frame).collect::<Vec<_>>().join(",")
}

#[test]
fn each_begins_where_the_collector_says() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let Some(mut watch) = watch(&python, &target) else { return };
        target.say("go");
        let line = target.line();
        let truth: Vec<&str> = line.split(';').collect();
        let deadline = monotonic_ns() + 20_000_000_000;
        let mut seen = Vec::new();
        // A thread that is born meanwhile is seen a moment later, so that its collections may be missing.
        let of_thread = |stack: &str| stack.contains("run:");
        let own = truth.iter().filter(|stack| !of_thread(stack)).count();
        while seen.iter().filter(|e| !of_thread(&told(e))).count() < own && monotonic_ns() < deadline {
            seen.extend(watch.drain().unwrap());
        }
        assert_eq!(watch.lost().unwrap(), 0, "{python:?}");
        let wanted: Vec<&&str> = truth.iter().filter(|stack| !of_thread(stack)).collect();
        // What was not told to the callback, before and after it was set, began elsewhere.
        let within = |stack: &str, cut: bool| (cut || stack.contains("everything:")) && !of_thread(stack);
        let got: Vec<(String, bool)> =
            seen.iter().map(|e| (told(e), e.cut)).filter(|(s, cut)| within(s, *cut)).collect();
        assert!(wanted.len() > 20, "{python:?}: {line}");
        let begun: Vec<&&&str> = wanted.iter().filter(|s| s.contains("everything:")).collect();
        assert_eq!(got.len(), begun.len(), "{python:?}");
        for ((got, cut), wanted) in got.iter().zip(begun) {
            let same = if *cut { wanted.starts_with(got.as_str()) } else { got == **wanted };
            assert!(same, "{python:?}: {got}\n{wanted}");
        }
    }
}
