//! Stored recordings are foreign bytes: whatever is in them, an answer and never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_agent::compare::compare;
use m5_agent::derive::complete;
use m5_report::doc::read_baseline;
use m5_report::text::{self, Style};
use m5_stats::Objectives;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A small recording with every part in it.
fn document() -> Value {
    let samples = json!({
        "t_seconds": [0.0, 1.0, 2.0], "rss_bytes": [1, 2, 3], "fds": [5, null, 9], "threads": [1, 1, 1],
        "cpu_seconds": [0.1, 0.2, 0.3], "connections": [1, 2, 3], "peak_rss_bytes": [3, 3, 3],
        "gc0_collections": [1, 2, 3], "gc1_collections": [1, 2, 3], "gc2_collections": [1, 2, 3],
    });
    let generation =
        json!({"threshold": 700, "count": 1, "collections": 1, "collected": 1, "uncollectable": 0});
    let gc =
        json!({"enabled": true, "collecting": false, "generations": [generation, generation, generation]});
    let totals = json!({"count": 1, "total_seconds": 0.1, "max_seconds": 0.1});
    let seen = json!({"seen": 1, "happened": 2});
    json!({
        "schema": "m5.baseline/1", "m5_version": "0",
        "recorded": {"started_unix_seconds": 1.0, "observed_seconds": 2.0, "requested_seconds": 2.0,
                     "interval_seconds": 1.0, "rounds_due": 3, "rounds_taken": 3, "end": "complete"},
        "machine": {},
        "processes": [{
            "identity": {"pid": 1, "start_ticks": 1}, "ppid": 1, "uid": 0, "started_unix_seconds": 0.0,
            "command": ["python"], "exited": false, "samples": samples,
            "interpreter": {"version": "3.11", "file": "x", "runtime_size": 1, "gc_begin": gc, "gc_end": gc},
            "rollups": [{"t_seconds": 0.0, "pss_bytes": 1, "uss_bytes": 1}],
            "connections": [{"t_seconds": 0.0, "groups": [{"state": "CLOSE_WAIT", "peer": "a:1", "count": 1}]}],
            "pauses": {"source": "ring", "one_in": 1, "totals": [totals, totals, totals, totals],
                       "coverage": {"generations": [seen, seen, seen], "lost": 0, "open_ns": 1, "wall_ns": 1,
                                    "unlabelled": seen},
                       "start_seconds": [0.1], "duration_seconds": [0.1], "generation": [0]},
        }],
    })
}

/// Reads, derives, judges, compares and prints.
fn use_it(bytes: &[u8]) -> bool {
    let Ok(mut baseline) = read_baseline(bytes) else { return false };
    complete(&mut baseline, &Objectives::default().into());
    let comparison = compare(("a", &baseline), ("b", &baseline), 0.15);
    let printed = text::baseline(&baseline, Style::default()) + &text::compare(&comparison, Style::default());
    !printed.is_empty() && m5_report::json(&baseline).is_ok()
}

/// Paths of every value in a document.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| places(v, &format!("{at}/{key}"), out)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| places(v, &format!("{at}/{i}"), out)),
        _ => {}
    }
}

fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        prop_oneof![Just(1e308), Just(-1e308), Just(0.0), Just(5e-324)].prop_map(|f| json!(f)),
        "\\PC{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u64>(), 0..5).prop_map(|v| json!(v)),
        prop::collection::vec(-1e300..1e300f64, 3..4).prop_map(|v| json!(v)),
    ]
}

#[test]
fn the_untouched_document_is_used() {
    assert!(use_it(document().to_string().as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_value_anywhere(
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4)
    ) {
        let mut document = document();
        for (index, value) in changes {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            if let Some(slot) = document.pointer_mut(index.get(&all).as_str()) {
                *slot = value;
            }
        }
        use_it(document.to_string().as_bytes());
    }

    #[test]
    fn cut_and_changed_bytes(
        cut in 0.0..1.0f64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
    ) {
        let mut bytes = document().to_string().into_bytes();
        for (index, byte) in changes {
            let length = bytes.len();
            bytes[index.index(length)] = byte;
        }
        use_it(&bytes);
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        prop_assert!(!use_it(&bytes));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!use_it(&bytes));
    }
}
