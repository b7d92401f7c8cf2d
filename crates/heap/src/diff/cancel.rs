//! Gains of holders that hold each other, set off against each other.
//!
//! Allocators hand out the same addresses again, so an object that both snapshots show may be another one that was made
//! in its place. What it holds is then put down to it and taken off its holder: both are moves within one holder, no
//! growth of either. Of two such gains with different signs the smaller one goes into the larger.

use super::anchors::{Anchor, Gains};
use crate::{Held, PathTree};
use rustc_hash::FxHashMap;

/// No holder among the anchors.
const NONE: u32 = u32::MAX;

/// Entries of a cache that gained at once, from which on it is the cache that fills.
const MANY: i64 = 8;

/// Sets off gains along the holding paths of the later snapshot.
pub(super) fn along_paths(gains: &mut Gains, tree: &PathTree, objects: usize) {
    let mut above = vec![NONE; objects];
    // Holders come before what they hold.
    let mut held: Vec<(u32, u32)> = Vec::new();
    for object in tree.order() {
        let Held::By(holder) = tree.held(*object) else { continue };
        let anchor = match gains.contains_key(&Anchor::Object(holder)) {
            true => holder,
            false => above[holder as usize],
        };
        above[*object as usize] = anchor;
        if anchor != NONE && gains.contains_key(&Anchor::Object(*object)) {
            held.push((*object, anchor));
        }
    }
    let mut gone: FxHashMap<u32, u32> = FxHashMap::default();
    let still = |gone: &FxHashMap<u32, u32>, mut object: u32| {
        while let Some(into) = gone.get(&object) {
            object = *into;
        }
        object
    };
    for (object, holder) in held.into_iter().rev() {
        let (object, holder) = (still(&gone, object), still(&gone, holder));
        let bytes = |o: u32| gains.get(&Anchor::Object(o)).map_or(0, |g| g.bytes);
        let (below, over) = (bytes(object), bytes(holder));
        if object == holder || below.signum() * over.signum() >= 0 {
            continue;
        }
        let (small, large) = if below.abs() <= over.abs() { (object, holder) } else { (holder, object) };
        if let Some(gain) = gains.remove(&Anchor::Object(small)) {
            gains.entry(Anchor::Object(large)).or_default().merge(&gain);
            gone.insert(small, large);
        }
    }
}

/// What a cache with a limit took in and gave up is no growth of what it holds: gains below such a holder go to that
/// holder, where they nearly cancel, or where it gave up as much in the meantime: entries are made where others were.
/// A cache most of whose entries went is taken for a new one: then its own holder has what it gave up.
pub(super) fn within_limits(gains: &mut Gains, tree: &PathTree, limited: impl Fn(u32) -> bool) {
    let mut below: FxHashMap<Anchor, Vec<Anchor>> = FxHashMap::default();
    for anchor in gains.keys() {
        let Anchor::Object(object) = *anchor else { continue };
        let Some((root, path)) = tree.told_path(object) else { continue };
        let Some(cache) = path.iter().position(|o| limited(*o)) else { continue };
        let mut above = path[..=cache].iter().rev().map(|o| Anchor::Object(*o)).chain([Anchor::Root(root)]);
        let keeps = above.find(|a| gains.contains_key(a));
        below.entry(keeps.unwrap_or(Anchor::Object(path[cache]))).or_default().push(*anchor);
    }
    for (keeps, anchors) in below {
        let others = || anchors.iter().filter(|a| **a != keeps).filter_map(|a| gains.get(a));
        let own = gains.get(&keeps);
        let (net, gone) = (own.map_or(0, |g| g.bytes), own.map_or(0, |g| g.gone));
        let net: i64 = net + others().map(|g| g.bytes).sum::<i64>();
        let moved: i64 = own.map_or(0, |g| g.bytes.abs()) + others().map(|g| g.bytes.abs()).sum::<i64>();
        let gone: i64 = gone + others().map(|g| g.gone).sum::<i64>();
        let more: i64 = others().map(|g| g.bytes.max(0)).sum();
        // A cache that fills took in an entry itself for each of many that gained: those were made where others were.
        let entries = anchors.len() as i64 - i64::from(own.is_some());
        let fills = entries >= MANY && own.is_some_and(|g| g.objects * 2 >= entries);
        if net.abs() * 2 >= moved && gone < more && !fills {
            continue;
        }
        for anchor in anchors.into_iter().filter(|a| *a != keeps) {
            if let Some(gain) = gains.remove(&anchor) {
                gains.entry(keeps).or_default().merge(&gain);
            }
        }
    }
}
