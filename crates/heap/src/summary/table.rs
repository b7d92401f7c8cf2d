//! The census as a table: a row per type.

use crate::{ByType, Describer, HeapGraph, PathTree, Retained, TypeHolders, display_type, group_holders};
use serde::{Deserialize, Serialize};

/// Groups of holders that are told for a type.
const GROUPS: usize = 5;

/// One type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeRow {
    /// Its name.
    pub type_name: String,
    /// Number in the graph's table of types.
    #[serde(skip)]
    pub type_id: u32,
    /// Instances.
    pub count: u64,
    /// Their own bytes, as `sys.getsizeof` says.
    pub bytes: u64,
    /// Share of the bytes of all objects.
    pub share: f64,
    /// Bytes that would go with the instances; nested ones are counted once.
    pub retained_bytes: u64,
    /// Who holds the instances; absent for types further down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_by: Option<TypeHolders>,
}

impl TypeRow {
    pub(super) fn find_holders(
        &mut self,
        by_type: &ByType,
        tree: &PathTree,
        describer: &Describer<'_>,
        sample: usize,
    ) {
        let mut holders = group_holders(by_type.instances(self.type_id), tree, describer, sample);
        holders.groups.truncate(GROUPS);
        self.held_by = Some(holders);
    }
}

/// All types with instances, the most bytes first.
pub(super) fn rows(graph: &HeapGraph, retained: &Retained) -> Vec<TypeRow> {
    let mut sums = vec![(0_u64, 0_u64); graph.types.len()];
    for (kind, size) in graph.type_id.iter().zip(&graph.size) {
        if let Some(sum) = sums.get_mut(*kind as usize) {
            sum.0 += 1;
            sum.1 += size;
        }
    }
    let total: u64 = graph.size.iter().sum();
    let mut rows: Vec<TypeRow> = graph
        .types
        .iter()
        .zip(&sums)
        .enumerate()
        .filter(|(_, (_, sum))| sum.0 > 0)
        .map(|(id, (kind, (count, bytes)))| TypeRow {
            type_name: display_type(&kind.name).to_owned(),
            type_id: id as u32,
            count: *count,
            bytes: *bytes,
            share: *bytes as f64 / (total as f64).max(1.0),
            retained_bytes: retained.by_type.get(id).copied().unwrap_or(0),
            held_by: None,
        })
        .collect();
    rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.type_name.cmp(&b.type_name)));
    rows
}
