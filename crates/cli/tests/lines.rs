//! `m5 diff` and `m5 why` name the line that made what grows, and none where another line of the type would be mistaken for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{LARGE_BLOCKS, Python, Target, ends, free_threaded_pythons, pythons};
use serde_json::Value;
use support::{json, run, verdict};

/// Two lines make one type. What one of them makes is kept; what the other makes dies at once.
const LEAK: &str = "
import time
class Tick:
    def __init__(self, number):
        self.number = number
class Quote:
    def __init__(self, number):
        self.number = number
kept = {}
def quote(number):
    return [Quote(n) for n in range(20)] and Tick(number).number
def record(number):
    kept[number] = Tick(number)
def leak(every):
    print('ready', flush=True)
    number = 0
    while True:
        for _ in range(5):
            number += 1
            for _ in range(every):
                quote(number)
            record(number)
        time.sleep(0.005)
leak(EVERY)
";

/// What `m5 diff` says of the first culprit and of the sampling.
fn told(target: &Target, interval: &str) -> (Value, Value) {
    let output = run(&["diff", "-j", "--interval", interval, "-p", &target.pid().to_string()]);
    assert_eq!(verdict(&output).0, 0, "{output:?}");
    let mut document = json(&output);
    (document["diff"]["culprits"][0].take(), document["allocations"].take())
}

/// The function of a line: one of a library is told with its caller, and a program that is an argument looks like one where
/// something else starts it.
fn made_in(line: &Value) -> &str {
    let inside = &line["inside"]["function"];
    let function = if inside.is_string() { inside } else { &line["frame"]["function"] };
    function.as_str().unwrap_or_default()
}

/// Whether allocations may be sampled here; the reason is told where not.
fn sampled(allocations: &Value) -> bool {
    if allocations["reason"].is_null() {
        assert!(allocations["overhead"].as_f64().is_some_and(|o| (0.0..0.05).contains(&o)), "{allocations}");
        return allocations["partial"] == false;
    }
    assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{allocations}");
    assert!(allocations["remedy"].is_string() && allocations["samples"].is_null(), "{allocations}");
    false
}

/// The first and the last of those with a GIL, and of those without.
fn some() -> Vec<Python> {
    let plain =
        |all: Vec<Python>| all.into_iter().filter(|p| p.root().is_none() && !p.musl).collect::<Vec<_>>();
    [pythons(), free_threaded_pythons()].map(|all| ends(&plain(all))).concat()
}

#[test]
fn the_line_that_made_what_grows() {
    for python in some() {
        let mut target = Target::start(&python, &LEAK.replace("EVERY", "1"));
        assert_eq!(target.line(), "ready");
        if let Some(culprit) = named(&target, "record") {
            assert_eq!(culprit["type_name"], "__main__.Tick", "{culprit}");
        }
    }
}

/// One line makes all of a type, and one in fifty of them is kept: by chance, as a window that the kernel ends sees the first ones
/// after a rest. It makes hardly anything else, so that few seconds of a busy machine are enough.
const RARE: &str = "
import random, time
class Tick: __slots__ = ('a', 'b', '__weakref__')
kept, pick = [], random.Random(7).random
def on_tick():
    tick = Tick()
    if pick() < 0.02:
        kept.append(tick)
print('ready', flush=True)
while True:
    for _ in range(500):
        on_tick()
    time.sleep(0.002)
";

/// What this asserts is the same after any time, but a machine that is busy samples less in it: intervals, in which the first
/// that bears a line ends it.
fn named(target: &Target, function: &str) -> Option<Value> {
    for interval in ["3s", "6s", "12s", "30s"] {
        let (culprit, allocations) = told(target, interval);
        if !sampled(&allocations) {
            return None;
        }
        let line = &culprit["made"]["lines"][0];
        if line.is_null() {
            // It says why.
            assert!(culprit["unnamed"]["why"].is_string(), "{culprit} {allocations}");
            continue;
        }
        assert_eq!(made_in(line), function, "{culprit} {allocations}");
        return Some(culprit);
    }
    panic!("no line is named");
}

#[test]
fn a_line_that_keeps_one_in_fifty_is_named() {
    for python in some() {
        let mut target = Target::start(&python, RARE);
        assert_eq!(target.line(), "ready");
        named(&target, "on_tick");
    }
}

/// One line makes dicts for a moment, and another keeps some: the interpreter hands it dead ones of the first, which is the one that asks
/// the allocator for memory.
const HANDED_ON: &str = "
import time
orders = {}
def parse(n):
    return [{'a': i, 'b': n} for i in range(60)]
def place(n):
    orders[n] = {'id': n, 'price': n * 1.5}
print('ready', flush=True)
n = 0
while True:
    for _ in range(20):
        rows = parse(n)
        del rows
        for _ in range(20):
            n += 1
            place(n)
    time.sleep(0.01)
";

#[test]
fn who_asked_for_memory_that_is_handed_on_is_not_accused() {
    for python in some() {
        let mut target = Target::start(&python, HANDED_ON);
        assert_eq!(target.line(), "ready");
        let (culprit, allocations) = told(&target, "3s");
        if !sampled(&allocations) {
            return;
        }
        let lines = culprit["made"]["lines"].as_array().cloned().unwrap_or_default();
        let functions: Vec<&str> = lines.iter().map(made_in).collect();
        assert!(
            !functions.iter().any(|function| function.contains("parse") || function.contains("comp")),
            "{culprit}"
        );
        assert!(!lines.is_empty() || culprit["unnamed"]["why"].is_string(), "{culprit} {allocations}");
    }
}

#[test]
fn lines_of_large_blocks_are_named() {
    for python in some() {
        let mut target = Target::start(&python, LARGE_BLOCKS);
        assert_eq!(target.line(), "ready");
        if let Some(culprit) = named(&target, "payload") {
            assert_eq!(culprit["type_name"], "bytes", "{culprit}");
        }
    }
}

#[test]
fn a_line_whose_blocks_went_to_the_leak_is_not_accused() {
    for python in some() {
        let mut target = Target::start(&python, &LEAK.replace("EVERY", "100"));
        assert_eq!(target.line(), "ready");
        let (culprit, allocations) = told(&target, "5s");
        if sampled(&allocations) {
            for line in culprit["made"]["lines"].as_array().into_iter().flatten() {
                assert_eq!(made_in(line), "record", "{python:?}: {culprit} {allocations}");
            }
        }
    }
}

#[test]
fn a_series_names_the_line_too() {
    let python = some().remove(0);
    let mut target = Target::start(&python, &LEAK.replace("EVERY", "1"));
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();
    for (time, last) in [("4s", false), ("15s", false), ("40s", true)] {
        let output = run(&["snapshot", "-j", "--continuous", time, "--interval", "1s", "-p", &pid]);
        assert_eq!(verdict(&output).0, 0, "{output:?}");
        let document = json(&output);
        if !sampled(&document["allocations"]) {
            return;
        }
        let culprit = &document["growth"]["culprits"][0];
        let line = &culprit["made"]["lines"][0];
        assert_eq!(culprit["type_name"], "__main__.Tick", "{culprit}");
        if line.is_null() && !last {
            continue;
        }
        assert_eq!(made_in(line), "record", "{culprit} {}", document["allocations"]);
        return;
    }
}

#[test]
fn without_sampling_there_is_no_line_and_no_word() {
    let python = some().remove(0);
    let mut target = Target::start(&python, &LEAK.replace("EVERY", "1"));
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();
    let output = run(&["diff", "-j", "--interval", "1s", "--max-overhead", "0", "-p", &pid]);
    let document = json(&output);
    assert!(
        document["allocations"].is_null() && document["diff"]["culprits"][0]["made"].is_null(),
        "{document}"
    );
}
