use super::*;
use crate::testing::{Heap, arbitrary_graph, sample_info};
use crate::{EdgeName, RootKind, StoredNames};
use proptest::prelude::*;

fn snapshot(heap: &Heap) -> Snapshot {
    let graph = heap.graph();
    let names = StoredNames::collect(&graph, &PathTree::of(&graph), heap, &Redaction::new(false));
    Snapshot {
        info: sample_info(),
        graph,
        names,
        memory: None,
        fds: Vec::new(),
        native: crate::NativeMemory::default(),
    }
}

#[test]
fn types_holders_and_holdings() {
    let mut heap = Heap::default();
    let module = heap.module("engine");
    let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
    let feed = heap.child(namespace, "engine.Feed", EdgeName::Key("FEED".into()));
    let history = heap.child(feed, "list", EdgeName::Attribute("history".into()));
    (0..98).for_each(|i| _ = heap.child(history, "engine.Tick", EdgeName::Index(i)));
    let other = heap.child(namespace, "list", EdgeName::Key("OTHER".into()));
    (0..2).for_each(|i| _ = heap.child(other, "engine.Tick", EdgeName::Index(i)));
    let lost = heap.object("app.Lost");
    heap.root(lost, RootKind::Unexplained, "");
    heap.object("app.Cycle");
    let summary = summarize(&snapshot(&heap), &SummaryOptions::default());
    let ticks = &summary.types[0];
    assert_eq!((ticks.type_name.as_str(), ticks.count, ticks.bytes), ("engine.Tick", 100, 6400));
    let held = ticks.held_by.as_ref().unwrap();
    assert_eq!(held.groups[0].holder.name, "engine.Feed.history");
    assert!((held.groups[0].share - 0.98).abs() < 1e-9);
    assert_eq!((summary.garbage.objects, summary.no_referrer.objects), (1, 1));
    let module = &summary.holdings[0];
    assert_eq!((module.name.as_str(), module.type_name.as_str()), ("engine", "module"));
    let feed = &module.parts[0];
    assert_eq!((feed.name.as_str(), feed.retained_bytes), ("engine.FEED", 100 * 64));
    let ticks = &feed.parts[0].parts[0];
    assert_eq!((ticks.name.as_str(), ticks.objects, ticks.retained_bytes), ("engine.Tick", 98, 98 * 64));
}

proptest! {
    #[test]
    fn sums_hold_on_any_graph(graph in arbitrary_graph(40, 100)) {
        let total: u64 = graph.size.iter().sum();
        let snapshot = Snapshot {
            info: sample_info(), graph, names: StoredNames::default(), memory: None, fds: Vec::new(), native: crate::NativeMemory::default(),
        };
        let summary = summarize(&snapshot, &SummaryOptions::default());
        prop_assert_eq!(summary.types.iter().map(|t| t.bytes).sum::<u64>(), total);
        let held: u64 = summary.holdings.iter().map(|h| h.retained_bytes).sum();
        prop_assert!(held + summary.garbage.bytes <= total);
        fn parts_fit(h: &Holding) -> bool {
            h.parts.iter().map(|p| p.retained_bytes).sum::<u64>() <= h.retained_bytes && h.parts.iter().all(parts_fit)
        }
        prop_assert!(summary.holdings.iter().all(parts_fit));
    }
}
