//! The few names of references that a snapshot keeps once the process is gone: those along the trunk and the
//! boughs of the tree of holding paths. Twigs are items of large containers and read as `[…]`.

use super::limits::of_bytes;
use crate::{Class, EdgeName, EdgeNamer, HeapGraph, Held, PathTree, Redaction, classes, image::huge};
use rustc_hash::FxHashMap;

/// Objects with fewer than this many others below them are twigs.
const BOUGH: u8 = 8;
/// Steps from a root within which every inner reference keeps its name.
const TRUNK: u8 = 4;
/// Steps from a module to the values of its attributes.
const ATTRIBUTE: u8 = 2;
/// Containers with more references than this are not asked for names: each answer may cost a search.
const WIDEST: usize = 4096;
/// Single objects of this many bytes are no twigs.
const LARGE: u64 = 1024;

/// Names by reference and lengths by container; columns, ascending by object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredNames {
    /// Different names.
    pub table: Vec<EdgeName>,
    /// The object referred to.
    pub to: Vec<u32>,
    /// The one that refers to it.
    pub from: Vec<u32>,
    /// Number of the name in the table.
    pub name: Vec<u32>,
    /// Containers with a known length.
    pub container: Vec<u32>,
    /// Their lengths.
    pub items: Vec<u64>,
    /// Containers with a limit, ascending, and the most items that they take.
    pub limits: Vec<(u32, u64)>,
}

impl StoredNames {
    /// Asks `namer` for the names worth keeping; they are redacted here, once.
    #[must_use]
    pub fn collect(graph: &HeapGraph, tree: &PathTree, namer: &dyn EdgeNamer, redaction: &Redaction) -> Self {
        let mut stored = Self::default();
        let mut numbers: FxHashMap<EdgeName, u32> = FxHashMap::default();
        let below = below(graph, tree);
        let depth = depths(graph, tree);
        let classes = classes(graph);
        let may = |t: &crate::TypeInfo| t.name.ends_with("deque") || t.name.contains("lru_cache");
        let may_be: Vec<bool> = graph.types.iter().map(may).collect();
        for object in 0..graph.len() as u32 {
            let at = object as usize;
            if graph.type_id.get(at).is_some_and(|t| may_be.get(*t as usize) == Some(&true))
                && let Some(limit) = namer.limit(object)
            {
                stored.limits.push((object, limit));
            }
            let class = graph.type_id.get(at).and_then(|t| classes.get(*t as usize)).copied();
            // Classes of their own that are dictionaries or lists are containers too.
            let container = || match class {
                Some(Class::Dict | Class::Sequence) => true,
                Some(Class::Instance) => namer.items(object).is_some(),
                _ => false,
            };
            if container()
                && (depth[at] <= TRUNK || below[at] >= BOUGH)
                && let Some(limit) = told_limit(graph, tree, &classes, namer, object)
            {
                stored.limits.push((object, limit));
            }
            let bounded = stored.limits.last().is_some_and(|(last, _)| *last == object);
            let near = depth[at] <= if class == Some(Class::Plain) { ATTRIBUTE } else { TRUNK };
            if !bounded && !near && below[at] < BOUGH && graph.size[at] < LARGE {
                continue;
            }
            if let Held::By(holder) = tree.held(object)
                && graph.edges(holder).len() <= WIDEST
                && let Some(name) = namer.name(holder, object)
            {
                stored.keep(holder, object, redacted(name, redaction), &mut numbers);
            }
            if (bounded || matches!(class, Some(Class::Dict | Class::Sequence)))
                && let Some(items) = namer.items(object)
            {
                stored.container.push(object);
                stored.items.push(items);
            }
        }
        stored
    }

    fn keep(&mut self, from: u32, to: u32, name: EdgeName, numbers: &mut FxHashMap<EdgeName, u32>) {
        let next = self.table.len() as u32;
        let number = *numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.table.push(name);
        }
        self.to.push(to);
        self.from.push(from);
        self.name.push(number);
    }
}

/// The limit of a container that the object says which it is an attribute of, or it itself, or a constant beside it. Some
/// take twice as much before they throw out; what holds more keeps no limit. Of one that somebody else says, and that is far
/// off, it is not known whether it is a limit of items at all (the longest message that a connection takes).
fn told_limit(
    graph: &HeapGraph,
    tree: &PathTree,
    classes: &[Class],
    namer: &dyn EdgeNamer,
    object: u32,
) -> Option<u64> {
    const LEAST: u64 = 8;
    const FAR: u64 = 10;
    let items = namer.items(object).filter(|items| *items >= LEAST)?;
    let of_items = |limit: &u64| items.saturating_mul(FAR) >= *limit && !of_bytes(*limit);
    let class = |o: u32| graph.type_id.get(o as usize).and_then(|t| classes.get(*t as usize)).copied();
    let holder = |o: u32| match tree.held(o) {
        Held::By(holder) => Some(holder),
        _ => None,
    };
    let namespace = holder(object).filter(|h| class(*h) == Some(Class::Dict));
    let of_attributes = namespace.and_then(holder);
    let of_constants = of_attributes.filter(|o| matches!(class(*o), Some(Class::Module | Class::Type)));
    if let Some(dict) = namespace.filter(|_| of_constants.is_some())
        && let Some(EdgeName::Key(name)) = namer.name(dict, object)
    {
        return namer.bound_beside(dict, &name).filter(|limit| items <= *limit && of_items(limit));
    }
    let owners = [holder(object), of_attributes].into_iter().flatten();
    let owners = owners.filter(|o| class(*o) == Some(Class::Instance));
    // A class of its own that is a dictionary may say it itself.
    let own = graph.type_id.get(object as usize).and_then(|t| graph.types.get(*t as usize));
    let own = own.filter(|t| t.name.contains('.')).map(|_| object);
    let own = own.and_then(|o| namer.bound(o));
    let told = own.or_else(|| owners.into_iter().find_map(|o| namer.bound(o)).filter(of_items));
    told.filter(|limit| items <= limit.saturating_mul(2))
}

impl EdgeNamer for StoredNames {
    fn name(&self, from: u32, to: u32) -> Option<EdgeName> {
        let at = self.to.binary_search(&to).ok()?;
        (self.from.get(at) == Some(&from)).then(|| self.table.get(*self.name.get(at)? as usize).cloned())?
    }

    fn items(&self, object: u32) -> Option<u64> {
        let at = self.container.binary_search(&object).ok()?;
        self.items.get(at).copied()
    }

    fn limit(&self, object: u32) -> Option<u64> {
        let at = self.limits.binary_search_by_key(&object, |(o, _)| *o).ok()?;
        self.limits.get(at).map(|(_, limit)| *limit)
    }
}

fn redacted(name: EdgeName, redaction: &Redaction) -> EdgeName {
    match name {
        EdgeName::Attribute(text) => EdgeName::Attribute(redaction.name(&text)),
        EdgeName::Key(text) => EdgeName::Key(redaction.name(&text)),
        EdgeName::Local(text) => EdgeName::Local(redaction.name(&text)),
        other => other,
    }
}

/// Number of objects below each in the tree, up to 255.
fn below(graph: &HeapGraph, tree: &PathTree) -> Vec<u8> {
    let mut below: Vec<u8> = huge::zeroed(graph.len());
    for object in tree.order().iter().rev() {
        if let Held::By(holder) = tree.held(*object) {
            let more = below[*object as usize].saturating_add(1);
            let slot = &mut below[holder as usize];
            *slot = slot.saturating_add(more);
        }
    }
    below
}

/// Steps from the root, up to 255.
fn depths(graph: &HeapGraph, tree: &PathTree) -> Vec<u8> {
    let mut depth: Vec<u8> = huge::zeroed(graph.len());
    for object in tree.order() {
        if let Held::By(holder) = tree.held(*object) {
            depth[*object as usize] = depth[holder as usize].saturating_add(1);
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Heap;

    #[test]
    fn keeps_the_names_that_paths_need_and_no_secret() {
        let mut heap = Heap::default();
        let module = heap.module("engine");
        let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
        let list = heap.child(namespace, "list", EdgeName::Key("TICKS".into()));
        let secret = heap.child(namespace, "list", EdgeName::Key("alice@example.com".into()));
        let item = heap.child(list, "int", EdgeName::Index(0));
        heap.child(secret, "int", EdgeName::Index(0));
        heap.items.insert(list, 1);
        let graph = heap.graph();
        let tree = PathTree::of(&graph);
        let stored = StoredNames::collect(&graph, &tree, &heap, &Redaction::new(false));
        assert_eq!(stored.name(namespace, list), Some(EdgeName::Key("TICKS".into())));
        assert_eq!(stored.name(list, item), None);
        assert_eq!(stored.items(list), Some(1));
        assert!(!format!("{stored:?}").contains("alice"));
    }
}
