//! Which objects of two snapshots of one process are the same.

use crate::holders::class::classes;
use crate::{Class, HeapGraph};
use rustc_hash::FxHashMap;

/// No counterpart.
pub(super) const NONE: u32 = u32::MAX;

/// Counterparts in both directions.
pub(super) struct Matching {
    /// For each object before: the same one after, or [`NONE`] where it is gone.
    pub(super) after_of: Vec<u32>,
    /// For each object after: the same one before, or [`NONE`] where it is new.
    pub(super) before_of: Vec<u32>,
    /// For each type before: the same one after, or [`NONE`].
    pub(super) type_after: Vec<u32>,
}

impl Matching {
    /// Both graphs are sorted by address: one pass over both.
    pub(super) fn of(before: &HeapGraph, after: &HeapGraph) -> Self {
        let numbers: FxHashMap<(u64, &str), u32> =
            after.types.iter().enumerate().map(|(i, t)| ((t.address, t.name.as_str()), i as u32)).collect();
        let known = |t: &crate::TypeInfo| numbers.get(&(t.address, t.name.as_str())).copied();
        let type_after: Vec<u32> = before.types.iter().map(|t| known(t).unwrap_or(NONE)).collect();
        let mut after_of = vec![NONE; before.len()];
        let mut before_of = vec![NONE; after.len()];
        let sameness = Sameness::of(before, after);
        let (mut a, mut b) = (0, 0);
        while let (Some(old), Some(new)) = (before.address.get(a), after.address.get(b)) {
            match old.cmp(new) {
                std::cmp::Ordering::Less => a += 1,
                std::cmp::Ordering::Greater => b += 1,
                std::cmp::Ordering::Equal => {
                    let kind = before.type_id.get(a).and_then(|t| type_after.get(*t as usize)).copied();
                    let typed = kind.is_some_and(|k| k != NONE) && kind == after.type_id.get(b).copied();
                    if typed && sameness.same(a as u32, b as u32) {
                        after_of[a] = b as u32;
                        before_of[b] = a as u32;
                    }
                    a += 1;
                    b += 1;
                }
            }
        }
        Self { after_of, before_of, type_after }
    }
}

/// Objects that refer to more than this are taken for the same: none of such a size is made anew in the same place.
const LARGE: usize = 4096;

/// How an object that is referred to counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It is shared by everything of its kind: a class, `None`.
    Nothing,
    /// A text or a number: texts are names more often than not.
    Little,
    /// It refers to others itself.
    Much,
}

/// Both graphs and how their types count.
struct Sameness<'a> {
    graphs: [&'a HeapGraph; 2],
    weights: [Vec<Weight>; 2],
}

impl<'a> Sameness<'a> {
    fn of(before: &'a HeapGraph, after: &'a HeapGraph) -> Self {
        let weights = |graph: &HeapGraph| {
            let class = classes(graph);
            let names = graph.types.iter().map(|t| t.name.as_str());
            names.zip(class).map(|(name, class)| weight(name, class)).collect()
        };
        Self { graphs: [before, after], weights: [weights(before), weights(after)] }
    }

    /// Whether two objects of one type at one address are one object. Allocators hand out an address again, often for the
    /// same type; but then most of what is referred to is something else.
    fn same(&self, old: u32, new: u32) -> bool {
        let [before, after] = self.graphs;
        if before.size.get(old as usize) != after.size.get(new as usize) && !self.resizes(new) {
            return false;
        }
        let (held, holds) = (before.edges(old), after.edges(new));
        if held.len().min(holds.len()) > LARGE {
            return true;
        }
        let [much, little] =
            [Weight::Much, Weight::Little].map(|w| (self.targets(0, held, w), self.targets(1, holds, w)));
        match much.0.len().min(much.1.len()) {
            0 => {
                let least = little.0.len().min(little.1.len());
                common(&little.0, &little.1) * 4 >= least * 3
            }
            least => common(&much.0, &much.1) * 2 > least,
        }
    }

    /// Addresses of those among the targets that count so, ascending.
    fn targets(&self, side: usize, edges: &[u32], wanted: Weight) -> Vec<u64> {
        let (Some(graph), Some(weights)) = (self.graphs.get(side), self.weights.get(side)) else {
            return Vec::new();
        };
        let counts = |to: u32| {
            let kind = graph.type_id.get(to as usize).copied().unwrap_or(NONE);
            weights.get(kind as usize) == Some(&wanted)
        };
        let address = |to: u32| graph.address.get(to as usize).copied().unwrap_or(0);
        let mut all: Vec<u64> = edges.iter().filter(|to| counts(**to)).map(|to| address(*to)).collect();
        all.sort_unstable();
        all
    }

    /// Whether such an object may be of another size later on: a text that is longer than the one that was at its address
    /// is another text.
    fn resizes(&self, object: u32) -> bool {
        let [_, after] = self.graphs;
        let kind = after.type_id.get(object as usize).and_then(|t| after.types.get(*t as usize));
        let fixed = ["str", "bytes", "int", "float", "tuple", "frozenset", "code"];
        kind.is_none_or(|t| !fixed.contains(&t.name.strip_prefix("builtins.").unwrap_or(&t.name)))
    }
}

fn weight(name: &str, class: Class) -> Weight {
    match (name.strip_prefix("builtins.").unwrap_or(name), class) {
        ("NoneType" | "bool" | "ellipsis", _) | (_, Class::Type | Class::Module) => Weight::Nothing,
        (_, Class::Plain) => Weight::Little,
        _ => Weight::Much,
    }
}

/// How many numbers of two ascending rows are in both.
fn common(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut found) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        found += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    found
}
