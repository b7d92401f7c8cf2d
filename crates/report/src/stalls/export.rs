//! Turns for other tools: Prometheus, and a trace for Perfetto.

use super::doc::{Stalls, TURN_BOUNDS, Turn};
use crate::metrics::{Family, Format, Histogram, Kind, Labels, render};
use crate::text::place;
use serde_json::{Value, json};

/// The histogram of the turns by thread, and where the time of the long ones went.
#[must_use]
pub fn prometheus(doc: &Stalls) -> String {
    let pid = Labels::new().with("pid", doc.pid.to_string());
    let mut turns =
        Family::new("event_loop_turn_seconds", Kind::Histogram, "Time between two waits of an event loop");
    for thread in &doc.threads {
        let labels = pid.with("tid", thread.tid.to_string());
        turns.push_histogram(&labels, Histogram::counted(TURN_BOUNDS, &thread.buckets, thread.seconds));
    }
    let help = "Time of the long turns of event loops, by what it went into";
    let mut stalls = Family::new("event_loop_stall_seconds_total", Kind::Counter, help);
    let d = &doc.total;
    let [young, middle, old] = d.collector_s.map(Some);
    let parts = [
        ("gc_generation_0", young),
        ("gc_generation_1", middle),
        ("gc_generation_2", old),
        ("gc_unknown", Some(d.collector_unknown_s)),
        ("gil", Some(d.gil_s)),
        ("locks", Some(d.locks_s)),
        ("system_calls", Some(d.calls_s)),
        ("processor", d.processor_s),
        ("page_faults", d.faults_s),
        ("running", Some(d.running_s)),
    ];
    for (part, seconds) in parts {
        stalls.push(&pid.with("spent", part), seconds);
    }
    render(&[turns, stalls], Format::Text)
}

/// The long turns and the collections in them as a trace that Perfetto and chrome://tracing open; times are
/// microseconds from the begin of the watching.
#[must_use]
pub fn chrome(doc: &Stalls) -> Value {
    let named = |tid: i32, name: String| json!({"ph": "M", "name": "thread_name", "pid": doc.pid, "tid": tid, "args": {"name": name}});
    let mut events = vec![
        json!({"ph": "M", "name": "process_name", "pid": doc.pid, "args": {"name": format!("PID {}", doc.pid)}}),
        named(0, "collections".to_owned()),
    ];
    events.extend(doc.threads.iter().map(|t| named(t.tid, format!("turns of thread {}", t.tid))));
    // Turns of several threads may hold the same collection.
    let mut collections: Vec<_> = doc.turns.iter().flat_map(|t| &t.collections).collect();
    collections.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    collections.dedup();
    events.extend(collections.into_iter().map(|c| {
        let name = c.generation.map_or_else(|| "gc".to_owned(), |g| format!("gc {g}"));
        json!({"ph": "X", "cat": "gc", "name": name, "pid": doc.pid, "tid": 0, "ts": c.at_s * 1e6,
            "dur": c.seconds * 1e6, "args": {"thread": c.tid}})
    }));
    events.extend(doc.turns.iter().map(|turn| slice(doc.pid, turn)));
    json!({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"schema": doc.schema}})
}

fn slice(pid: i32, turn: &Turn) -> Value {
    let stack: Vec<String> = turn.stack.iter().map(|f| format!("{} ({})", f.function, place(f))).collect();
    json!({"ph": "X", "cat": "turn", "name": stack.first().map_or("turn", String::as_str), "pid": pid,
        "tid": turn.tid, "ts": turn.at_s * 1e6, "dur": turn.division.seconds * 1e6,
        "args": {"spent": turn.division, "longest_call": turn.longest_call, "stack": stack}})
}
