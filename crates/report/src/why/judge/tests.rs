//! What is judged a problem, and what is not.

use super::*;
use m5_heap::{Account, BlockGrowth, BlockSource, Holder, Loose};

fn diff(account: Account) -> Diff {
    Diff {
        seconds: Some(30.0),
        same_process: true,
        objects: (1, 1),
        bytes: (1, 1),
        rss_bytes: (Some(1), Some(1)),
        culprits: Vec::new(),
        types: Vec::new(),
        account: Some(account),
    }
}

fn jobs(holder: Holder) -> Culprit {
    Culprit {
        type_name: "shop.Job".into(),
        count: 60,
        count_per_second: None,
        objects: 60,
        bytes: 1 << 20,
        in_place_bytes: 0,
        native_bytes: 0,
        bytes_per_second: None,
        holder,
        share: None,
        also: Vec::new(),
        made: None,
        unnamed: None,
        made_within: None,
    }
}

fn block(bytes: i64) -> BlockGrowth {
    let source = BlockSource::Native;
    BlockGrowth { source, owner: None, objects: false, least: 8000, most: 8008, count: 9, bytes }
}

#[test]
fn native_growth_is_a_problem_from_the_objective_on() {
    let of = |bytes| {
        let diff = diff(Account { blocks: vec![block(bytes)], ..Account::default() });
        let seen = Seen { diff: Some(&diff), growth_objective: 1748.0, ..Seen::default() };
        Why::of(seen).findings.first().map(|f| f.severity)
    };
    assert_eq!(of(9 << 20), Some(Weight::Problem));
    assert_eq!(of(20 << 10), Some(Weight::Notice));
    assert_eq!(of(8 << 10), None);
}

#[test]
fn a_table_that_was_made_larger_once_is_no_problem_beside_a_leak() {
    let told = |blocks: Vec<BlockGrowth>| {
        let diff = diff(Account { blocks, ..Account::default() });
        let seen = Seen { diff: Some(&diff), growth_objective: 1748.0, ..Seen::default() };
        Why::of(seen).findings.into_iter().map(|f| f.severity).collect::<Vec<_>>()
    };
    let once = |bytes| BlockGrowth { count: 1, ..block(bytes) };
    assert_eq!(told(vec![once(128 << 10)]), [Weight::Notice]);
    assert_eq!(told(vec![once(50 << 20)]), [Weight::Problem]);
    assert_eq!(told(vec![block(9 << 20), block(99 << 10)]), [Weight::Problem, Weight::Notice]);
    assert_eq!(told(vec![block(9 << 20), block(1 << 20)]), [Weight::Problem; 2]);
}

#[test]
fn pages_of_a_library_that_are_used_for_the_first_time_are_no_growth() {
    let of = |name: &str, less: i64| {
        let part = |part: &str, bytes| m5_heap::PartGrowth { part: part.into(), bytes };
        let parts = vec![part(name, 1 << 20), part("python_objects", -less)];
        let diff = diff(Account { parts, ..Account::default() });
        let seen = Seen { diff: Some(&diff), growth_objective: 1748.0, ..Seen::default() };
        Why::of(seen).findings.first().map(|f| f.severity)
    };
    let ends = (of("libraries/libpython3.8.so.1.0", 0), of("pymalloc_free_lists", 0));
    assert_eq!(ends, (None, None));
    let free = (of("native_free", 0), of("native_top", 0));
    assert_eq!(free, (Some(Weight::Notice), Some(Weight::Notice)));
    assert_eq!(of("other_anonymous", 0), Some(Weight::Problem));
    assert_eq!(of("pymalloc_overhead", 1 << 20), None);
}

#[test]
fn stacks_of_threads_are_told_with_whoever_keeps_the_threads() {
    let of = |name: &str| {
        let part = |part: &str| m5_heap::PartGrowth { part: part.into(), bytes: 4 << 20 };
        let parts = vec![part("thread_stacks"), part("python_frames")];
        let mut diff = diff(Account { parts, ..Account::default() });
        diff.culprits.push(jobs(Holder { name: name.into(), ..Holder::nobody(Cause::Held) }));
        let seen = Seen { diff: Some(&diff), growth_objective: 1748.0, ..Seen::default() };
        Why::of(seen).findings.into_iter().map(|f| f.what).collect::<Vec<_>>()
    };
    let told = of("threading._active");
    assert!(matches!(told.as_slice(), [What::Grows { .. }]), "{told:?}");
    assert_eq!(of("app.jobs").len(), 3);
}

fn with_garbage(bytes: u64) -> Summary {
    Summary {
        objects: 1,
        bytes,
        references: 0,
        type_count: 1,
        garbage: Loose { objects: 1000, bytes: 1 << 20 },
        no_referrer: Loose::default(),
        native: Loose::default(),
        uncollectable: Loose::default(),
        types: Vec::new(),
        holdings: Vec::new(),
    }
}

#[test]
fn very_few_objects_that_nobody_with_a_name_holds_may_be_in_passing() {
    let of = |cause, objects| {
        let mut diff = diff(Account::default());
        diff.culprits.push(Culprit { objects, ..jobs(Holder::nobody(cause)) });
        let seen = Seen { diff: Some(&diff), growth_objective: 1748.0, ..Seen::default() };
        Why::of(seen).findings.first().map(|f| f.severity)
    };
    assert_eq!(of(Cause::Native, 2), Some(Weight::Notice));
    assert_eq!(of(Cause::NoReferrer, 60), Some(Weight::Problem));
    assert_eq!(of(Cause::Held, 2), Some(Weight::Problem));
}

#[test]
fn much_garbage_that_grows_is_told_where_no_full_collection_comes() {
    let mut diff = diff(Account::default());
    diff.culprits.push(jobs(Holder::nobody(Cause::Garbage)));
    let part = m5_heap::PartGrowth { part: "pymalloc_overhead".into(), bytes: 64 << 10 };
    diff.account = Some(Account { parts: vec![part], ..Account::default() });
    let of = |bytes, full_collections| {
        let heap = with_garbage(bytes);
        let seen = Seen {
            heap: Some(&heap),
            diff: Some(&diff),
            growth_objective: 1748.0,
            full_collections: Some(full_collections),
            collector_on: Some(true),
            ..Seen::default()
        };
        Why::of(seen).findings
    };
    let told = of(4 << 20, 0);
    assert!(
        matches!(
            told.as_slice(),
            [Finding { what: What::GarbageWaits { .. }, severity: Weight::Notice, .. }]
        ),
        "{told:?}"
    );
    assert!(of(4 << 20, 1).is_empty() && of(64 << 20, 0).is_empty());
}

#[test]
fn garbage_waits_only_for_a_collector_that_is_on() {
    let heap = with_garbage(1);
    let of = |on| Why::of(Seen { heap: Some(&heap), collector_on: Some(on), ..Seen::default() });
    assert!(of(true).findings.is_empty());
    assert!(of(false).problem());
}

#[test]
fn what_was_not_looked_at_is_said() {
    let why = Why::of(Seen { no_snapshot: Some("no permission".into()), ..Seen::default() });
    assert_eq!(why.unseen[0], Unseen::Objects { reason: "no permission".into() });
    assert!(!why.problem());
}

#[test]
fn growth_that_no_snapshot_explains_is_told() {
    let seen = |bytes, stopped| Seen {
        no_snapshot: Some("no permission".into()),
        rss_grown_bytes: Some(bytes),
        observed_seconds: 30.0,
        growth_objective: 1748.0,
        stopped,
        ..Seen::default()
    };
    let why = Why::of(seen(9 << 20, false));
    assert!(matches!(why.findings[0].what, What::RssGrows { bytes, .. } if bytes == 9 << 20), "{why:?}");
    assert!(why.problem() && Why::of(seen(64 << 10, false)).findings.is_empty());
    assert_eq!(Why::of(seen(0, true)).findings[0].what, What::Stopped);
}
