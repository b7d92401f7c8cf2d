//! Holders of all instances of a type together: "98 % of 41,200 `functools.partial` are held through
//! `aiohttp.web_app._build_middlewares`".

use super::describe::Describer;
use super::holder::{Cause, Holder};
use super::paths::{Held, PathTree};
use crate::HeapGraph;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Instances of a type that one holder keeps alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HolderGroup {
    /// The holder, the one with the most of them where several share the name.
    pub holder: Holder,
    /// Instances that were asked and are held so.
    pub seen: u64,
    /// Their share of those that were asked.
    pub share: f64,
}

/// The holders of a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeHolders {
    /// Number of instances.
    pub instances: u64,
    /// How many of them were asked for their holder, evenly spread.
    pub sampled: u64,
    /// Groups, the largest first.
    pub groups: Vec<HolderGroup>,
}

/// Objects grouped by type.
#[derive(Debug, Clone)]
pub struct ByType {
    start: Vec<u32>,
    objects: Vec<u32>,
}

impl ByType {
    /// Groups the objects of a graph.
    #[must_use]
    pub fn of(graph: &HeapGraph) -> Self {
        let mut start = vec![0_u32; graph.types.len() + 2];
        let slot = |kind: u32| (kind as usize).min(graph.types.len());
        for kind in &graph.type_id {
            start[slot(*kind) + 1] += 1;
        }
        for i in 1..start.len() {
            start[i] += start[i - 1];
        }
        let mut fill = start.clone();
        let mut objects = vec![0_u32; graph.len()];
        for (object, kind) in graph.type_id.iter().enumerate() {
            let next = &mut fill[slot(*kind)];
            objects[*next as usize] = object as u32;
            *next += 1;
        }
        Self { start, objects }
    }

    /// The instances of a type, by address.
    #[must_use]
    pub fn instances(&self, type_id: u32) -> &[u32] {
        let bound = |i: usize| self.start.get(i).map_or(0, |s| *s as usize);
        self.objects.get(bound(type_id as usize)..bound(type_id as usize + 1)).unwrap_or(&[])
    }
}

/// Asks up to `most` of the objects, evenly spread, for their holders.
#[must_use]
pub fn group_holders(
    objects: &[u32],
    tree: &PathTree,
    describer: &Describer<'_>,
    most: usize,
) -> TypeHolders {
    let step = objects.len().div_ceil(most.max(1)).max(1);
    let mut by_holder: FxHashMap<Held, u64> = FxHashMap::default();
    let mut sampled = 0;
    for object in objects.iter().step_by(step) {
        *by_holder.entry(tree.held(*object)).or_default() += 1;
        sampled += 1;
    }
    // Names first, then only the best holder of each name is told in full.
    let mut by_name: FxHashMap<(Cause, String), (u64, u64, Held)> = FxHashMap::default();
    for (held, count) in by_holder {
        let group = by_name.entry(describer.group_name(held)).or_insert((0, 0, held));
        group.0 += count;
        if count > group.1 || (count == group.1 && held < group.2) {
            (group.1, group.2) = (count, held);
        }
    }
    let mut groups: Vec<HolderGroup> = by_name
        .into_values()
        .map(|(seen, _, held)| HolderGroup {
            holder: describer.held(held),
            seen,
            share: seen as f64 / (sampled as f64).max(1.0),
        })
        .collect();
    groups.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.holder.name.cmp(&b.holder.name)));
    TypeHolders { instances: objects.len() as u64, sampled, groups }
}
