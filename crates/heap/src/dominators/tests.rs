use super::*;
use crate::EdgeName;
use crate::RootKind;
use crate::testing::{Heap, arbitrary_graph, graph};
use proptest::prelude::*;

/// Straight from the definition, layer by layer: `d` dominates `v` when `v` cannot be reached without `d`.
fn naive(graph: &HeapGraph) -> Vec<Option<Option<u32>>> {
    let mut answer = vec![None; graph.len()];
    for roots in layered_roots(graph) {
        for (slot, idom) in answer.iter_mut().zip(naive_layer(graph, &roots)) {
            *slot = slot.or(idom);
        }
    }
    answer
}

fn naive_layer(graph: &HeapGraph, roots: &[u32]) -> Vec<Option<Option<u32>>> {
    let n = graph.len() as u32;
    let all = reach(graph, roots, None);
    let without: Vec<Vec<bool>> = (0..n).map(|d| reach(graph, roots, Some(d))).collect();
    let dominates = |d: u32, v: u32| all[d as usize] && all[v as usize] && !without[d as usize][v as usize];
    (0..n)
        .map(|v| {
            if !all[v as usize] {
                return None;
            }
            let strict: Vec<u32> = (0..n).filter(|d| *d != v && dominates(*d, v)).collect();
            Some(strict.iter().copied().find(|d| strict.iter().all(|e| e == d || dominates(*e, *d))))
        })
        .collect()
}

/// The roots of each layer: named ones; native ones that those do not reach; unexplained ones.
fn layered_roots(graph: &HeapGraph) -> Vec<Vec<u32>> {
    let mut seen = vec![false; graph.len()];
    let mut layers = Vec::new();
    for kinds in [
        &[RootKind::Module, RootKind::Frame, RootKind::Interpreter, RootKind::Static][..],
        &[RootKind::Native],
        &[RootKind::Unexplained, RootKind::Uncollectable],
    ] {
        let mut roots = Vec::new();
        for root in graph.roots.iter().filter(|r| kinds.contains(&r.kind)) {
            // Within a later layer a root that an earlier one of the layer reaches is no root.
            let covered =
                !kinds.contains(&RootKind::Module) && reach(graph, &roots, None)[root.object as usize];
            if !seen[root.object as usize] && !covered {
                roots.push(root.object);
            }
        }
        reach(graph, &roots, None).iter().zip(&mut seen).for_each(|(now, all)| *all |= now);
        layers.push(roots);
    }
    layers
}

fn reach(graph: &HeapGraph, roots: &[u32], without: Option<u32>) -> Vec<bool> {
    let mut seen = vec![false; graph.len()];
    let mut stack: Vec<u32> = roots.to_vec();
    while let Some(v) = stack.pop() {
        if Some(v) != without && !std::mem::replace(&mut seen[v as usize], true) {
            stack.extend(graph.edges(v));
        }
    }
    seen
}

#[test]
fn diamond() {
    let g = graph(5, &[(0, 1), (0, 2), (1, 3), (2, 3)], &[(0, RootKind::Module)]);
    let tree = Dominators::of(&g);
    assert_eq!(tree.of_object(0), Some(None));
    assert_eq!(tree.of_object(3), Some(Some(0)));
    assert_eq!(tree.of_object(4), None);
    assert_eq!(tree.reached(), 4);
}

#[test]
fn a_stray_native_word_owns_nothing_that_a_module_holds() {
    let g = graph(3, &[(0, 1), (1, 2)], &[(2, RootKind::Native), (0, RootKind::Module)]);
    assert_eq!(Dominators::of(&g).of_object(2), Some(Some(1)));
}

#[test]
fn an_imported_function_takes_nothing_from_its_module() {
    let mut heap = Heap::default();
    let attribute = |name: &str| EdgeName::Attribute(name.into());
    let (app, other) = (heap.module("app"), heap.module("other"));
    let namespace = heap.child(app, "dict", attribute("__dict__"));
    let cache = heap.child(namespace, "list", attribute("CACHE"));
    let function = heap.child(namespace, "function", attribute("f"));
    heap.refer(function, namespace, EdgeName::Field("__globals__".into()));
    let imports = heap.child(other, "dict", attribute("__dict__"));
    heap.refer(imports, function, attribute("f"));
    let tree = Dominators::of(&heap.graph());
    assert_eq!(tree.of_object(namespace), Some(Some(app)));
    assert_eq!(tree.of_object(cache), Some(Some(namespace)));
    assert_eq!(tree.of_object(function), Some(None));
}

#[test]
fn a_chain_of_a_million_needs_no_stack() {
    let n = 1_000_000;
    let edges: Vec<(u32, u32)> = (0..n - 1).map(|i| (i, i + 1)).collect();
    let g = graph(n, &edges, &[(0, RootKind::Module)]);
    assert_eq!(Dominators::of(&g).of_object(n - 1), Some(Some(n - 2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn agrees_with_the_definition(g in arbitrary_graph(24, 70)) {
        let tree = Dominators::of(&g);
        let got: Vec<_> = (0..g.len() as u32).map(|v| tree.of_object(v)).collect();
        prop_assert_eq!(got, naive(&g));
    }
}
