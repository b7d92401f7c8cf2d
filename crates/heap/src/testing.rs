//! Small graphs for tests.

use crate::{HeapGraph, Root, RootKind, TypeInfo};
use proptest::prelude::*;

/// A graph of `n` objects of 16 bytes and one type from a list of edges and roots.
pub(crate) fn graph(n: u32, edges: &[(u32, u32)], roots: &[(u32, RootKind)]) -> HeapGraph {
    let mut out = vec![Vec::new(); n as usize];
    for (from, to) in edges {
        out[*from as usize].push(*to);
    }
    let mut g = HeapGraph {
        types: vec![TypeInfo { name: "app.Node".into(), address: 1 }],
        address: (0..n).map(|i| 0x1000 + u64::from(i) * 64).collect(),
        type_id: vec![0; n as usize],
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
                g.type_id = types;
                g.size = sizes;
                g
            })
    })
}
