//! A holding path for every object at once: the cheapest way from a named root, as a tree.
//!
//! A bare shortest path reads badly (a class is "held" by whichever module imported it last), so roots are
//! ranked, steps through code cost more than steps through attributes, and an import costs more than a
//! definition. Native and unexplained roots are asked only where no named root reaches.

use super::class::{Class, classes};
use crate::{HeapGraph, Root, RootKind, image::huge};
use rustc_hash::FxHashMap;

const NONE: u32 = u32::MAX;
/// More than any root or step costs, so that a ring of so many buckets holds every open distance.
const RING: usize = 64;
/// Nobody led there yet.
const UNSEEN: u8 = u8::MAX;
/// Its path is known.
const SETTLED: u8 = u8::MAX - 1;
const FOREIGN_COST: u32 = 6;

/// Where an object hangs in the tree of holding paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// By itself: number of its root in [`HeapGraph::roots`].
    Root(u32),
    /// By another object.
    By(u32),
    /// By nothing that is alive: garbage that waits for the collector.
    Nothing,
}

/// The tree of holding paths.
#[derive(Debug, Clone)]
pub struct PathTree {
    /// Below the number of objects: the holder; from there on: the root; [`NONE`]: nothing.
    via: Vec<u32>,
    /// Objects in the order in which they were reached.
    order: Vec<u32>,
    /// Where paths are very long: of each object the one on its path that is [`REACH`] steps from the root, itself where
    /// it is nearer; else empty.
    trunk: Vec<u32>,
}

/// Steps of a long path that are told at each end.
const REACH: u32 = 64;
/// Costs of a path from which on it may have more steps than anybody reads.
const LONG: u32 = 4096;

/// The cost of a root: what is registered is best told by the function that it is registered with.
fn root_cost(root: &Root) -> u32 {
    match root.kind {
        _ if root.registered() => 1,
        RootKind::Module | RootKind::Native | RootKind::Unexplained | RootKind::Uncollectable => 0,
        RootKind::Frame => 16,
        RootKind::Interpreter => 32,
        RootKind::Static => 40,
    }
}

fn pass_of(kind: RootKind) -> usize {
    match kind {
        RootKind::Native => 1,
        RootKind::Unexplained => 2,
        RootKind::Uncollectable => 3,
        _ => 0,
    }
}

impl PathTree {
    /// Finds a path to every object that has one.
    #[must_use]
    pub fn of(graph: &HeapGraph) -> Self {
        let n = graph.len();
        let tree = Self { via: huge::filled(n, NONE), order: huge::with_room(n), trunk: Vec::new() };
        let names = graph.types.iter().map(|t| (t.address, t.name.as_str())).collect();
        let ring = std::array::from_fn(|_| Vec::new());
        let open = huge::filled(n, UNSEEN);
        let mut search =
            Search { graph, classes: classes(graph), names, tree, open, base: 0, farthest: 0, ring };
        for pass in 0..4 {
            search.pass(pass);
        }
        let mut tree = search.tree;
        if search.farthest >= LONG {
            tree.find_trunk();
        }
        tree
    }

    /// A list of a million nodes has as many steps: nobody walks them all for each node that is told of.
    fn find_trunk(&mut self) {
        let mut trunk: Vec<u32> = huge::filled(self.via.len(), NONE);
        let mut depth: Vec<u32> = huge::zeroed(self.via.len());
        for object in &self.order {
            let at = *object as usize;
            trunk[at] = *object;
            if let Held::By(holder) = self.held(*object) {
                depth[at] = depth[holder as usize].saturating_add(1);
                if depth[at] > REACH {
                    trunk[at] = trunk[holder as usize];
                }
            }
        }
        self.trunk = trunk;
    }

    /// As [`Self::path`], but of a very long path only both ends, as if they touched.
    #[must_use]
    pub fn told_path(&self, object: u32) -> Option<(u32, Vec<u32>)> {
        if self.trunk.is_empty() {
            return self.path(object);
        }
        let mut tail = vec![object];
        let mut at = object;
        for _ in 0..REACH {
            match self.held(at) {
                Held::By(holder) => tail.push(holder),
                _ => return self.path(object),
            }
            at = tail.last().copied()?;
        }
        let branch = self.trunk.get(at as usize).copied()?;
        let (root, mut path) = self.path(branch)?;
        if branch == at {
            tail.pop();
        }
        path.extend(tail.iter().rev());
        Some((root, path))
    }

    /// Who holds the object.
    #[must_use]
    pub fn held(&self, object: u32) -> Held {
        let n = self.via.len() as u32;
        match self.via.get(object as usize).copied() {
            None | Some(NONE) => Held::Nothing,
            Some(root) if root >= n => Held::Root(root - n),
            Some(holder) => Held::By(holder),
        }
    }

    /// Objects with a path, holders before what they hold.
    #[must_use]
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// From the root's own object down to `object`, and the number of the root; `None` without a path.
    #[must_use]
    pub fn path(&self, object: u32) -> Option<(u32, Vec<u32>)> {
        let mut path = vec![object];
        let mut at = object;
        loop {
            match self.held(at) {
                Held::By(holder) => path.push(holder),
                Held::Root(root) => {
                    path.reverse();
                    return Some((root, path));
                }
                Held::Nothing => return None,
            }
            at = path.last().copied()?;
        }
    }
}

/// Dijkstra's search with a ring of buckets: all costs are small integers.
struct Search<'a> {
    graph: &'a HeapGraph,
    classes: Vec<Class>,
    /// Names of the classes by the address of their object.
    names: FxHashMap<u64, &'a str>,
    tree: PathTree,
    /// By object: [`UNSEEN`], [`SETTLED`], or the bucket that it waits in, which says the cost of its path.
    open: Vec<u8>,
    base: u32,
    /// The dearest path.
    farthest: u32,
    ring: [Vec<u32>; RING],
}

impl<'a> Search<'a> {
    /// Seeds the roots of one pass and settles everything that they reach and no earlier pass did.
    fn pass(&mut self, pass: usize) {
        let n = self.graph.len() as u32;
        for (number, root) in self.graph.roots.iter().enumerate().filter(|(_, r)| pass_of(r.kind) == pass) {
            let cost = self.base + root_cost(root);
            self.offer(root.object, cost, n + number as u32);
        }
        let mut empty = 0;
        while empty < RING {
            // Steps cost at least one, so the bucket at hand gets no new entries while it is emptied.
            let mut bucket = std::mem::take(&mut self.ring[self.base as usize % RING]);
            empty = if bucket.is_empty() { empty + 1 } else { 0 };
            for object in bucket.drain(..) {
                self.settle(object);
            }
            self.ring[self.base as usize % RING] = bucket;
            self.base = self.base.saturating_add(1);
        }
    }

    fn offer(&mut self, object: u32, cost: u32, via: u32) {
        let Some(slot) = self.open.get_mut(object as usize) else { return };
        // Costs are those of the bucket at hand or of one of the others, which follow it.
        let waits = (*slot as usize + RING - self.base as usize % RING) % RING;
        let cheaper = match *slot {
            UNSEEN => true,
            SETTLED => false,
            _ => ((cost - self.base) as usize) < waits,
        };
        if cheaper {
            *slot = (cost as usize % RING) as u8;
            self.tree.via[object as usize] = via;
            self.ring[cost as usize % RING].push(object);
        }
    }

    fn settle(&mut self, object: u32) {
        // Cheaper offers came first; what is left of dearer ones is skipped here.
        let slot = &mut self.open[object as usize];
        if usize::from(*slot) != self.base as usize % RING {
            return;
        }
        *slot = SETTLED;
        self.farthest = self.base;
        self.tree.order.push(object);
        let class = self.class(object);
        let cost = self.base + class.step_cost();
        let module = match class {
            Class::Dict => self.module_of(object),
            Class::Module => self.module_name(object),
            _ => None,
        };
        let graph = self.graph;
        for to in graph.edges(object) {
            let foreign = module.is_some_and(|m| self.foreign(object, m, *to));
            self.offer(*to, cost + if foreign { FOREIGN_COST } else { 0 }, object);
        }
    }

    fn class(&self, object: u32) -> Class {
        let kind = self.graph.type_id.get(object as usize).copied().unwrap_or(NONE);
        self.classes.get(kind as usize).copied().unwrap_or(Class::Instance)
    }

    /// The name of the module whose dictionary this is.
    fn module_of(&self, dict: u32) -> Option<&'a str> {
        match self.tree.held(dict) {
            Held::By(module) => self.module_name(module),
            _ => None,
        }
    }

    fn module_name(&self, module: u32) -> Option<&'a str> {
        let graph = self.graph;
        let Held::Root(root) = self.tree.held(module) else { return None };
        (self.class(module) == Class::Module)
            .then(|| graph.roots.get(root as usize)?.name.strip_prefix("module "))
            .flatten()
    }

    /// Whether a module only imported this class or function: a class says its module in its name, a function
    /// refers to the dictionary of its own.
    fn foreign(&self, holder: u32, module: &str, object: u32) -> bool {
        match self.class(object) {
            Class::Function => {
                self.class(holder) == Class::Dict && !self.graph.edges(object).contains(&holder)
            }
            Class::Type => {
                let address = self.graph.address.get(object as usize).copied().unwrap_or(0);
                let name = self.names.get(&address).copied();
                name.is_some_and(|n| n.strip_prefix(module).is_none_or(|rest| !rest.starts_with('.')))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arbitrary_graph, graph};
    use proptest::prelude::*;

    #[test]
    fn a_module_beats_a_frame_and_a_frame_beats_native_memory() {
        let roots = [(0, RootKind::Native), (1, RootKind::Frame), (2, RootKind::Module)];
        let g = graph(5, &[(0, 4), (1, 4), (2, 3), (3, 4)], &roots);
        let tree = PathTree::of(&g);
        assert_eq!(tree.path(4), Some((2, vec![2, 3, 4])));
        assert_eq!(tree.held(0), Held::Root(0));
    }

    #[test]
    fn garbage_has_no_path() {
        let g = graph(3, &[(1, 2), (2, 1)], &[(0, RootKind::Module)]);
        assert_eq!(PathTree::of(&g).path(1), None);
        assert_eq!(PathTree::of(&g).held(2), Held::Nothing);
    }

    #[test]
    fn of_a_long_path_both_ends_are_told() {
        let n = 100_000;
        let chain: Vec<(u32, u32)> = (1..n).map(|i| (i - 1, i)).collect();
        let tree = PathTree::of(&graph(n, &chain, &[(0, RootKind::Module)]));
        let (root, path) = tree.told_path(n - 1).unwrap();
        assert_eq!((root, path[0], path[path.len() - 1]), (0, 0, n - 1));
        assert!(path.len() < 200 && path.is_sorted());
        assert_eq!(tree.told_path(90), tree.path(90));
        let (_, near) = tree.told_path(REACH + 1).unwrap();
        assert_eq!(near, (0..=REACH + 1).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_path_is_real_and_ordered(g in arbitrary_graph(30, 80)) {
            let tree = PathTree::of(&g);
            let reached = crate::Dominators::of(&g);
            prop_assert_eq!(tree.order().len(), reached.reached());
            for object in 0..g.len() as u32 {
                let path = tree.path(object);
                prop_assert_eq!(path.is_some(), reached.reachable(object));
                let Some((root, path)) = path else { continue };
                prop_assert_eq!(g.roots[root as usize].object, path[0]);
                prop_assert_eq!(tree.told_path(object), Some((root, path.clone())));
                for pair in path.windows(2) {
                    prop_assert!(g.edges(pair[0]).contains(&pair[1]));
                }
            }
            let mut place = vec![usize::MAX; g.len()];
            tree.order().iter().enumerate().for_each(|(i, o)| place[*o as usize] = i);
            for object in tree.order() {
                if let Held::By(holder) = tree.held(*object) {
                    prop_assert!(place[holder as usize] < place[*object as usize]);
                }
            }
        }
    }
}
