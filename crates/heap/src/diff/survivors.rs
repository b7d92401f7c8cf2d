//! Garbage that outlived full collections: the collector cannot free it, whatever it is that hides a reference.
//!
//! One snapshot proves that only where the cycle leads through an object without support for the collector
//! ([`crate::graph::uncollectable`]). A type whose support leaves a reference out looks sound; but what is garbage in both
//! snapshots, the same object each time, with full collections between, was found and not freed.

use super::anchors::{Anchor, Gains};
use super::matching::{Matching, NONE};
use crate::{Cause, Held, PathTree, Snapshot};

/// A full collection may have run while each of the snapshots was taken: one more was between.
const COLLECTIONS: u64 = 2;
/// Fewer objects prove nothing: addresses are handed out again.
const LEAST: usize = 50;

/// Calls garbage by its name, where most of the garbage of the earlier snapshot is still there.
pub(super) fn call(
    gains: &mut Gains,
    before: (&Snapshot, &PathTree),
    after: (&Snapshot, &PathTree),
    matching: &Matching,
) {
    let collections = |s: &Snapshot| s.info.full_collections;
    let (Some(first), Some(last)) = (collections(before.0), collections(after.0)) else { return };
    if last < first.saturating_add(COLLECTIONS) {
        return;
    }
    let garbage = |tree: &PathTree, object: u32| tree.held(object) == Held::Nothing;
    let old: Vec<u32> = (0..before.0.graph.len() as u32).filter(|o| garbage(before.1, *o)).collect();
    let still = |o: &&u32| {
        let now = matching.after_of.get(**o as usize).copied().filter(|now| *now != NONE);
        now.is_some_and(|now| garbage(after.1, now))
    };
    let survived = old.iter().filter(still).count();
    if survived < LEAST || survived * 2 < old.len() {
        return;
    }
    if let Some(gain) = gains.remove(&Anchor::Loose(Cause::Garbage, NONE)) {
        gains.entry(Anchor::Loose(Cause::Uncollectable, NONE)).or_default().merge(&gain);
    }
}
