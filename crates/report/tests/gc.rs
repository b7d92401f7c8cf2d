//! The report of `m5 gc`, word for word, from a recorded document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_gc::{Choice, Obstacle, SourceKind};
use m5_report::doc::{GC_SCHEMA, GcReport};
use m5_report::text::{self, Style, gc_report};
use m5_report::{Lang, chrome_trace};
use m5_stats::stratified::Total;

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
fn what_was_partly_seen_has_its_bounds() {
    let mut report = report();
    let gc = &mut report.gc;
    gc.generations[0].seen = Some(54);
    gc.generations[0].pause_total = Some(Total { value: 1.9, low: 1.7, high: 2.1 });
    gc.pause_total = Some(Total { value: 2.8, low: 2.6, high: 3.0 });
    let said = |report: &GcReport, lang| gc_report(report, Style { lang, color: false });
    for lang in [Lang::En, Lang::Zh] {
        let said = said(&report, lang);
        assert!(said.contains("2.80 s ± 200.00 ms") && said.contains("1.90 s ± 200.00 ms"), "{said}");
        assert!(said.contains("4.1 %") && said.contains("=≥ "), "{said}");
    }
    report.gc.at_least = true;
    assert!(said(&report, Lang::En).contains("at least 2.60 s"));
}

#[test]
fn a_denied_source_is_named_with_its_mend_in_both_languages() {
    let obstacles = [
        Obstacle::Paranoid { level: 4 },
        Obstacle::Seccomp { errno: 1 },
        Obstacle::Denied { errno: 13 },
        Obstacle::OtherUser,
        Obstacle::Unsupported { errno: 95 },
        Obstacle::NoRegisters,
        Obstacle::FileLimit { limit: 1024 },
        Obstacle::LockedMemory,
        Obstacle::Other { errno: 5 },
    ];
    let mut said = String::new();
    for lang in [Lang::En, Lang::Zh] {
        for obstacle in &obstacles {
            let choice = Choice::Fallback { obstacle: obstacle.clone() };
            let remedy = text::remedy(&choice, lang).unwrap_or("-");
            said += &format!("{}\n    {remedy}\n", text::why(&choice, lang));
        }
    }
    insta::assert_snapshot!(said);
    let mut report = report();
    let obstacle = Obstacle::Paranoid { level: 4 };
    (report.source, report.gc.source) = (Some(SourceKind::Poll), Some(SourceKind::Poll));
    report.choice = Some(Choice::Fallback { obstacle });
    let said = gc_report(&report, Style { lang: Lang::En, color: false });
    assert!(said.contains("kernel.perf_event_paranoid is 4") && said.contains("CAP_PERFMON"), "{said}");
    assert!(said.contains("(polling reads no stacks)"), "{said}");
}

#[test]
fn a_watch_that_was_closed_on_purpose_says_for_how_long() {
    let mut report = report();
    let said = |report: &GcReport| gc_report(report, Style { lang: Lang::En, color: false });
    let log = report.pauses.as_mut().unwrap();
    (log.coverage.open_ns, log.coverage.wall_ns) = (420, 10_000);
    (report.gc.seen, report.gc.happened) = (60, 1439);
    assert!(
        said(&report).contains("1379 collections were not observed: the watch was open 4.2 % of the time")
    );
    report.pauses.as_mut().unwrap().coverage.open_ns = 10_000;
    assert!(!said(&report).contains("the watch was open"));
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
    assert_eq!(of("X", "gc"), 13, "each kept pause is there, and the long one that was thinned out");
    let long = events.iter().find(|e| e["args"]["candidates"] == 801_234).unwrap();
    assert_eq!(long["args"]["stack"][0], "Cache.refresh (/srv/app/cache.py:88)");
    assert!(of("X", "lost") > 0, "the fixture holds fewer pauses than collections");
    let lost = events.iter().find(|e| e["cat"] == "lost").unwrap();
    assert!(lost["args"]["collections"].as_u64().unwrap() > 1 && lost["dur"].as_f64().unwrap() > 0.0);
}
