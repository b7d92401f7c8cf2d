use super::*;
use crate::testing::{Heap, sample_info};
use crate::{Cause, EdgeName, PathTree, Redaction, RootKind, StoredNames};

pub(super) fn taken(heap: &Heap, at: f64) -> Snapshot {
    let graph = heap.graph();
    let tree = PathTree::of(&graph);
    let names = StoredNames::collect(&graph, &tree, heap, &Redaction::new(false));
    let info = crate::SnapshotInfo { taken_at: at, ..sample_info() };
    Snapshot { info, graph, names, memory: None, fds: Vec::new(), native: crate::NativeMemory::default() }
}

pub(super) fn key(name: &str) -> EdgeName {
    EdgeName::Key(name.into())
}

/// `engine.FEED.history` with some ticks, and a few other things.
pub(super) fn engine() -> (Heap, u32, u32) {
    let mut heap = Heap::default();
    let module = heap.module("engine");
    let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
    let feed = heap.child(namespace, "engine.Feed", key("FEED"));
    let history = heap.child(feed, "list", EdgeName::Attribute("history".into()));
    for i in 0..20 {
        heap.child(history, "engine.Tick", EdgeName::Index(i));
    }
    (heap, namespace, history)
}

#[test]
fn the_holder_of_growth_is_named_first() {
    let (mut heap, namespace, history) = engine();
    let before = taken(&heap, 100.0);
    for i in 0..50 {
        let tick = heap.child(history, "engine.Tick", EdgeName::Index(20 + i));
        heap.child(tick, "float", EdgeName::Attribute("price".into()));
    }
    heap.items.insert(history, 70);
    heap.child(namespace, "list", key("SMALL"));
    let diff = diff(&before, &taken(&heap, 110.0));
    let worst = &diff.culprits[0];
    assert_eq!((worst.type_name.as_str(), worst.count), ("engine.Tick", 50));
    assert_eq!(worst.count_per_second, Some(5.0));
    assert_eq!(worst.holder.name, "engine.Feed.history");
    assert_eq!((worst.holder.type_name.as_str(), worst.holder.items), ("list", Some(70)));
    assert_eq!((worst.objects, worst.bytes), (100, 6400));
    assert_eq!(worst.also, [("float".to_owned(), 50)]);
    assert_eq!(diff.culprits.len(), 1, "one small list says nothing: {:?}", diff.culprits);
    assert!(diff.same_process);
}

#[test]
fn a_line_is_named_or_it_is_said_why_not() {
    let (mut heap, _, history) = engine();
    let before = taken(&heap, 100.0);
    let ticks: Vec<u32> =
        (0..50).map(|i| heap.child(history, "engine.Tick", EdgeName::Index(20 + i))).collect();
    heap.items.insert(history, 70);
    let after = taken(&heap, 110.0);
    let frame = m5_cpython::PyFrame { function: "on_tick".into(), file: "market.py".into(), line: Some(88) };
    // So many of them were sampled, each of them at this share of the time.
    let told = |sampled: usize, open_share: f64| {
        let object = |tick: &u32| after.graph.address[*tick as usize];
        let born = |tick| Born { object: object(tick), type_name: "Tick".into(), stack: vec![frame.clone()] };
        let born = ticks.iter().take(sampled).map(born).collect();
        let births = Births { born, open_share, sampled: true, large: None, ..Births::default() };
        diff_with_births(&before, &after, &births).culprits.remove(0)
    };
    assert_eq!(told(4, 0.2).unnamed, Some(Unnamed::Few { survivors: 4, needed: 5 }));
    assert_eq!(told(30, 0.1).unnamed, Some(Unnamed::Reused { survivors: 30 }));
    let named = told(10, 0.2);
    assert_eq!((named.unnamed, named.made.map(|m| m.lines[0].samples)), (None, Some(10)));
    // Nothing was sampled, so there is nothing to say.
    assert_eq!(diff(&before, &after).culprits[0].unnamed, None);
}

#[test]
fn of_keys_and_values_those_that_hold_more_are_told() {
    let (mut heap, namespace, _) = engine();
    let pages = heap.child(namespace, "dict", key("PAGES"));
    let before = taken(&heap, 100.0);
    for i in 0..50 {
        heap.child(pages, "pathlib.PosixPath", key(&i.to_string()));
        let page = heap.child(pages, "engine.Page", key(&i.to_string()));
        (0..5).for_each(|_| _ = heap.child(page, "str", EdgeName::Attribute("text".into())));
    }
    let diff = diff(&before, &taken(&heap, 110.0));
    assert_eq!((diff.culprits[0].type_name.as_str(), diff.culprits[0].count), ("engine.Page", 50));
}

#[test]
fn churn_cancels() {
    let (mut heap, _, history) = engine();
    let before = taken(&heap, 0.0);
    heap.replace_children(history, "engine.Tick");
    let diff = diff(&before, &taken(&heap, 10.0));
    assert!(diff.culprits.is_empty(), "{:?}", diff.culprits);
    assert!(diff.types.is_empty());
}

#[test]
fn a_leak_without_a_holder_is_said_to_have_none() {
    let (mut heap, ..) = engine();
    let before = taken(&heap, 0.0);
    for _ in 0..200 {
        let lost = heap.object("app.Lost");
        heap.root(lost, RootKind::Unexplained, "");
        heap.child(lost, "str", EdgeName::Attribute("text".into()));
    }
    for _ in 0..150 {
        let garbage = heap.object("app.Cycle");
        heap.child(garbage, "app.Cycle", EdgeName::Attribute("other".into()));
    }
    let diff = diff(&before, &taken(&heap, 10.0));
    let worst = &diff.culprits[0];
    assert_eq!((worst.type_name.as_str(), worst.count), ("app.Lost", 200));
    assert_eq!((worst.holder.cause, worst.holder.name.as_str()), (Cause::NoReferrer, ""));
    assert_eq!(diff.culprits[1].holder.cause, Cause::Garbage);
}

#[test]
fn equal_lists_of_many_instances_are_one_holder() {
    let mut heap = Heap::default();
    let module = heap.module("engine");
    let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
    let feeds = heap.child(namespace, "dict", key("FEEDS"));
    let lists: Vec<u32> = (0..30)
        .map(|i| {
            let feed = heap.child(feeds, "engine.Feed", key(&format!("feed {i}")));
            heap.child(feed, "list", EdgeName::Attribute("history".into()))
        })
        .collect();
    for list in &lists {
        (0..8).for_each(|i| _ = heap.child(*list, "engine.Tick", EdgeName::Index(i)));
    }
    let before = taken(&heap, 0.0);
    for list in &lists {
        heap.child(*list, "engine.Tick", EdgeName::Index(8));
    }
    let diff = diff(&before, &taken(&heap, 10.0));
    assert_eq!(diff.culprits.len(), 1);
    assert_eq!((diff.culprits[0].holder.name.as_str(), diff.culprits[0].count), ("engine.Feed.history", 30));
}

#[test]
fn another_process_is_compared_by_name() {
    let (mut heap, _, history) = engine();
    let before = taken(&heap, 0.0);
    (0..9).for_each(|i| _ = heap.child(history, "engine.Tick", EdgeName::Index(20 + i)));
    let mut after = taken(&heap, 10.0);
    after.info.identity.pid += 1;
    let diff = diff(&before, &after);
    assert!(!diff.same_process);
    assert_eq!((diff.culprits[0].type_name.as_str(), diff.culprits[0].count), ("engine.Tick", 9));
    assert_eq!(diff.culprits[0].share, Some(1.0));
    assert_eq!(diff.culprits[0].holder.name, "engine.Feed.history");
}

#[test]
fn a_few_objects_that_look_lost_accuse_nobody() {
    let (mut heap, ..) = engine();
    let before = taken(&heap, 0.0);
    for _ in 0..20 {
        let lost = heap.object("app.Lost");
        heap.root(lost, RootKind::Unexplained, "");
    }
    assert!(diff(&before, &taken(&heap, 10.0)).culprits.is_empty());
}

#[test]
fn growth_in_place_and_native_memory_are_growth() {
    let (heap, _, history) = engine();
    let before = taken(&heap, 0.0);
    let mut after = taken(&heap, 10.0);
    after.graph.size[history as usize] += 80_000;
    let told = diff(&before, &after);
    let worst = &told.culprits[0];
    assert_eq!((worst.type_name.as_str(), worst.count, worst.in_place_bytes), ("list", 0, 80_000));
    assert_eq!(worst.holder.name, "engine.Feed.history");
    let mut owning = taken(&heap, 10.0);
    owning.native.objects = vec![(history, 1 << 20)];
    let told = diff(&before, &owning);
    assert_eq!((told.culprits[0].native_bytes, told.culprits[0].bytes), (1 << 20, 1 << 20));
}

#[test]
fn the_parts_of_the_account_add_up() {
    use crate::{BlockGroup, BlockSource, MemoryTree};
    let (heap, ..) = engine();
    let tree = |blocks: u64, objects: u64| {
        let native = MemoryTree::sum("native_heap", vec![MemoryTree::leaf("native_blocks", blocks)]);
        MemoryTree::sum("rss", vec![MemoryTree::leaf("python_objects", objects), native])
    };
    let group = |count| BlockGroup {
        source: BlockSource::Native,
        owner: None,
        objects: false,
        least: 8000,
        most: 8008,
        count,
        bytes: count * 8016,
    };
    let (mut before, mut after) = (taken(&heap, 0.0), taken(&heap, 10.0));
    (before.memory, after.memory) = (Some(tree(1000, 500)), Some(tree(90_000, 700)));
    (before.native.groups, after.native.groups) = (vec![group(10)], vec![group(21)]);
    let account = diff(&before, &after).account.unwrap();
    assert_eq!(account.parts.iter().map(|p| p.bytes).sum::<i64>(), account.rss_bytes);
    assert_eq!(account.parts[0].part, "native_blocks");
    assert_eq!((account.blocks[0].count, account.blocks[0].bytes), (11, 11 * 8016));
}

#[test]
fn a_weak_set_is_told_only_where_it_keeps_more_than_others_do() {
    let (mut heap, namespace, history) = engine();
    let every = heap.child(namespace, "_weakrefset.WeakSet", key("EVERY"));
    let data = heap.child(every, "set", EdgeName::Attribute("data".into()));
    let before = taken(&heap, 0.0);
    for i in 0..200 {
        let tick = heap.child(history, "engine.Tick", EdgeName::Index(20 + i));
        let weak = heap.child(data, "weakref.ReferenceType", EdgeName::Member);
        heap.refer(tick, weak, EdgeName::Field("__weakref__".into()));
    }
    let told = diff(&before, &taken(&heap, 10.0)).culprits;
    let names: Vec<&str> = told.iter().map(|c| c.holder.name.as_str()).collect();
    assert_eq!(names, ["engine.Feed.history"], "{told:?}");
    // Those to what waits for the collector go with it, though too little waits to be told.
    let before = taken(&heap, 12.0);
    for _ in 0..120 {
        heap.object("app.Cycle");
        heap.child(data, "weakref.ReferenceType", EdgeName::Member);
    }
    let told = diff(&before, &taken(&heap, 14.0)).culprits;
    assert!(told.is_empty(), "{told:?}");
    // Weak references to what nobody keeps are a leak of the set's own.
    let before = taken(&heap, 20.0);
    (0..200).for_each(|_| _ = heap.child(data, "weakref.ReferenceType", EdgeName::Member));
    let told = diff(&before, &taken(&heap, 30.0)).culprits;
    assert_eq!((told.len(), told[0].holder.name.ends_with("WeakSet.data")), (1, true), "{told:?}");
}

#[test]
fn subclasses_that_wait_for_the_collector_are_no_growth_of_their_base() {
    let (mut heap, namespace, _) = engine();
    let base = heap.child(namespace, "type", key("Base"));
    let asked = heap.child(base, "_abc._abc_data", EdgeName::Attribute("_abc_impl".into()));
    let seen = heap.child(asked, "set", EdgeName::Member);
    let before = taken(&heap, 0.0);
    let subclasses = heap.child(base, "dict", EdgeName::Field("__subclasses__".into()));
    for i in 0..300 {
        heap.child(subclasses, "weakref.ReferenceType", key(&i.to_string()));
        heap.child(subclasses, "int", key(&i.to_string()));
        heap.child(seen, "weakref.ReferenceType", EdgeName::Member);
    }
    let told = diff(&before, &taken(&heap, 10.0)).culprits;
    assert!(told.is_empty(), "{told:?}");
    // What else a class gains is told.
    (0..300).for_each(|i| _ = heap.child(base, "engine.Tick", key(&format!("tick_{i}"))));
    let told = diff(&before, &taken(&heap, 10.0)).culprits;
    assert_eq!((told.len(), told[0].type_name.as_str()), (1, "engine.Tick"), "{told:?}");
}

#[test]
fn names_in_the_type_cache_and_subclasses_of_what_is_in_c_are_no_growth() {
    let (mut heap, ..) = engine();
    let table = heap.object("dict");
    heap.root(table, RootKind::Native, "native data of libpython3.13.so.1.0");
    let before = taken(&heap, 0.0);
    for i in 0..300 {
        let name = heap.object("str");
        heap.root(name, RootKind::Native, crate::graph::native::TYPE_CACHE);
        heap.child(table, "weakref.ReferenceType", key(&i.to_string()));
        heap.child(table, "int", key(&i.to_string()));
    }
    let told = diff(&before, &taken(&heap, 10.0)).culprits;
    assert!(told.is_empty(), "{told:?}");
    // What a library of C keeps otherwise is told.
    for _ in 0..300 {
        let kept = heap.object("str");
        heap.root(kept, RootKind::Native, "native data of libfoo.so");
    }
    let told = diff(&before, &taken(&heap, 10.0)).culprits;
    assert_eq!((told.len(), told[0].holder.name.as_str()), (1, "native data of libfoo.so"), "{told:?}");
}

#[test]
fn growth_is_bounded_where_all_of_it_has_a_limit() {
    let (mut heap, namespace, history) = engine();
    let cache = heap.child(namespace, "functools._lru_cache_wrapper", key("parsed"));
    let before = taken(&heap, 0.0);
    assert!(!diff(&before, &before).bounded(), "nothing grew");
    let entries: Vec<u32> = (0..200).map(|_| heap.child(cache, "engine.Order", EdgeName::Member)).collect();
    let mut filling = diff(&before, &taken(&heap, 10.0));
    assert_eq!((filling.culprits.len(), filling.bounded()), (1, false), "{:?}", filling.culprits);
    let limited = |limit: u64, diff: &mut Diff| {
        for culprit in &mut diff.culprits {
            (culprit.holder.items, culprit.holder.limit) = (Some(200), Some(limit));
        }
        diff.bounded()
    };
    assert!(limited(1000, &mut filling));
    assert!(!limited(1_000_000, &mut filling), "one that is far off ends nothing");
    // Objects that nobody is accused of are more than come and go.
    assert!(limited(1000, &mut filling));
    filling.objects.1 += 30;
    assert!(!filling.bounded());
    // Another that has none, beside it.
    (0..200).for_each(|i| _ = heap.child(history, "engine.Tick", EdgeName::Index(20 + i)));
    let mut both = diff(&before, &taken(&heap, 10.0));
    for culprit in both.culprits.iter_mut().filter(|c| c.type_name == "engine.Order") {
        (culprit.holder.items, culprit.holder.limit) = (Some(200), Some(1000));
    }
    assert_eq!((both.culprits.len(), both.bounded(), entries.len()), (2, false, 200));
}
