//! Tables of the interpreter's own, which are no growth: they know what others hold, or are full at some thousand names.
//!
//! Classes know their subclasses, and abstract classes those that were asked about, by weak references: these go when the
//! class goes, which the collector frees late, since every class is a cycle. Classes that stay are told by who holds them.
//! The type cache keeps the names of the attributes that were looked up last ([`TYPE_CACHE`]).

use crate::graph::native::TYPE_CACHE;
use crate::{EdgeName, EdgeNamer, HeapGraph, Held, PathTree, RootKind, Snapshot};

/// Objects of one snapshot that such a table holds, with the tables, by object.
pub(super) struct OwnTables {
    within: Vec<bool>,
}

impl OwnTables {
    pub(super) fn of(snapshot: &Snapshot, tree: &PathTree) -> Self {
        let graph = &snapshot.graph;
        let types = Types::of(graph);
        let mut within = vec![false; graph.len()];
        // Holders come before what they hold.
        for object in tree.order() {
            within[*object as usize] = match tree.held(*object) {
                Held::Nothing => false,
                Held::Root(root) => graph.roots.get(root as usize).is_some_and(|root| {
                    root.name == TYPE_CACHE
                        || root.kind == RootKind::Native && types.subclasses(graph, *object)
                }),
                Held::By(holder) => {
                    let name = || snapshot.names.name(holder, *object);
                    within[holder as usize]
                        || types.is(graph, holder, &types.abstract_classes)
                        || types.is(graph, *object, &types.dict)
                            && name() == Some(EdgeName::Field("__subclasses__".into()))
                }
            };
        }
        Self { within }
    }

    /// Whether an object belongs to one.
    pub(super) fn has(&self, object: u32) -> bool {
        self.within.get(object as usize) == Some(&true)
    }
}

/// Which numbers of types mean what, by number.
struct Types {
    dict: Vec<bool>,
    number: Vec<bool>,
    weak: Vec<bool>,
    abstract_classes: Vec<bool>,
}

impl Types {
    fn of(graph: &HeapGraph) -> Self {
        let named = |names: &[&str]| graph.types.iter().map(|t| names.contains(&t.name.as_str())).collect();
        Self {
            dict: named(&["dict"]),
            number: named(&["int"]),
            weak: named(&["weakref", "weakref.ReferenceType"]),
            abstract_classes: named(&["_abc_data", "_abc._abc_data"]),
        }
    }

    fn is(&self, graph: &HeapGraph, object: u32, which: &[bool]) -> bool {
        graph.type_id.get(object as usize).is_some_and(|t| which.get(*t as usize) == Some(&true))
    }

    /// Whether it is the table of a class of C, which the interpreter's state holds: weak references by addresses.
    fn subclasses(&self, graph: &HeapGraph, object: u32) -> bool {
        let edges = graph.edges(object);
        let plain = |o: &u32| self.is(graph, *o, &self.number) || self.is(graph, *o, &self.weak);
        self.is(graph, object, &self.dict)
            && edges.iter().all(plain)
            && edges.iter().any(|o| self.is(graph, *o, &self.weak))
    }
}
