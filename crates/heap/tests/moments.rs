//! Captures at moments that a program never chose: in the middle of a collection, and while everything changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Analysis, Anchor, CaptureOptions, Method, SelfCheck, capture};
use m5_target::Process;
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

fn taken(python: &Python, program: &str, method: Method, look: impl Fn(&Analysis)) {
    let mut target = Target::start(python, program);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    for _ in 0..3 {
        let options = CaptureOptions { method, max_pause: std::time::Duration::from_secs(5) };
        let taken = capture(&process, &options).unwrap();
        look(&Analysis::of(&taken.image, Anchor::of(&process).unwrap()).unwrap());
    }
}

#[test]
fn a_collection_under_way_hides_no_object() {
    for python in pythons() {
        taken(&python, COLLECTS, Method::Fork, |analysis| {
            let graph = &analysis.graph;
            let order = graph.types.iter().position(|t| t.name == "__main__.Order").unwrap() as u32;
            let count = graph.type_id.iter().filter(|t| **t == order).count();
            assert_eq!(count, 60_000, "{}", python.name);
            contradicts_nothing(&python, &analysis.check);
        });
    }
}

#[test]
fn a_copy_of_a_changing_heap_contradicts_itself_nowhere() {
    for python in pythons() {
        taken(&python, CHANGES, Method::Fork, |analysis| {
            contradicts_nothing(&python, &analysis.check);
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
        taken(&python, CHANGES, Method::Live, |analysis| {
            let check = &analysis.check;
            found.set(found.get() + check.nowhere + check.bad_pools);
        });
        println!("{}: {} in three reads", python.name, found.get());
        assert!(found.get() > 0, "{}: nothing was noticed", python.name);
    }
}
