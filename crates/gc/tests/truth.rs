//! The truth of pauses: what is watched from outside against `gc.callbacks` inside, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Scenario, compare};

#[test]
fn automatic_collections() {
    compare(&Scenario::new("automatic", "for _ in range(60): churn(2000)"));
}

#[test]
fn explicit_collections_of_each_generation() {
    compare(&Scenario::new(
        "explicit",
        "for i in range(90): churn(20); gc.collect((0, 1, 0, 2, 1, 0)[i % 6])",
    ));
}

#[test]
fn in_other_threads() {
    let body = "
threads = [threading.Thread(target=lambda: [churn(1500) for _ in range(30)]) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
";
    compare(&Scenario::new("threads", body));
}

#[test]
fn in_threads_born_and_dying_meanwhile() {
    let body = "
def once(): churn(300); gc.collect(0)
for _ in range(150):
    t = threading.Thread(target=once); t.start(); t.join()
";
    compare(&Scenario::new("born later", body));
}

#[test]
fn nested_in_finalizers() {
    let body = "
class Final:
    def __del__(self): gc.collect(); churn(900)
for i in range(40):
    f = Final(); f.me = f; del f
    gc.collect(i % 3)
";
    compare(&Scenario::new("__del__", body));
}

#[test]
fn nested_in_weakref_callbacks() {
    let body = "
kept = []
def gone(_): gc.collect(0); churn(900)
for i in range(40):
    n = Node(); n.me = n
    kept.append(weakref.ref(n, gone)); del n
    gc.collect(i % 3)
";
    compare(&Scenario::new("weakref", body));
}

#[test]
fn nested_in_gc_callbacks() {
    let body = "
gc.callbacks.append(lambda phase, info: gc.collect(1))
for i in range(40): gc.collect(i % 3); churn(900)
gc.callbacks.pop()
";
    compare(&Scenario::new("callbacks", body));
}

#[test]
fn rejected_in_another_thread() {
    let body = "
class Slow:
    def __del__(self): time.sleep(0.003)
stop = []
def other():
    while not stop: gc.collect(1); time.sleep(0.0005)
t = threading.Thread(target=other); t.start()
for i in range(15):
    s = Slow(); s.me = s; del s
    gc.collect(2)
stop.append(1); t.join()
";
    compare(&Scenario::new("rejected", body));
}

#[test]
fn disabled_and_frozen() {
    let body = "
gc.disable(); churn(5000); gc.collect(); gc.freeze(); gc.collect(); churn(5000); gc.collect(0)
gc.enable(); churn(5000); gc.unfreeze(); gc.collect()
";
    compare(&Scenario::new("frozen", body));
}

#[test]
fn a_storm() {
    compare(&Scenario::new("storm", "for i in range(4000): gc.collect(0 if i % 50 else 1)"));
}
