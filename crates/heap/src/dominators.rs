//! Who keeps whom alive: the dominator tree of the reference graph, by Semi-NCA over flat arrays.
//!
//! Objects are renumbered in depth-first order from a virtual root, so that every inner loop runs over plain
//! `u32` arrays with good locality. Roots that say why an object lives (modules, frames, the interpreter,
//! static objects) come first; native and unexplained ones count only for objects that no named root
//! reaches, and what hangs below them takes nothing from what a named root reaches: a stray word on a stack
//! or a leaked traceback must not make an attribute's contents look ownerless.

use crate::{HeapGraph, RootKind};

/// No number.
const NONE: u32 = u32::MAX;

/// The dominator tree. Position 0 is the virtual root; every other position is a reachable object, numbered
/// in depth-first order, so that a dominator always has a smaller position than what it dominates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dominators {
    /// Object at each position; entry 0 means nothing.
    order: Vec<u32>,
    /// Position of each object, [`NONE`] where unreachable.
    position: Vec<u32>,
    /// Position of the immediate dominator of each position.
    idom: Vec<u32>,
}

impl Dominators {
    /// Computes the tree.
    #[must_use]
    pub fn of(graph: &HeapGraph) -> Self {
        let walk = Walk::of(graph);
        let idom = semi_nca(graph, &walk);
        Self { order: walk.order, position: walk.position, idom }
    }

    /// The immediate dominator of an object: `Some(None)` where only the virtual root dominates it, `None`
    /// where no root reaches it.
    #[must_use]
    pub fn of_object(&self, object: u32) -> Option<Option<u32>> {
        let position = self.position_of(object)?;
        let idom = self.idom.get(position as usize).copied()?;
        Some(if idom == 0 { None } else { self.order.get(idom as usize).copied() })
    }

    /// Whether a root reaches the object.
    #[must_use]
    pub fn reachable(&self, object: u32) -> bool {
        self.position_of(object).is_some()
    }

    /// Number of objects that a root reaches.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.order.len() - 1
    }

    /// Objects by position (entry 0 is the virtual root and means nothing).
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Position of the immediate dominator of each position.
    #[must_use]
    pub fn idom(&self) -> &[u32] {
        &self.idom
    }

    fn position_of(&self, object: u32) -> Option<u32> {
        self.position.get(object as usize).copied().filter(|p| *p != NONE)
    }
}

/// Whether a root of this kind explains an object on its own.
fn names_a_holder(kind: RootKind) -> bool {
    !matches!(kind, RootKind::Native | RootKind::Unexplained)
}

/// A depth-first walk of the graph.
struct Walk {
    order: Vec<u32>,
    position: Vec<u32>,
    /// Position of each position's parent in the walk.
    parent: Vec<u32>,
    /// First position that named roots do not reach, and first that native ones do not reach either.
    layers: [u32; 2],
}

impl Walk {
    fn of(graph: &HeapGraph) -> Self {
        let n = graph.len();
        let mut walk = Self {
            order: Vec::with_capacity(n + 1),
            position: vec![NONE; n],
            parent: Vec::new(),
            layers: [0; 2],
        };
        walk.parent.reserve(n + 1);
        walk.order.push(NONE);
        walk.parent.push(0);
        let mut stack = Vec::new();
        let mut passes: [Vec<u32>; 3] = Default::default();
        for root in &graph.roots {
            let pass = match root.kind {
                kind if names_a_holder(kind) => 0,
                RootKind::Native => 1,
                _ => 2,
            };
            passes[pass].push(root.object);
        }
        for (pass, objects) in passes.iter().enumerate() {
            for object in objects {
                walk.walk_from(graph, *object, &mut stack);
            }
            if let Some(end) = walk.layers.get_mut(pass) {
                *end = walk.order.len() as u32;
            }
        }
        walk
    }

    fn walk_from(&mut self, graph: &HeapGraph, object: u32, stack: &mut Vec<(u32, u32)>) {
        self.visit(object, 0, graph, stack);
        while let Some((position, next)) = stack.last_mut() {
            let Some(target) = graph.edge_to.get(*next as usize).copied().filter(|_| {
                let from = self.order.get(*position as usize).copied().unwrap_or(NONE) as usize;
                graph.edge_start.get(from + 1).is_some_and(|end| *next < *end)
            }) else {
                stack.pop();
                continue;
            };
            *next += 1;
            let parent = *position;
            self.visit(target, parent, graph, stack);
        }
    }

    fn visit(&mut self, object: u32, parent: u32, graph: &HeapGraph, stack: &mut Vec<(u32, u32)>) {
        let Some(slot) = self.position.get_mut(object as usize).filter(|p| **p == NONE) else { return };
        *slot = self.order.len() as u32;
        let position = *slot;
        self.order.push(object);
        self.parent.push(parent);
        if let Some(start) = graph.edge_start.get(object as usize) {
            stack.push((position, *start));
        }
    }

    /// Predecessors of every position, grouped: starts and positions. Parents are left out: most references of
    /// a heap are edges of the walk, and the search starts from those anyway.
    fn predecessors(&self, graph: &HeapGraph) -> (Vec<u32>, Vec<u32>) {
        let count = self.order.len();
        let mut start = vec![0_u32; count + 1];
        self.each_edge(graph, |_, to| start[to as usize + 1] += 1);
        for i in 0..count {
            start[i + 1] += start[i];
        }
        let mut from_of = vec![0_u32; start[count] as usize];
        let mut fill = start.clone();
        self.each_edge(graph, |from, to| {
            let slot = &mut fill[to as usize];
            from_of[*slot as usize] = from;
            *slot += 1;
        });
        (start, from_of)
    }

    fn each_edge(&self, graph: &HeapGraph, mut edge: impl FnMut(u32, u32)) {
        for root in graph.roots.iter().filter(|r| names_a_holder(r.kind)) {
            if let Some(to) = self.position.get(root.object as usize).filter(|p| **p != NONE)
                && self.parent[*to as usize] != 0
            {
                edge(0, *to);
            }
        }
        for (from, object) in self.order.iter().enumerate().skip(1) {
            let from = from as u32;
            let layer = self.layers.iter().rev().copied().find(|first| *first <= from).unwrap_or(0);
            for to in graph.edges(*object) {
                if let Some(to) = self.position.get(*to as usize).filter(|p| (layer..NONE).contains(p))
                    && self.parent[*to as usize] != from
                {
                    edge(from, *to);
                }
            }
        }
    }
}

/// Semi-NCA (Georgiadis): semidominators by path compression, then each immediate dominator as the nearest
/// ancestor in the walk that is no deeper than the semidominator.
fn semi_nca(graph: &HeapGraph, walk: &Walk) -> Vec<u32> {
    let count = walk.order.len();
    let (start, from_of) = walk.predecessors(graph);
    let mut semi: Vec<u32> = (0..count as u32).collect();
    let mut forest = Forest { ancestor: walk.parent.clone(), label: semi.clone(), path: Vec::new() };
    for w in (1..count).rev() {
        let mut best = walk.parent[w];
        for v in &from_of[start[w] as usize..start[w + 1] as usize] {
            best = best.min(if *v <= w as u32 { *v } else { forest.evaluate(*v, w as u32) });
        }
        semi[w] = best;
        forest.label[w] = best;
    }
    let mut idom = walk.parent.clone();
    for w in 1..count {
        let mut at = idom[w];
        while at > semi[w] {
            at = idom[at as usize];
        }
        idom[w] = at;
    }
    idom
}

/// The part of the walk's tree that is linked so far: positions above the one at hand.
struct Forest {
    ancestor: Vec<u32>,
    /// Smallest semidominator on the compressed path above each position.
    label: Vec<u32>,
    path: Vec<u32>,
}

impl Forest {
    /// The smallest semidominator on the path from `v` up to its tree's root; trees hang below `last`.
    fn evaluate(&mut self, v: u32, last: u32) -> u32 {
        let mut at = v;
        while self.ancestor[at as usize] > last {
            self.path.push(at);
            at = self.ancestor[at as usize];
        }
        let mut label = self.label[at as usize];
        let top = self.ancestor[at as usize];
        while let Some(below) = self.path.pop() {
            let own = &mut self.label[below as usize];
            *own = label.min(*own);
            label = *own;
            self.ancestor[below as usize] = top;
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arbitrary_graph, graph};
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
        let dominates =
            |d: u32, v: u32| all[d as usize] && all[v as usize] && !without[d as usize][v as usize];
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
            &[RootKind::Unexplained],
        ] {
            let mut roots = Vec::new();
            for root in graph.roots.iter().filter(|r| kinds.contains(&r.kind)) {
                // Within a later layer a root that an earlier one of the layer reaches is no root.
                let covered = kinds.len() == 1 && reach(graph, &roots, None)[root.object as usize];
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
}
