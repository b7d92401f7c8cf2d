//! Growth by type, by name.

use crate::{HeapGraph, display_type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A type before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeGrowth {
    /// Its name.
    pub type_name: String,
    /// Instances before.
    pub count_before: u64,
    /// Instances after.
    pub count_after: u64,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes after.
    pub bytes_after: u64,
}

impl TypeGrowth {
    /// A type of which nothing changed.
    pub(super) fn same(name: &str) -> Self {
        let type_name = name.to_owned();
        Self { type_name, count_before: 0, count_after: 0, bytes_before: 0, bytes_after: 0 }
    }

    /// Net growth in instances.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.count_after as i64 - self.count_before as i64
    }

    /// Net growth in bytes.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        self.bytes_after as i64 - self.bytes_before as i64
    }
}

/// Types that changed, the largest growth in bytes first.
pub(super) fn by_type(before: &HeapGraph, after: &HeapGraph) -> Vec<TypeGrowth> {
    let (old, new) = (sums(before), sums(after));
    let mut all: Vec<TypeGrowth> = old
        .keys()
        .chain(new.keys().filter(|k| !old.contains_key(*k)))
        .map(|name| {
            let (count_before, bytes_before) = old.get(name).copied().unwrap_or_default();
            let (count_after, bytes_after) = new.get(name).copied().unwrap_or_default();
            TypeGrowth { type_name: (*name).to_owned(), count_before, count_after, bytes_before, bytes_after }
        })
        .filter(|g| g.count() != 0 || g.bytes() != 0)
        .collect();
    all.sort_by(|a, b| b.bytes().cmp(&a.bytes()).then_with(|| a.type_name.cmp(&b.type_name)));
    all
}

fn sums(graph: &HeapGraph) -> BTreeMap<&str, (u64, u64)> {
    let mut by_id = vec![(0_u64, 0_u64); graph.types.len()];
    for (kind, size) in graph.type_id.iter().zip(&graph.size) {
        if let Some(sum) = by_id.get_mut(*kind as usize) {
            sum.0 += 1;
            sum.1 += size;
        }
    }
    let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (kind, (count, bytes)) in graph.types.iter().zip(by_id).filter(|(_, sum)| sum.0 > 0) {
        let sum = by_name.entry(display_type(&kind.name)).or_default();
        sum.0 += count;
        sum.1 += bytes;
    }
    by_name
}
