//! The report of `m5 gc`, word for word, from a recorded document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_report::doc::{GC_SCHEMA, GcReport};
use m5_report::text::{Style, gc_report};
use m5_report::{Lang, chrome_trace};

fn report() -> GcReport {
    let report: GcReport = serde_json::from_str(include_str!("fixtures/gc.json")).unwrap();
    assert_eq!(report.schema, GC_SCHEMA);
    report
}

#[test]
fn english() {
    insta::assert_snapshot!(gc_report(&report(), Style { lang: Lang::En, color: false }));
}

#[test]
fn chinese() {
    insta::assert_snapshot!(gc_report(&report(), Style { lang: Lang::Zh, color: false }));
}

#[test]
fn a_document_survives_being_stored() {
    let text = m5_report::json(&report()).unwrap();
    assert_eq!(serde_json::from_str::<GcReport>(&text).unwrap(), report());
}

#[test]
fn a_trace_marks_where_collections_were_not_seen() {
    let trace = chrome_trace(&report());
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |kind: &str, cat: &str| events.iter().filter(|e| e["ph"] == kind && e["cat"] == cat).count();
    assert_eq!(of("X", "gc"), 12, "each kept pause is there");
    assert!(of("X", "lost") > 0, "the fixture holds fewer pauses than collections");
    let lost = events.iter().find(|e| e["cat"] == "lost").unwrap();
    assert!(lost["args"]["collections"].as_u64().unwrap() > 1 && lost["dur"].as_f64().unwrap() > 0.0);
}
