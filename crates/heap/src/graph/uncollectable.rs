//! Cycles that no collection can free: they lead through an object whose references the collector does not see, because
//! its type has no support for it or because the object is not tracked. Its neighbour then looks held from outside.
//!
//! Among objects that nothing alive reaches, each strongly connected part with such an object lives forever, and so
//! does all that it leads to. Any other part is freed sooner or later.

use crate::census::count;
use crate::graph::edges::Walker;
use crate::graph::model::HeapGraph;
use crate::graph::reachability::{Reached, excess};

const NONE: u32 = u32::MAX;

/// One object per cycle that lives forever: one that the collector does not see through.
pub(crate) fn find(walker: &Walker<'_>, graph: &HeapGraph, reached: &Reached, degrees: &[u32]) -> Vec<u32> {
    let blind: Vec<u32> = (0..graph.len() as u32)
        .filter(|o| !reached.has(*o) && !graph.edges(*o).is_empty() && !seen_through(walker, *o))
        .collect();
    if blind.is_empty() {
        return Vec::new();
    }
    // A reference that is not counted (a pointer back to the owner) keeps nobody alive.
    let counted = |to: u32| {
        let found = degrees.get(to as usize).copied().unwrap_or(0);
        excess(walker, to, found).is_none_or(|more| more >= 0)
    };
    let mut parts = Parts::new(graph.len());
    let mut told = Vec::new();
    for object in blind {
        parts.search(graph, reached, object);
        let part = parts.of(object);
        let inside = |to: &&u32| !reached.has(**to) && parts.of(**to) == part && counted(**to);
        // One reference leads on within the part: the object itself is in a cycle.
        if graph.edges(object).iter().any(|to| inside(&to)) {
            // A dictionary of nothing but such objects is not tracked: their type tells more.
            told.push((part, walker.census.desc(object).is_some_and(|d| d.gc()), object));
        }
    }
    told.sort_unstable();
    told.dedup_by_key(|(part, ..)| *part);
    told.into_iter().map(|(.., object)| object).collect()
}

/// Whether the collector follows the references of an object.
fn seen_through(walker: &Walker<'_>, object: u32) -> bool {
    let Some(desc) = walker.census.desc(object).filter(|d| d.gc()) else { return false };
    let at = walker.census.address.get(object as usize).copied().unwrap_or(0);
    if walker.anchor.layout.free_threaded {
        return count::tracked(walker.image, at);
    }
    // The link of the list that it is in; zero for what is in none. A class that a library allocated has no head.
    desc.meta() || walker.image.word(at.wrapping_sub(16)).is_none_or(|next| next != 0)
}

/// Strongly connected parts, found as they are asked for (Tarjan, without recursion).
struct Parts {
    /// Order of discovery; [`NONE`] before.
    order: Vec<u32>,
    /// Earliest object that is reached, then the number of the part.
    low: Vec<u32>,
    /// Whether the part of an object is complete.
    done: Vec<bool>,
    open: Vec<u32>,
    next: u32,
    parts: u32,
}

impl Parts {
    fn new(len: usize) -> Self {
        Self {
            order: vec![NONE; len],
            low: vec![NONE; len],
            done: vec![false; len],
            open: Vec::new(),
            next: 0,
            parts: 0,
        }
    }

    /// The part of an object that was searched.
    fn of(&self, object: u32) -> u32 {
        self.low.get(object as usize).copied().unwrap_or(NONE)
    }

    fn begin(&mut self, object: u32, calls: &mut Vec<(u32, usize)>) {
        let at = object as usize;
        (self.order[at], self.low[at]) = (self.next, self.next);
        self.next += 1;
        self.open.push(object);
        calls.push((object, 0));
    }

    fn search(&mut self, graph: &HeapGraph, reached: &Reached, from: u32) {
        if self.order.get(from as usize).is_none_or(|o| *o != NONE) {
            return;
        }
        let mut calls = Vec::new();
        self.begin(from, &mut calls);
        while let Some((object, edge)) = calls.last_mut() {
            let (own, at) = (*object, *object as usize);
            match graph.edges(own).get(*edge).copied() {
                Some(to) if reached.has(to) => *edge += 1,
                Some(to) => {
                    *edge += 1;
                    if self.order[to as usize] == NONE {
                        self.begin(to, &mut calls);
                    } else if !self.done[to as usize] {
                        self.low[at] = self.low[at].min(self.order[to as usize]);
                    }
                }
                None => {
                    calls.pop();
                    let low = self.low[at];
                    if low == self.order[at] {
                        self.close(own);
                    } else if let Some((caller, _)) = calls.last() {
                        let caller = *caller as usize;
                        self.low[caller] = self.low[caller].min(low);
                    }
                }
            }
        }
    }

    fn close(&mut self, head: u32) {
        while let Some(object) = self.open.pop() {
            self.low[object as usize] = self.parts;
            self.done[object as usize] = true;
            if object == head {
                break;
            }
        }
        self.parts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::graph;

    #[test]
    fn parts_are_the_cycles() {
        let g = graph(6, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 4)], &[]);
        let mut parts = Parts::new(6);
        let nothing = Reached::new(6);
        for object in 0..6 {
            parts.search(&g, &nothing, object);
        }
        let same = |a: u32, b: u32| parts.of(a) == parts.of(b);
        assert!(same(0, 1) && same(1, 2) && !same(2, 3) && !same(3, 4) && !same(4, 5));
    }
}
