//! The dominator tree's rules for those who draw the graph elsewhere: with the references that keep nothing set
//! apart, any dominator tree of what is left has the same retained sizes.

use super::walk::{NONE, Owned, Walk, names_a_holder};
use crate::HeapGraph;

/// Objects that no root reaches.
const UNREACHED: u8 = u8::MAX;

/// Which references and roots keep something alive.
pub struct Keeping<'a> {
    owned: Owned<'a>,
    /// By object: what named roots reach, what only native ones do, what only unexplained ones do.
    layer: Vec<u8>,
    roots: Vec<bool>,
}

impl<'a> Keeping<'a> {
    /// Walks the graph once.
    #[must_use]
    pub fn of(graph: &'a HeapGraph) -> Self {
        let owned = Owned::of(graph);
        let walk = Walk::of(&owned);
        let layer = |position: &u32| if *position == NONE { UNREACHED } else { walk.layer(*position) };
        let layer = walk.position.iter().map(layer).collect();
        let began = |object: u32| {
            let position = walk.position.get(object as usize).filter(|p| **p != NONE);
            position.and_then(|p| walk.parent.get(*p as usize)) == Some(&0)
        };
        let roots = graph.roots.iter().map(|r| names_a_holder(r.kind) || began(r.object)).collect();
        Self { owned, layer, roots }
    }

    /// Whether any root reaches the object.
    #[must_use]
    pub fn reached(&self, object: u32) -> bool {
        self.layer(object) != UNREACHED
    }

    /// Whether a reference keeps what it leads to. One from an object that lives by less does not, nor does one
    /// to a namespace that is only borrowed.
    #[must_use]
    pub fn reference(&self, from: u32, to: u32) -> bool {
        let (own, other) = (self.layer(from), self.layer(to));
        other != UNREACHED && own <= other && !(self.owned.is_namespace(to) && self.owned.borrows(from))
    }

    /// Whether the root with this number in [`HeapGraph::roots`] keeps its object: always where it has a name,
    /// else only where nothing before it led there.
    #[must_use]
    pub fn root(&self, number: usize) -> bool {
        self.roots.get(number).copied().unwrap_or(false)
    }

    fn layer(&self, object: u32) -> u8 {
        self.layer.get(object as usize).copied().unwrap_or(UNREACHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::arbitrary_graph;
    use crate::{Dominators, RootKind};
    use proptest::prelude::*;

    /// The graph with nothing in it but what keeps: every root a module, every reference a plain one.
    fn plain(graph: &HeapGraph) -> HeapGraph {
        let keeping = Keeping::of(graph);
        let mut plain = HeapGraph { edge_start: vec![0], edge_to: Vec::new(), ..graph.clone() };
        for from in 0..graph.len() as u32 {
            plain.edge_to.extend(graph.edges(from).iter().filter(|to| keeping.reference(from, **to)));
            plain.edge_start.push(plain.edge_to.len() as u32);
        }
        let kept = graph.roots.iter().enumerate().filter(|(number, _)| keeping.root(*number));
        plain.roots = kept.map(|(_, root)| root.clone()).collect();
        plain.roots.iter_mut().for_each(|root| root.kind = RootKind::Frame);
        plain
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn what_keeps_is_all_that_the_tree_needs(graph in arbitrary_graph(24, 70)) {
            let (tree, other) = (Dominators::of(&graph), Dominators::of(&plain(&graph)));
            let keeping = Keeping::of(&graph);
            for object in 0..graph.len() as u32 {
                prop_assert_eq!(tree.of_object(object), other.of_object(object));
                prop_assert_eq!(tree.reachable(object), keeping.reached(object));
            }
        }
    }
}
