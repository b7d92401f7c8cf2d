//! A trace that Perfetto and chrome://tracing open: a lane for each generation, memory as a counter, and a lane
//! that marks where collections happened unseen.

use crate::doc::{GcReport, LongPause};
use crate::text::place;
use m5_cpython::PyFrame;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The lane of collections that nobody saw.
const UNSEEN: u64 = 9;

/// The events of a report; times are microseconds from the begin of the watching.
#[must_use]
pub fn chrome_trace(report: &GcReport) -> Value {
    let pid = report.identity.pid;
    let mut events = vec![json!({"ph": "M", "name": "process_name", "pid": pid, "args": {
        "name": format!("CPython {} · {}", report.interpreter.version, report.command.join(" "))}})];
    let lanes = (0..3).map(|g| (g, format!("generation {g}")));
    let lanes = lanes.chain([(3, "generation unknown".to_owned()), (UNSEEN, "not observed".to_owned())]);
    events.extend(lanes.map(|(tid, name)| {
        json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}})
    }));
    events.extend(pauses(report));
    for moment in &report.timeline {
        if let Some(bytes) = moment.rss_bytes {
            events.push(json!({"ph": "C", "name": "RSS", "pid": pid, "ts": moment.t_seconds * 1e6,
                "args": {"bytes": bytes}}));
        }
        if let Some(collections) = moment.collections {
            events.push(json!({"ph": "C", "name": "collections", "pid": pid, "ts": moment.t_seconds * 1e6,
                "args": {"count": collections}}));
        }
    }
    events.extend(unseen(report).into_iter().map(|(from, to, count)| {
        json!({"ph": "X", "cat": "lost", "name": format!("{count} collections not observed"), "pid": pid,
            "tid": UNSEEN, "ts": from * 1e6, "dur": (to - from) * 1e6, "args": {"collections": count}})
    }));
    json!({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {
        "schema": report.schema, "m5_version": report.m5_version,
        "started_unix_seconds": report.recorded.started_unix_seconds}})
}

/// The kept pauses; of the long ones, with what is known of them, also those that were not kept.
fn pauses(report: &GcReport) -> Vec<Value> {
    let pid = report.identity.pid;
    let long = report.long_pauses.as_ref().map(|l| l.longest.as_slice()).unwrap_or_default();
    let told: BTreeSet<u64> = long.iter().map(|p| p.start_seconds.to_bits()).collect();
    let event = |start: f64, length: f64, generation: Option<u8>| {
        let name = generation.map_or_else(|| "gc".to_owned(), |g| format!("gc {g}"));
        json!({"ph": "X", "cat": "gc", "name": name, "pid": pid, "tid": generation.map_or(3, u64::from),
            "ts": start * 1e6, "dur": length * 1e6})
    };
    let mut events: Vec<Value> = long
        .iter()
        .map(|p| {
            let mut event = event(p.start_seconds, p.duration_seconds, p.generation);
            event["args"] = args(p);
            event
        })
        .collect();
    if let Some(log) = &report.pauses {
        let kept = log.start_seconds.iter().zip(&log.duration_seconds).zip(&log.generation);
        let others = kept.filter(|((start, _), _)| !told.contains(&start.to_bits()));
        events.extend(others.map(|((start, length), generation)| event(*start, *length, *generation)));
    }
    events
}

/// What is known of a long pause, by name; the viewers show it beside the slice.
fn args(pause: &LongPause) -> Value {
    let frame = |f: &PyFrame| format!("{} ({})", f.function, place(f));
    let stack: Vec<String> = pause.stack.iter().map(frame).collect();
    let figures = [
        ("thread", pause.tid.and_then(|t| u64::try_from(t).ok())),
        ("collected", pause.collected),
        ("candidates", pause.candidates),
        ("live_objects", pause.live_objects),
        ("long_lived_objects", pause.long_lived_objects),
    ];
    let known = figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    let stack = (!stack.is_empty()).then(|| ("stack".to_owned(), json!(stack)));
    known.chain(stack).collect::<serde_json::Map<_, _>>().into()
}

/// Spans between two readings in which more collections happened than pauses of them are in the trace.
fn unseen(report: &GcReport) -> Vec<(f64, f64, u64)> {
    let Some(log) = &report.pauses else { return Vec::new() };
    let ends: Vec<f64> = m5_stats::sorted(
        &log.start_seconds.iter().zip(&log.duration_seconds).map(|(s, d)| s + d).collect::<Vec<_>>(),
    );
    let before = |t: f64| ends.partition_point(|end| *end <= t) as u64;
    let spans = report.timeline.windows(2).filter_map(|pair| {
        let happened = pair[1].collections?.saturating_sub(pair[0].collections?);
        let seen = before(pair[1].t_seconds) - before(pair[0].t_seconds);
        // One may end between the reading of the clock and of the counters.
        let missed = happened.saturating_sub(seen);
        (missed > 1).then_some((pair[0].t_seconds, pair[1].t_seconds, missed))
    });
    spans.collect()
}
