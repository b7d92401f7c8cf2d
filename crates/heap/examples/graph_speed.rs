//! Times the graph's algorithms on synthetic heaps: `cargo run --release -p m5-heap --example graph_speed -- 10`
//! (millions of objects).

use m5_heap::{Dominators, HeapGraph, PathTree, Retained, Root, RootKind, TypeInfo};
use std::time::Instant;

fn main() {
    let millions: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(10);
    for (what, shared) in [("heap-like", 5_000), ("random", usize::MAX)] {
        let graph = synthetic(millions * 1_000_000, shared);
        println!("{what}: {} objects, {} references", graph.len(), graph.edge_to.len());
        let started = Instant::now();
        let tree = Dominators::of(&graph);
        println!("  dominators {:.3} s, {} reached", started.elapsed().as_secs_f64(), tree.reached());
        let started = Instant::now();
        let retained = Retained::of(&graph, &tree);
        println!("  retained   {:.3} s, {} types", started.elapsed().as_secs_f64(), retained.by_type.len());
        let started = Instant::now();
        let paths = PathTree::of(&graph);
        println!("  paths      {:.3} s, {} found", started.elapsed().as_secs_f64(), paths.order().len());
    }
}

/// Containers of 250 records of three values each, laid out as an allocator would; two values of three are one
/// of `shared` leaves (types, interned strings, small numbers), or any object at all, the worst case for every
/// algorithm here.
fn synthetic(n: usize, shared: usize) -> HeapGraph {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as u32
    };
    let leaves = shared.min(n);
    let parent = |i: usize| match i % 1000 {
        0 => 0,
        place if place % 4 == 0 => (i - place) as u32,
        _ => (i & !3) as u32,
    };
    let first_leaf = n - leaves.min(n / 2);
    let extra: Vec<Option<u32>> =
        (0..n).map(|i| (i % 3 != 0 && i < first_leaf).then(|| (n - 1) as u32 - random(leaves))).collect();
    let mut out = vec![0_u32; n + 1];
    for (i, other) in extra.iter().enumerate().skip(1) {
        out[parent(i) as usize + 1] += 1;
        out[i + 1] += u32::from(other.is_some());
    }
    for i in 0..n {
        out[i + 1] += out[i];
    }
    let mut fill = out.clone();
    let mut edge_to = vec![0_u32; out[n] as usize];
    for (i, other) in extra.iter().enumerate().skip(1) {
        for (from, to) in [(parent(i), Some(i as u32)), (i as u32, *other)] {
            if let Some(to) = to {
                edge_to[fill[from as usize] as usize] = to;
                fill[from as usize] += 1;
            }
        }
    }
    HeapGraph {
        types: vec![TypeInfo { name: "synthetic".into(), address: 1 }],
        address: (0..n as u64).map(|i| 0x7000_0000 + i * 64).collect(),
        type_id: vec![0; n].into(),
        size: vec![64; n],
        edge_start: out,
        edge_to,
        roots: vec![Root { object: 0, kind: RootKind::Module, name: "module app".into() }],
    }
}
