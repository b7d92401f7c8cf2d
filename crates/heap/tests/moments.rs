//! Captures at moments that a program never chose: in the middle of a collection, and while everything changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Analysis, Anchor, CaptureOptions, Method, SelfCheck, capture};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

/// Collects without a rest: most of the time the words of the collector's headers are counts, not links.
const COLLECTS: &str = "
import gc
class Order:
    def __init__(self, i): self.legs = [i, (i, self)]
orders = [Order(i) for i in range(60_000)]
print('ready', flush=True)
while True: gc.collect()
";

/// Changes its containers without a rest.
const CHANGES: &str = "
import collections
print('ready', flush=True)
book, recent, i = {}, collections.deque(maxlen=3000), 0
while True:
    i += 1
    book[i * 7919 % 100_003] = [i, (str(i), {'price': i})]
    book.pop(i * 104_729 % 100_003, None)
    recent.append((i, float(i)))
";

/// Looks at captures until one satisfies, or at so many.
fn taken(python: &Python, program: &str, method: Method, most: usize, look: impl Fn(&Analysis) -> bool) {
    let mut target = Target::start(python, program);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    for _ in 0..most {
        let options = CaptureOptions { method, max_pause: std::time::Duration::from_secs(5) };
        let taken = capture(&process, &options).unwrap_or_else(|e| panic!("{}: {e}", python.name));
        if look(&Analysis::of(&taken.image, Anchor::of(&process).unwrap()).unwrap()) {
            return;
        }
    }
}

#[test]
fn a_collection_under_way_hides_no_object() {
    for python in pythons() {
        taken(&python, COLLECTS, Method::Fork, 3, |analysis| {
            let graph = &analysis.graph;
            let order = graph.types.iter().position(|t| t.name == "__main__.Order").unwrap() as u32;
            let count = graph.type_id.iter().filter(|t| **t == order).count();
            assert_eq!(count, 60_000, "{}", python.name);
            contradicts_nothing(&python, &analysis.check);
            false
        });
    }
}

#[test]
fn a_copy_of_a_changing_heap_contradicts_itself_nowhere() {
    for python in pythons() {
        taken(&python, CHANGES, Method::Fork, 3, |analysis| {
            contradicts_nothing(&python, &analysis.check);
            false
        });
    }
}

/// The one thread may be in the middle of one operation on one container and on one pool.
fn contradicts_nothing(python: &Python, check: &SelfCheck) {
    assert!(check.nowhere <= 2 && check.bad_pools <= 1, "{}: {check:?}", python.name);
}

#[test]
fn what_changed_during_a_live_read_is_counted() {
    for python in pythons() {
        let found = std::cell::Cell::new(0);
        // On a busy machine the target may not get to run during a read.
        taken(&python, CHANGES, Method::Live, 60, |analysis| {
            found.set(found.get() + analysis.check.nowhere + analysis.check.bad_pools);
            found.get() > 0
        });
        assert!(found.get() > 0, "{}: nothing was noticed", python.name);
    }
}
