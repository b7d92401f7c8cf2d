//! Holding paths in words: `engine.Feed.history (list, 120,400 items)`.

use super::class::{Class, classes};
use super::holder::{Cause, Holder, cause, display_type};
use super::paths::{Held, PathTree};
use crate::{EdgeName, EdgeNamer, HeapGraph, Redaction, Root, RootKind};
use std::borrow::Cow;

/// Turns objects into holders in words.
pub struct Describer<'a> {
    graph: &'a HeapGraph,
    tree: &'a PathTree,
    names: &'a dyn EdgeNamer,
    redaction: &'a Redaction,
    classes: Vec<Class>,
}

/// Longest path that is told in full, in steps.
const LONGEST: usize = 24;

impl<'a> Describer<'a> {
    /// For one graph.
    #[must_use]
    pub fn new(
        graph: &'a HeapGraph,
        tree: &'a PathTree,
        names: &'a dyn EdgeNamer,
        redaction: &'a Redaction,
    ) -> Self {
        Self { graph, tree, names, redaction, classes: classes(graph) }
    }

    /// The class of an object.
    #[must_use]
    pub fn class(&self, object: u32) -> Class {
        let kind = self.graph.type_id.get(object as usize).copied().unwrap_or(u32::MAX);
        self.classes.get(kind as usize).copied().unwrap_or(Class::Instance)
    }

    /// The type's name as people know it.
    #[must_use]
    pub fn type_name(&self, object: u32) -> &'a str {
        let kind = self.graph.type_id.get(object as usize).copied().unwrap_or(u32::MAX);
        display_type(self.graph.types.get(kind as usize).map_or("?", |t| t.name.as_str()))
    }

    /// The name of a type by its number, as people know it.
    pub(crate) fn type_by_number(&self, kind: u32) -> &'a str {
        display_type(self.graph.types.get(kind as usize).map_or("?", |t| t.name.as_str()))
    }

    /// `object` as the holder of others.
    #[must_use]
    pub fn holder(&self, object: u32) -> Holder {
        let Some((root, mut path)) = self.tree.told_path(object) else {
            return Holder::nobody(Cause::Garbage);
        };
        if self.graph.roots.get(root as usize).is_some_and(|r| r.kind == RootKind::Uncollectable) {
            return self.held(Held::Root(root));
        }
        self.fold_tail(&mut path);
        let holder = path.last().copied().unwrap_or(object);
        let kind = self.graph.roots.get(root as usize).map_or(RootKind::Unexplained, |r| r.kind);
        Holder {
            cause: cause(kind),
            name: self.short(root, &path),
            path: self.long(root, &path),
            type_name: self.type_name(holder).to_owned(),
            items: self.items(object).or_else(|| self.items(holder)),
            limit: self.names.limit(object).or_else(|| self.names.limit(holder)),
            address: self.graph.address.get(holder as usize).copied().unwrap_or(0),
        }
    }

    /// What holds an object, in words.
    #[must_use]
    pub fn held(&self, held: Held) -> Holder {
        match held {
            Held::By(object) => self.holder(object),
            Held::Nothing => Holder::nobody(Cause::Garbage),
            Held::Root(root) => {
                let known = self.graph.roots.get(root as usize);
                let mut holder = Holder::nobody(known.map_or(Cause::NoReferrer, |r| cause(r.kind)));
                if holder.cause != Cause::NoReferrer {
                    holder.name = self.root_name(root, Root::lasting_name);
                    holder.path = self.root_name(root, |r| r.name.as_str().into());
                }
                holder
            }
        }
    }

    /// Name alone, for grouping many holders: no keys, no positions.
    #[must_use]
    pub fn group_name(&self, held: Held) -> (Cause, String) {
        let Held::By(object) = held else {
            let holder = self.held(held);
            let named = matches!(holder.cause, Cause::Held | Cause::Native | Cause::Uncollectable);
            return (holder.cause, if named { holder.name } else { String::new() });
        };
        let Some((root, mut path)) = self.tree.told_path(object) else {
            return (Cause::Garbage, String::new());
        };
        self.fold_tail(&mut path);
        let kind = self.graph.roots.get(root as usize).map_or(RootKind::Unexplained, |r| r.kind);
        match cause(kind) {
            Cause::Held => (Cause::Held, self.short(root, &path)),
            Cause::Native | Cause::Uncollectable => (cause(kind), self.root_name(root, Root::lasting_name)),
            // Nobody with a name: one group, whatever lies between.
            other => (other, String::new()),
        }
    }

    fn items(&self, object: u32) -> Option<u64> {
        let edges = self.graph.edges(object).len() as u64;
        self.names.items(object).or_else(|| (self.class(object) == Class::Sequence).then_some(edges))
    }

    /// Whether an object gives names to what it holds: a module, an instance, a frame, or their dictionaries.
    #[must_use]
    pub fn is_namespace(&self, object: u32) -> bool {
        match (self.class(object), self.tree.held(object)) {
            (Class::Module | Class::Instance | Class::Execution, _) => true,
            (Class::Dict, Held::By(owner)) => self.is_own_dict(owner, object),
            _ => false,
        }
    }

    /// A dictionary of attributes stands for its owner, and so do the insides of a cache.
    fn fold_tail(&self, path: &mut Vec<u32>) {
        while let [.., owner, last] = path.as_slice() {
            let inner = match self.edge(*owner, *last) {
                Some(EdgeName::Attribute(name)) => name == "__dict__",
                Some(EdgeName::Field(_)) | None => self.class(*owner) == Class::Plumbing,
                _ => false,
            };
            // A cache is a holder of its own, whatever it is inside.
            if !inner || self.type_name(*last) == "lru_cache" {
                return;
            }
            path.pop();
        }
    }

    /// From the last instance of a class with a name of its own (the holder excluded), else from the root.
    fn short(&self, root: u32, path: &[u32]) -> String {
        let last = path.len().saturating_sub(1);
        let from = (0..last).rev().find(|i| self.class(path[*i]) == Class::Instance);
        let start = match from {
            Some(i) => self.type_name(path[i]).to_owned(),
            None => self.root_name(root, Root::lasting_name),
        };
        self.walk(start, &path[from.unwrap_or(0)..], false)
    }

    fn long(&self, root: u32, path: &[u32]) -> String {
        self.walk(self.root_name(root, |r| r.name.as_str().into()), path, true)
    }

    fn root_name(&self, root: u32, name: fn(&Root) -> Cow<'_, str>) -> String {
        let name = self.graph.roots.get(root as usize).map_or("".into(), name);
        name.strip_prefix("module ").unwrap_or(&name).to_owned()
    }

    fn walk(&self, start: String, path: &[u32], keys: bool) -> String {
        let mut steps: Vec<(String, u32)> = Vec::new();
        for (i, pair) in path.windows(2).enumerate() {
            let of_owner = i > 0 && self.is_own_dict(path[i - 1], pair[0]);
            let step = self.step(pair[0], pair[1], of_owner, i + 2 == path.len(), keys);
            match steps.last_mut() {
                Some((text, times)) if *text == step => *times += 1,
                _ if step.is_empty() => {}
                _ => steps.push((step, 1)),
            }
        }
        let left_out = steps.len().saturating_sub(LONGEST);
        let mut text = start;
        for (i, (step, times)) in steps.iter().enumerate() {
            let cut = left_out > 0 && i >= LONGEST / 2 && i < LONGEST / 2 + left_out;
            match (cut, *times) {
                (true, _) if i == LONGEST / 2 => text.push_str(" … "),
                (true, _) => {}
                (_, 1) => text.push_str(step),
                (_, 2) => text.push_str(&step.repeat(2)),
                _ => text.push_str(&format!("{step}…")),
            }
        }
        text
    }

    /// Whether `dict` is where `owner` keeps its attributes.
    fn is_own_dict(&self, owner: u32, dict: u32) -> bool {
        self.class(dict) == Class::Dict
            && (self.edge(owner, dict) == Some(EdgeName::Attribute("__dict__".into()))
                || self.class(owner) == Class::Module)
    }

    fn step(&self, from: u32, to: u32, of_owner: bool, last: bool, keys: bool) -> String {
        match self.edge(from, to) {
            Some(EdgeName::Attribute(name)) if name == "__dict__" && !last => String::new(),
            None if self.class(from) == Class::Module && self.class(to) == Class::Dict => String::new(),
            Some(EdgeName::Attribute(name)) => format!(".{}", self.redaction.name(&name)),
            Some(EdgeName::Key(key)) if of_owner => format!(".{}", self.redaction.name(&key)),
            Some(EdgeName::Key(key)) if keys => format!("[{}]", self.redaction.name(&key)),
            Some(EdgeName::Index(index)) if keys => format!("[{index}]"),
            Some(EdgeName::Key(_) | EdgeName::Index(_)) => "[…]".to_owned(),
            Some(EdgeName::Local(name)) => format!(" local {}", self.redaction.name(&name)),
            Some(EdgeName::Member) => "{…}".to_owned(),
            Some(EdgeName::Field(_)) | None if self.class(from) == Class::Plumbing => String::new(),
            Some(EdgeName::Field(name)) => format!(".{name}"),
            None if matches!(self.class(from), Class::Dict | Class::Sequence) => "[…]".to_owned(),
            None => format!(" → {}", self.type_name(to)),
        }
    }

    fn edge(&self, from: u32, to: u32) -> Option<EdgeName> {
        self.names.name(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Heap;

    fn describe(heap: &Heap, object: u32) -> Holder {
        let graph = heap.graph();
        let tree = PathTree::of(&graph);
        Describer::new(&graph, &tree, heap, &Redaction::new(false)).holder(object)
    }

    #[test]
    fn attributes_fold_their_dictionaries() {
        let mut heap = Heap::default();
        let module = heap.module("engine");
        let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
        let feed = heap.child(namespace, "engine.Feed", EdgeName::Key("FEED".into()));
        let own = heap.child(feed, "dict", EdgeName::Attribute("__dict__".into()));
        let history = heap.child(own, "list", EdgeName::Key("history".into()));
        heap.items.insert(history, 120_400);
        let holder = describe(&heap, history);
        assert_eq!(holder.name, "engine.Feed.history");
        assert_eq!(holder.path, "engine.FEED.history");
        assert_eq!((holder.type_name.as_str(), holder.items), ("list", Some(120_400)));
        assert_eq!(describe(&heap, own).name, "engine.FEED");
        assert_eq!(describe(&heap, namespace).name, "engine");
    }

    #[test]
    fn caches_read_as_their_function_and_keys_that_look_secret_are_hidden() {
        let mut heap = Heap::default();
        let module = heap.module("aiohttp.web_app");
        let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
        let wrapper =
            heap.child(namespace, "functools._lru_cache_wrapper", EdgeName::Key("_build_middlewares".into()));
        let cache = heap.child(wrapper, "dict", EdgeName::Field("cache".into()));
        heap.items.insert(cache, 41_200);
        let holder = describe(&heap, cache);
        assert_eq!(holder.name, "aiohttp.web_app._build_middlewares");
        assert_eq!((holder.type_name.as_str(), holder.items), ("lru_cache", Some(41_200)));
        let users = heap.child(namespace, "dict", EdgeName::Key("USERS".into()));
        let one = heap.child(users, "list", EdgeName::Key("alice@example.com".into()));
        let holder = describe(&heap, one);
        assert_eq!(holder.name, "aiohttp.web_app.USERS[…]");
        assert!(holder.path.starts_with("aiohttp.web_app.USERS[#"), "{}", holder.path);
    }

    #[test]
    fn long_chains_are_short_in_words() {
        let mut heap = Heap::default();
        let mut at = heap.module("m");
        for _ in 0..500 {
            at = heap.child(at, "list", EdgeName::Index(0));
        }
        assert_eq!(describe(&heap, at).name, "m[…]…");
    }
}
