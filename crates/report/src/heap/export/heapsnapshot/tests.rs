use super::plan::NODE_FIELDS;
use super::*;
use crate::heap::testing::{grown, sample_snapshot};
use m5_heap::{Dominators, HeapGraph, Retained, Root, RootKind, TypeInfo};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// The file as the panel reads it.
struct Panel {
    nodes: Vec<[u64; 7]>,
    edges: Vec<[u64; 3]>,
    strings: Vec<String>,
}

impl Panel {
    fn open(snapshot: &Snapshot) -> Self {
        let mut out = Vec::new();
        heapsnapshot(snapshot, &mut out).unwrap();
        let json: Value = serde_json::from_slice(&out).unwrap();
        let numbers = |name: &str| -> Vec<u64> {
            json[name].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
        };
        let (nodes, edges) = (numbers("nodes"), numbers("edges"));
        let count = |name: &str| json["snapshot"][name].as_u64().unwrap();
        assert_eq!(nodes.len() as u64, count("node_count") * NODE_FIELDS);
        assert_eq!(edges.len() as u64, count("edge_count") * 3);
        let meta = &json["snapshot"]["meta"];
        assert_eq!(
            meta["node_fields"].as_array().unwrap().len(),
            meta["node_types"].as_array().unwrap().len()
        );
        Self {
            nodes: nodes.as_chunks::<7>().0.to_vec(),
            edges: edges.as_chunks::<3>().0.to_vec(),
            strings: serde_json::from_value(json["strings"].clone()).unwrap(),
        }
    }

    /// What must hold of every file, whatever is in it.
    fn check(&self) {
        assert_eq!(self.nodes.iter().map(|n| n[4]).sum::<u64>(), self.edges.len() as u64);
        let mut ids: Vec<u64> = self.nodes.iter().map(|n| n[2]).collect();
        assert!(ids.iter().all(|id| *id > 0 && *id <= u64::from(u32::MAX)));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), self.nodes.len(), "no number twice");
        for node in &self.nodes {
            assert!((node[1] as usize) < self.strings.len() && node[3] <= rest::LARGEST);
            assert!(node[0] == OBJECT || node[2] == 1 || node[2] % 2 == 0, "odd numbers are for objects");
        }
        for edge in &self.edges {
            assert!(edge[2] % NODE_FIELDS == 0 && edge[2] < self.nodes.len() as u64 * NODE_FIELDS);
            assert!(edge[0] == 1 || (edge[1] as usize) < self.strings.len(), "elements alone have positions");
        }
    }

    /// Every node with its references, a line each.
    fn text(&self) -> String {
        const KINDS: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];
        let named = |node: &[u64; 7]| format!("{} @{}", self.strings[node[1] as usize], node[2]);
        let mut out = String::new();
        let mut edges = self.edges.iter();
        for node in &self.nodes {
            out.push_str(&format!("{}, {} B\n", named(node), node[3]));
            for [kind, name, to] in edges.by_ref().take(node[4] as usize) {
                let kind = KINDS[*kind as usize];
                let name =
                    if kind == "element" { name.to_string() } else { self.strings[*name as usize].clone() };
                let to = named(&self.nodes[(to / NODE_FIELDS) as usize]);
                out.push_str(&format!("  {kind} {name}: {to}\n"));
            }
        }
        out
    }

    /// The nodes as a graph with one root: what is left without weak references, and classes by their names.
    fn graph(&self) -> HeapGraph {
        const WEAK: u64 = 6;
        let mut types: Vec<String> = self.nodes.iter().map(|n| self.strings[n[1] as usize].clone()).collect();
        types.sort();
        types.dedup();
        let kind = |n: &[u64; 7]| types.binary_search(&self.strings[n[1] as usize]).unwrap() as u32;
        let mut graph = HeapGraph {
            type_id: self.nodes.iter().map(kind).collect(),
            address: (1..).take(self.nodes.len()).collect(),
            size: self.nodes.iter().map(|n| n[3]).collect(),
            edge_start: vec![0],
            roots: vec![Root { object: 0, kind: RootKind::Frame, name: String::new() }],
            ..HeapGraph::default()
        };
        let mut edges = self.edges.iter();
        for node in &self.nodes {
            let own = edges.by_ref().take(node[4] as usize);
            graph.edge_to.extend(own.filter(|e| e[0] != WEAK).map(|e| (e[2] / NODE_FIELDS) as u32));
            graph.edge_start.push(graph.edge_to.len() as u32);
        }
        graph.types = types.into_iter().map(|name| TypeInfo { name, address: 0 }).collect();
        graph
    }
}

/// Count, shallow and retained bytes by class, as a table.
fn classes_of(graph: &HeapGraph) -> BTreeMap<String, (u64, u64, u64)> {
    let retained = Retained::of(graph, &Dominators::of(graph)).by_type;
    let mut table: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (object, kind) in graph.type_id.iter().enumerate().filter(|(object, _)| graph.size[*object] > 0) {
        let row = table.entry(display_type(&graph.types[*kind as usize].name).to_owned()).or_default();
        *row = (row.0 + 1, row.1 + graph.size[object], retained[*kind as usize]);
    }
    table
}

fn with_graph(graph: HeapGraph) -> Snapshot {
    Snapshot { graph, ..sample_snapshot() }
}

#[test]
fn a_small_heap_in_full() {
    let mut snapshot = grown(3, 1_700_000_000.0);
    // The lost object refers to a tick: that keeps nothing, since a module holds it.
    snapshot.graph.edge_to.insert(6, 6);
    snapshot.graph.edge_start.iter_mut().skip(5).for_each(|start| *start += 1);
    let panel = Panel::open(&snapshot);
    panel.check();
    insta::assert_snapshot!(panel.text());
}

#[test]
fn what_the_panel_would_misread_says_whose_it_is() {
    let mut snapshot = sample_snapshot();
    snapshot.graph.types[2].name = "Object".into();
    snapshot.graph.types[4].name = "<locals> of it".into();
    let panel = Panel::open(&snapshot);
    assert!(!panel.strings.iter().any(|s| s == "Object" || s.starts_with('<')));
}

#[test]
fn five_gigabytes_in_one_object_are_all_there() {
    let mut snapshot = sample_snapshot();
    snapshot.graph.size[3] = 5 << 30;
    let panel = Panel::open(&snapshot);
    panel.check();
    let (ours, seen) = (classes_of(&snapshot.graph), classes_of(&panel.graph()));
    assert_eq!(seen["list"], (2, ours["list"].1, ours["list"].2), "in two pieces");
    assert_eq!(seen["engine.Feed"], ours["engine.Feed"]);
    snapshot.graph.size[3] = 1 << 61;
    Panel::open(&snapshot).check();
}

/// Modules with their namespaces, functions that borrow those, all kinds of roots, things that nobody reaches.
fn heaps() -> impl Strategy<Value = HeapGraph> {
    const TYPES: [&str; 5] = ["module", "dict", "function", "app.A", "app.B"];
    let kind = prop_oneof![
        4 => Just(RootKind::Module),
        1 => Just(RootKind::Frame),
        1 => Just(RootKind::Interpreter),
        1 => Just(RootKind::Native),
        1 => Just(RootKind::Unexplained),
    ];
    (1_u32..30).prop_flat_map(move |n| {
        let types = prop::collection::vec(0_u32..TYPES.len() as u32, n as usize);
        let sizes = prop::collection::vec(16_u64..5000, n as usize);
        let edges = prop::collection::vec((0..n, 0..n), 0..90);
        let roots = prop::collection::vec((0..n, kind.clone()), 0..5);
        (types, sizes, edges, roots).prop_map(move |(type_id, size, mut edges, roots)| {
            edges.sort_unstable();
            let root = |(object, kind)| Root { object, kind, name: format!("root {object}") };
            HeapGraph {
                types: TYPES.iter().map(|t| TypeInfo { name: (*t).into(), address: 1 }).collect(),
                address: (0..u64::from(n)).map(|i| 0x1000 + i * 64).collect(),
                edge_start: (0..=n).map(|i| edges.partition_point(|e| e.0 < i) as u32).collect(),
                edge_to: edges.iter().map(|e| e.1).collect(),
                roots: roots.into_iter().map(root).collect(),
                type_id: type_id.into(),
                size,
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn the_panel_finds_what_m5_finds(graph in heaps()) {
        let ours = classes_of(&graph);
        let panel = Panel::open(&with_graph(graph));
        panel.check();
        prop_assert_eq!(Dominators::of(&panel.graph()).reached(), panel.nodes.len(), "a root reaches everything");
        let mut seen = classes_of(&panel.graph());
        seen.retain(|name, _| !name.starts_with('('));
        prop_assert_eq!(seen, ours);
    }
}
