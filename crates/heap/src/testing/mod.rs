//! Small graphs for tests.

use crate::{EdgeName, EdgeNamer, HeapGraph, Root, RootKind, SnapshotInfo, TypeInfo};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A graph of `n` objects of 16 bytes and one type from a list of edges and roots.
pub(crate) fn graph(n: u32, edges: &[(u32, u32)], roots: &[(u32, RootKind)]) -> HeapGraph {
    let mut out = vec![Vec::new(); n as usize];
    for (from, to) in edges {
        out[*from as usize].push(*to);
    }
    let mut g = HeapGraph {
        types: vec![TypeInfo { name: "app.Node".into(), address: 1 }],
        address: (0..n).map(|i| 0x1000 + u64::from(i) * 64).collect(),
        type_id: vec![0; n as usize].into(),
        size: vec![16; n as usize],
        edge_start: vec![0],
        ..HeapGraph::default()
    };
    for targets in &out {
        g.edge_to.extend(targets);
        g.edge_start.push(g.edge_to.len() as u32);
    }
    g.roots = roots
        .iter()
        .map(|(object, kind)| Root { object: *object, kind: *kind, name: format!("root {object}") })
        .collect();
    g
}

/// Random graphs: unreachable parts, loops, double edges and every kind of root among them.
pub(crate) fn arbitrary_graph(objects: u32, edges: usize) -> impl Strategy<Value = HeapGraph> {
    (1..=objects).prop_flat_map(move |n| {
        let kind = prop_oneof![
            3 => Just(RootKind::Module),
            1 => Just(RootKind::Frame),
            1 => Just(RootKind::Native),
            1 => Just(RootKind::Unexplained),
            1 => Just(RootKind::Uncollectable),
        ];
        (
            prop::collection::vec((0..n, 0..n), 0..edges),
            prop::collection::vec((0..n, kind), 0..4),
            prop::collection::vec(0_u32..4, n as usize),
            prop::collection::vec(16_u64..5000, n as usize),
        )
            .prop_map(move |(edges, roots, types, sizes)| {
                let mut g = graph(n, &edges, &roots);
                g.types = (0..4).map(|i| TypeInfo { name: format!("app.T{i}"), address: i }).collect();
                g.type_id = types.into();
                g.size = sizes;
                g
            })
    })
}

/// A heap that is built object by object, with the names of its references.
#[derive(Default)]
pub(crate) struct Heap {
    types: Vec<String>,
    of: Vec<usize>,
    address: Vec<u64>,
    edges: Vec<(u32, u32)>,
    names: BTreeMap<(u32, u32), EdgeName>,
    roots: Vec<Root>,
    /// `len()` of containers.
    pub(crate) items: BTreeMap<u32, u64>,
}

impl Heap {
    /// An object of a type that nobody holds.
    pub(crate) fn object(&mut self, kind: &str) -> u32 {
        let number = self.types.iter().position(|t| t == kind).unwrap_or_else(|| {
            self.types.push(kind.to_owned());
            self.types.len() - 1
        });
        self.of.push(number);
        self.address.push(0x1000 + self.address.len() as u64 * 64);
        self.of.len() as u32 - 1
    }

    /// A module, with its root.
    pub(crate) fn module(&mut self, name: &str) -> u32 {
        let object = self.object("module");
        self.root(object, RootKind::Module, &format!("module {name}"));
        object
    }

    /// Makes an object a root.
    pub(crate) fn root(&mut self, object: u32, kind: RootKind, name: &str) {
        self.roots.push(Root { object, kind, name: name.to_owned() });
    }

    /// A new object that `holder` refers to.
    pub(crate) fn child(&mut self, holder: u32, kind: &str, name: EdgeName) -> u32 {
        let object = self.object(kind);
        self.refer(holder, object, name);
        object
    }

    /// Another reference.
    pub(crate) fn refer(&mut self, from: u32, to: u32, name: EdgeName) {
        self.edges.push((from, to));
        self.names.insert((from, to), name);
    }

    /// Takes a reference back.
    pub(crate) fn forget(&mut self, from: u32, to: u32) {
        self.edges.retain(|edge| *edge != (from, to));
        self.names.remove(&(from, to));
    }

    /// Frees what `holder` refers to directly and puts as many new objects in its place.
    pub(crate) fn replace_children(&mut self, holder: u32, kind: &str) {
        let old: Vec<(u32, u32)> = self.edges.iter().copied().filter(|e| e.0 == holder).collect();
        for (edge, (_, object)) in old.iter().enumerate() {
            // A freed object's number is used again at an address that was never used before.
            self.address[*object as usize] = 0x100_0000 + self.address.len() as u64 * 4096 + edge as u64 * 64;
        }
        self.retype(&old, kind);
    }

    fn retype(&mut self, edges: &[(u32, u32)], kind: &str) {
        let number = self.types.iter().position(|t| t == kind).unwrap_or(0);
        edges.iter().for_each(|(_, object)| self.of[*object as usize] = number);
    }

    /// The graph so far: 64 bytes an object.
    pub(crate) fn graph(&self) -> HeapGraph {
        let mut g = graph(self.of.len() as u32, &self.edges, &[]);
        g.types = self.types.iter().map(|t| TypeInfo { name: t.clone(), address: 1 }).collect();
        g.type_id = self.of.iter().map(|t| *t as u32).collect();
        g.address = self.address.clone().into();
        g.size = vec![64; self.of.len()];
        g.roots.clone_from(&self.roots);
        g
    }
}

impl EdgeNamer for Heap {
    fn name(&self, from: u32, to: u32) -> Option<EdgeName> {
        self.names.get(&(from, to)).cloned()
    }

    fn items(&self, object: u32) -> Option<u64> {
        self.items.get(&object).copied()
    }
}

/// Facts of a snapshot that never was.
pub(crate) fn sample_info() -> SnapshotInfo {
    SnapshotInfo {
        identity: m5_process::Identity { pid: 4711, start_ticks: 99 },
        command: "python3 engine.py".into(),
        python: "3.12.1".into(),
        taken_at: 1_700_000_000.0,
        age_seconds: Some(60.0),
        method: "fork".into(),
        pause_seconds: Some(0.0031),
        total_seconds: Some(0.5),
        rss_bytes: Some(1 << 27),
        coverage: crate::Coverage::default(),
        fragmentation: None,
        free_elsewhere: None,
        beside_rss: None,
        full_collections: None,
        queued: Vec::new(),
        notes: Vec::new(),
    }
}
