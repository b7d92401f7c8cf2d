//! The dominator tree for people: largest first, many alike as one, the small left out.

use crate::dominators::retained::Children;
use crate::{Describer, Dominators, HeapGraph, Retained};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Levels that are shown.
const DEPTH: usize = 10;
/// Children that are shown of each holding.
const WIDTH: usize = 12;
/// Share of all bytes below which a holding is left out.
const SMALL: f64 = 0.002;
/// One part in so many of all its siblings makes a holding stand out from them.
const OUTSTANDING: u64 = 40;
/// More siblings of one type than this are shown as one.
const ALIKE: usize = 3;

/// An object, or many alike, and what they alone keep alive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holding {
    /// What people call it: `engine.Feed.history`, or the type where there are many.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// Objects that it stands for.
    pub objects: u64,
    /// Bytes that would go with it.
    pub retained_bytes: u64,
    /// Parts of it, the largest first; what is missing to `retained_bytes` is its own or small.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parts: Vec<Holding>,
}

struct Grower<'a> {
    graph: &'a HeapGraph,
    dominators: &'a Dominators,
    retained: &'a Retained,
    describer: &'a Describer<'a>,
    children: Children,
    small: u64,
}

/// The holdings below the virtual root.
pub(super) fn holdings(
    graph: &HeapGraph,
    dominators: &Dominators,
    retained: &Retained,
    describer: &Describer<'_>,
) -> Vec<Holding> {
    let total: u64 = graph.size.iter().sum();
    let grower = Grower {
        graph,
        dominators,
        retained,
        describer,
        children: Children::of(dominators.idom()),
        small: (total as f64 * SMALL) as u64,
    };
    grower.below(&[0], 0)
}

impl Grower<'_> {
    fn object(&self, position: u32) -> u32 {
        self.dominators.order().get(position as usize).copied().unwrap_or(u32::MAX)
    }

    fn bytes(&self, position: u32) -> u64 {
        self.retained.bytes.get(self.object(position) as usize).copied().unwrap_or(0)
    }

    /// What the objects at these positions (one, or many alike) hold together.
    fn below(&self, positions: &[u32], depth: usize) -> Vec<Holding> {
        if depth >= DEPTH {
            return Vec::new();
        }
        let mut by_type: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for position in positions.iter().flat_map(|p| self.children.below(*p)) {
            let kind = self.graph.type_id.get(self.object(*position) as usize).copied().unwrap_or(u32::MAX);
            by_type.entry(kind).or_default().push(*position);
        }
        let mut groups: Vec<(u64, Vec<u32>)> = Vec::new();
        for mut alike in by_type.into_values() {
            alike.sort_by_key(|p| (std::cmp::Reverse(self.bytes(*p)), *p));
            // The few that stand out are shown by name, the crowd as one.
            let named = if positions.len() > 1 { 0 } else { self.outstanding(&alike) };
            let crowd = alike.split_off(named);
            groups.extend(alike.into_iter().map(|p| (self.bytes(p), vec![p])));
            let together = crowd.iter().map(|p| self.bytes(*p)).sum();
            groups.push((together, crowd));
        }
        groups.retain(|(bytes, group)| *bytes > self.small && !group.is_empty());
        groups.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        groups.truncate(WIDTH);
        groups.into_iter().map(|(bytes, group)| self.holding(bytes, &group, depth)).collect()
    }

    /// How many of the largest are worth a name of their own: all where they are few, else those that stand out.
    fn outstanding(&self, alike: &[u32]) -> usize {
        if alike.len() <= ALIKE {
            return alike.len();
        }
        let all: u64 = alike.iter().map(|p| self.bytes(*p)).sum();
        alike.iter().take(WIDTH).take_while(|p| self.bytes(**p) > (all / OUTSTANDING).max(self.small)).count()
    }

    fn holding(&self, retained_bytes: u64, group: &[u32], depth: usize) -> Holding {
        let first = group.first().map_or(u32::MAX, |p| self.object(*p));
        let type_name = self.describer.type_name(first).to_owned();
        let path = match group {
            [_] => self.describer.holder(first).path,
            _ => String::new(),
        };
        let name = if path.is_empty() { type_name.clone() } else { path };
        let mut parts = self.below(group, depth + 1);
        // A dictionary of attributes is its owner under another type.
        if let Some(own) = parts.iter().position(|p| p.name == name && p.objects == 1) {
            let own = parts.remove(own);
            parts.extend(own.parts);
            parts.sort_by_key(|p| std::cmp::Reverse(p.retained_bytes));
        }
        Holding { name, type_name, objects: group.len() as u64, retained_bytes, parts }
    }
}
