//! Who keeps whom alive: the dominator tree of the reference graph, by Semi-NCA over flat arrays.
//!
//! Objects are renumbered in depth-first order from a virtual root, so that every inner loop runs over plain
//! `u32` arrays with good locality. Roots that say why an object lives (modules, frames, the interpreter,
//! static objects) come first; native and unexplained ones count only for objects that no named root
//! reaches, and what hangs below them takes nothing from what a named root reaches: a stray word on a stack
//! or a leaked traceback must not make an attribute's contents look ownerless. And a function only borrows the
//! namespace of its module: otherwise one imported function would take a module's contents away from it.

mod keeping;
pub(crate) mod retained;
mod walk;

use crate::{HeapGraph, image::huge};
pub use keeping::Keeping;
use walk::{NONE, Owned, Walk};

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
        let owned = Owned::of(graph);
        let mut walk = Walk::of(&owned);
        let idom = semi_nca(&owned, &mut walk);
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

/// Semi-NCA (Georgiadis): semidominators by path compression, then each immediate dominator as the nearest
/// ancestor in the walk that is no deeper than the semidominator.
fn semi_nca(owned: &Owned<'_>, walk: &mut Walk) -> Vec<u32> {
    let count = walk.order.len();
    let (start, from_of) = walk.predecessors(owned);
    let mut semi = huge::collected(0..count as u32);
    let linked =
        walk.parent.iter().zip(&semi).map(|(ancestor, label)| Link { ancestor: *ancestor, label: *label });
    let mut forest = Forest { links: huge::collected(linked), path: Vec::new() };
    for w in (1..count).rev() {
        let mut best = walk.parent[w];
        for v in &from_of[start[w] as usize..start[w + 1] as usize] {
            best = best.min(if *v <= w as u32 { *v } else { forest.evaluate(*v, w as u32) });
        }
        semi[w] = best;
        forest.links[w].label = best;
    }
    drop(forest);
    let mut idom = std::mem::take(&mut walk.parent);
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
    links: Vec<Link>,
    path: Vec<u32>,
}

/// A position's place in the forest; both halves are always wanted together, so they lie together.
#[derive(Clone, Copy)]
struct Link {
    ancestor: u32,
    /// Smallest semidominator on the compressed path above the position.
    label: u32,
}

impl Forest {
    /// The smallest semidominator on the path from `v` up to its tree's root; trees hang below `last`.
    fn evaluate(&mut self, v: u32, last: u32) -> u32 {
        let mut at = v;
        while self.links[at as usize].ancestor > last {
            self.path.push(at);
            at = self.links[at as usize].ancestor;
        }
        let Link { ancestor: top, mut label } = self.links[at as usize];
        while let Some(below) = self.path.pop() {
            let own = &mut self.links[below as usize];
            label = label.min(own.label);
            *own = Link { ancestor: top, label };
        }
        label
    }
}

#[cfg(test)]
mod tests;
