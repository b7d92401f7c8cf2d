//! What would go with an object: retained sizes from the dominator tree.

use crate::{Dominators, HeapGraph, image::huge};

/// Retained bytes and objects of each object and each type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retained {
    /// Bytes that go when the object goes, its own included; its own size where no root reaches it.
    pub bytes: Vec<u64>,
    /// The same by type, counted once: instances below another instance of the same type add nothing.
    pub by_type: Vec<u64>,
}

impl Retained {
    /// Sums the sizes up the tree.
    #[must_use]
    pub fn of(graph: &HeapGraph, tree: &Dominators) -> Self {
        let by_position = by_position(graph, tree);
        // What that needs beside it goes before the next column is made.
        let mut by_type = by_type(graph, tree, &by_position);
        let mut bytes = huge::collected(graph.size.iter().copied());
        for (object, sum) in tree.order().iter().zip(&by_position).skip(1) {
            if let Some(slot) = bytes.get_mut(*object as usize) {
                *slot = *sum;
            }
        }
        drop(by_position);
        let unreached = graph.type_id.iter().enumerate().filter(|(o, _)| !tree.reachable(*o as u32));
        for (object, kind) in unreached {
            if let Some(sum) = by_type.get_mut(*kind as usize) {
                *sum += graph.size.get(object).copied().unwrap_or(0);
            }
        }
        Self { bytes, by_type }
    }
}

/// Retained bytes by position; a dominator stands before what it dominates, so one pass backwards is enough.
fn by_position(graph: &HeapGraph, tree: &Dominators) -> Vec<u64> {
    let size = |object: &u32| graph.size.get(*object as usize).copied().unwrap_or(0);
    let mut sums: Vec<u64> = huge::collected(tree.order().iter().map(size));
    for (position, idom) in tree.idom().iter().enumerate().skip(1).rev() {
        sums[*idom as usize] += sums[position];
    }
    sums
}

/// Walks the dominator tree and counts, for each type, the outermost instances only.
fn by_type(graph: &HeapGraph, tree: &Dominators, retained: &[u64]) -> Vec<u64> {
    let children = Children::of(tree.idom());
    let kind_of = |object: &u32| graph.type_id.get(*object as usize).copied().unwrap_or(u32::MAX);
    let kinds: Vec<u32> = huge::collected(tree.order().iter().map(kind_of));
    let mut sums = vec![0_u64; graph.types.len()];
    let mut open = vec![0_u32; graph.types.len()];
    // Of each open position its type and what of its children is left: deep as the tree, never wide as it.
    let mut stack: Vec<(u32, std::ops::Range<u32>)> = vec![(u32::MAX, children.range(0))];
    while let Some((_, rest)) = stack.last_mut() {
        let Some(place) = rest.next() else {
            let closed = stack.pop().and_then(|(kind, _)| open.get_mut(kind as usize));
            closed.into_iter().for_each(|depth| *depth -= 1);
            continue;
        };
        let position = children.below[place as usize];
        let kind = kinds.get(position as usize).copied().unwrap_or(u32::MAX);
        let Some(depth) = open.get_mut(kind as usize) else { continue };
        if *depth == 0 {
            sums[kind as usize] += retained.get(position as usize).copied().unwrap_or(0);
        }
        let below = children.range(position);
        if !below.is_empty() {
            *depth += 1;
            stack.push((kind, below));
        }
    }
    sums
}

/// Children of every position, grouped.
pub(crate) struct Children {
    start: Vec<u32>,
    below: Vec<u32>,
}

impl Children {
    /// Groups the positions 1.. by their parent; parents stand before their children.
    pub(crate) fn of(parent: &[u32]) -> Self {
        let mut start: Vec<u32> = huge::zeroed(parent.len() + 2);
        for p in parent.iter().skip(1) {
            start[*p as usize + 2] += 1;
        }
        for i in 1..=parent.len() {
            start[i + 1] += start[i];
        }
        let mut below: Vec<u32> = huge::zeroed(parent.len().saturating_sub(1));
        // While a group fills, its start moves to the next one's, which is where that one looks for it.
        for (position, p) in parent.iter().enumerate().skip(1) {
            let slot = &mut start[*p as usize + 1];
            below[*slot as usize] = position as u32;
            *slot += 1;
        }
        Self { start, below }
    }

    /// The children of one position.
    pub(crate) fn below(&self, position: u32) -> &[u32] {
        let range = self.range(position);
        &self.below[range.start as usize..range.end as usize]
    }

    /// Where they are among all.
    fn range(&self, position: u32) -> std::ops::Range<u32> {
        let at = position as usize;
        self.start[at]..self.start[at + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RootKind;
    use crate::testing::{arbitrary_graph, graph};
    use proptest::prelude::*;

    #[test]
    fn nested_instances_count_once() {
        let g = graph(3, &[(0, 1), (1, 2)], &[(0, RootKind::Module)]);
        let retained = Retained::of(&g, &Dominators::of(&g));
        assert_eq!(retained.bytes, [48, 32, 16]);
        assert_eq!(retained.by_type, [48]);
    }

    proptest! {
        #[test]
        fn sums_agree_with_walking_up_from_every_object(g in arbitrary_graph(30, 80)) {
            let tree = Dominators::of(&g);
            let retained = Retained::of(&g, &tree);
            let n = g.len() as u32;
            let ancestors = |v: u32| {
                let mut up = vec![v];
                while let Some(Some(above)) = tree.of_object(up[up.len() - 1]) {
                    up.push(above);
                }
                up
            };
            let mut bytes = vec![0; n as usize];
            let mut by_type = vec![0; g.types.len()];
            for v in 0..n {
                let up = ancestors(v);
                up.iter().for_each(|a| bytes[*a as usize] += g.size[v as usize]);
                let mut types: Vec<u32> = up.iter().map(|a| g.type_id[*a as usize]).collect();
                types.sort_unstable();
                types.dedup();
                types.iter().for_each(|t| by_type[*t as usize] += g.size[v as usize]);
            }
            prop_assert_eq!(retained.bytes, bytes);
            prop_assert_eq!(retained.by_type, by_type);
        }
    }
}
