//! Which objects of two snapshots of one process are the same.

use crate::HeapGraph;
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
        let (mut a, mut b) = (0, 0);
        while let (Some(old), Some(new)) = (before.address.get(a), after.address.get(b)) {
            match old.cmp(new) {
                std::cmp::Ordering::Less => a += 1,
                std::cmp::Ordering::Greater => b += 1,
                std::cmp::Ordering::Equal => {
                    let kind = before.type_id.get(a).and_then(|t| type_after.get(*t as usize)).copied();
                    if kind.is_some_and(|k| k != NONE) && kind == after.type_id.get(b).copied() {
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
