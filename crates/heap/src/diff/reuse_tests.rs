//! Addresses that are handed out again, objects that change hands, garbage that outlives collections.

use super::tests::{engine, key, taken};
use super::*;
use crate::testing::Heap;
use crate::{Cause, EdgeName, RootKind};

#[test]
fn objects_made_in_the_place_of_others_are_put_down_to_who_holds_them() {
    let (mut heap, namespace, _) = engine();
    let table = heap.child(namespace, "dict", key("TABLE"));
    let sessions: Vec<u32> =
        (0..60).map(|i| heap.child(table, "app.Session", key(&format!("session {i}")))).collect();
    for session in &sessions {
        (0..2).for_each(|i| _ = heap.child(*session, "app.Part", EdgeName::Index(i)));
    }
    let before = taken(&heap, 0.0);
    for session in &sessions {
        heap.replace_children(*session, "app.Part");
        heap.child(*session, "app.Part", EdgeName::Index(2));
    }
    let told = diff(&before, &taken(&heap, 10.0));
    assert_eq!((told.culprits[0].type_name.as_str(), told.culprits[0].count), ("app.Part", 60));
    assert_eq!(told.culprits[0].holder.name, "engine.TABLE");
}

#[test]
fn what_changed_hands_is_no_growth() {
    let build = |at: usize| {
        let (mut heap, namespace, _) = engine();
        let hands = [heap.child(namespace, "dict", key("A")), heap.child(namespace, "dict", key("B"))];
        // Most of what there is, so that a move is small beside it.
        let rest = heap.child(namespace, "list", key("REST"));
        (0..3000).for_each(|i| _ = heap.child(rest, "app.Row", EdgeName::Index(i)));
        (0..40).for_each(|i| _ = heap.child(hands[at], "app.Ticket", key(&format!("ticket {i}"))));
        heap
    };
    let mut before = taken(&build(0), 0.0);
    let after = taken(&build(1), 10.0);
    // The tickets are others, at other addresses.
    let number = before.graph.types.iter().position(|t| t.name == "app.Ticket").unwrap() as u32;
    for (address, kind) in before.graph.address.iter_mut().zip(&before.graph.type_id) {
        *address += if *kind == number { 8 } else { 0 };
    }
    let told = diff(&before, &after);
    assert!(told.culprits.is_empty(), "{:?}", told.culprits);
}

#[test]
fn modules_that_keep_coming_are_held_by_the_table_of_modules() {
    let (mut heap, ..) = engine();
    let modules = heap.object("dict");
    heap.root(modules, RootKind::Interpreter, "sys.modules");
    let before = taken(&heap, 0.0);
    (0..60).for_each(|i| _ = heap.module(&format!("plugin_{i}")));
    let told = diff(&before, &taken(&heap, 10.0));
    assert_eq!((told.culprits[0].holder.name.as_str(), told.culprits[0].count), ("sys.modules", 60));
}

#[test]
fn garbage_that_outlives_full_collections_is_called_that() {
    let garbage = |heap: &mut Heap, pairs: usize| {
        for _ in 0..pairs {
            let one = heap.object("app.Cycle");
            heap.child(one, "app.Cycle", EdgeName::Attribute("other".into()));
        }
    };
    let (mut heap, ..) = engine();
    garbage(&mut heap, 100);
    let mut before = taken(&heap, 0.0);
    garbage(&mut heap, 200);
    let mut after = taken(&heap, 10.0);
    let cause = |before: &Snapshot, after: &Snapshot| diff(before, after).culprits[0].holder.cause;
    assert_eq!(cause(&before, &after), Cause::Garbage);
    (before.info.full_collections, after.info.full_collections) = (Some(3), Some(4));
    assert_eq!(cause(&before, &after), Cause::Garbage, "it may have run before the first snapshot");
    after.info.full_collections = Some(5);
    assert_eq!(cause(&before, &after), Cause::Uncollectable);
}
