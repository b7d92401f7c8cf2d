//! The depth-first walk that gives every object its position, and the references that count for it.

use crate::{Class, HeapGraph, RootKind, classes, image::huge};

/// No number.
pub(super) const NONE: u32 = u32::MAX;

/// Whether a root of this kind explains an object on its own.
pub(super) fn names_a_holder(kind: RootKind) -> bool {
    !matches!(kind, RootKind::Native | RootKind::Unexplained | RootKind::Uncollectable)
}

/// A graph without the references that borrow.
pub(super) struct Owned<'a> {
    graph: &'a HeapGraph,
    /// Whether instances of a type borrow namespaces.
    borrower: Vec<bool>,
    /// Namespaces of modules that are roots.
    namespace: Vec<bool>,
}

impl<'a> Owned<'a> {
    pub(super) fn of(graph: &'a HeapGraph) -> Self {
        let classes = classes(graph);
        let class =
            |object: u32| graph.type_id.get(object as usize).and_then(|t| classes.get(*t as usize)).copied();
        let mut namespace = vec![false; graph.len()];
        for root in graph.roots.iter().filter(|r| r.kind == RootKind::Module) {
            let own = graph.edges(root.object).iter().find(|to| class(**to) == Some(Class::Dict));
            if let Some(slot) = own.and_then(|dict| namespace.get_mut(*dict as usize))
                && class(root.object) == Some(Class::Module)
            {
                *slot = true;
            }
        }
        Self { graph, borrower: classes.iter().map(|c| *c == Class::Function).collect(), namespace }
    }

    pub(super) fn borrows(&self, object: u32) -> bool {
        let kind = self.graph.type_id.get(object as usize).copied().unwrap_or(NONE);
        self.borrower.get(kind as usize).copied().unwrap_or(false)
    }

    pub(super) fn is_namespace(&self, object: u32) -> bool {
        self.namespace.get(object as usize).copied().unwrap_or(false)
    }
}

/// A depth-first walk of the graph.
pub(super) struct Walk {
    /// Object at each position; the first is the virtual root.
    pub(super) order: Vec<u32>,
    /// Position of each object.
    pub(super) position: Vec<u32>,
    /// Position of each position's parent in the walk.
    pub(super) parent: Vec<u32>,
    /// First position that named roots do not reach, and first that native ones do not reach either.
    layers: [u32; 2],
}

impl Walk {
    pub(super) fn of(owned: &Owned<'_>) -> Self {
        let graph = owned.graph;
        let n = graph.len();
        let mut walk = Self {
            order: huge::with_room(n + 1),
            position: huge::filled(n, NONE),
            parent: huge::with_room(n + 1),
            layers: [0; 2],
        };
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
                walk.walk_from(owned, *object, &mut stack);
            }
            if let Some(end) = walk.layers.get_mut(pass) {
                *end = walk.order.len() as u32;
            }
        }
        walk
    }

    /// Number of the layer that a position belongs to.
    pub(super) fn layer(&self, position: u32) -> u8 {
        self.layers.iter().filter(|first| **first <= position).count() as u8
    }

    fn walk_from(&mut self, owned: &Owned<'_>, object: u32, stack: &mut Vec<(u32, u32)>) {
        let graph = owned.graph;
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
            if owned.is_namespace(target) && owned.borrows(self.order[parent as usize]) {
                continue;
            }
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
    pub(super) fn predecessors(&self, owned: &Owned<'_>) -> (Vec<u32>, Vec<u32>) {
        let count = self.order.len();
        let mut start: Vec<u32> = huge::zeroed(count + 2);
        self.each_edge(owned, |_, to| start[to as usize + 2] += 1);
        for i in 1..=count {
            start[i + 1] += start[i];
        }
        let mut from_of: Vec<u32> = huge::zeroed(start[count + 1] as usize);
        // While a group fills, its start moves to the next one's, which is where that one looks for it.
        self.each_edge(owned, |from, to| {
            let slot = &mut start[to as usize + 1];
            from_of[*slot as usize] = from;
            *slot += 1;
        });
        (start, from_of)
    }

    fn each_edge(&self, owned: &Owned<'_>, mut edge: impl FnMut(u32, u32)) {
        let graph = owned.graph;
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
            let borrows = owned.borrows(*object);
            for to in graph.edges(*object) {
                if borrows && owned.is_namespace(*to) {
                    continue;
                }
                if let Some(to) = self.position.get(*to as usize).filter(|p| (layer..NONE).contains(p))
                    && self.parent[*to as usize] != from
                {
                    edge(from, *to);
                }
            }
        }
    }
}
