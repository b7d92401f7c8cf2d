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

/// What a full cache took in and gave up is no growth of what it holds: gains below a holder with a limit go to that
/// holder, where they nearly cancel.
pub(super) fn within_limits(gains: &mut Gains, tree: &PathTree, limited: impl Fn(u32) -> bool) {
    let mut below: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for anchor in gains.keys() {
        let Anchor::Object(object) = *anchor else { continue };
        let path = tree.told_path(object).map(|(_, path)| path).unwrap_or_default();
        if let Some(cache) = path.into_iter().find(|o| limited(*o)) {
            below.entry(cache).or_default().push(object);
        }
    }
    for (cache, objects) in below {
        let bytes = || objects.iter().filter_map(|o| gains.get(&Anchor::Object(*o))).map(|g| g.bytes);
        let (net, moved): (i64, i64) = (bytes().sum(), bytes().map(i64::abs).sum());
        if net.abs() * 2 >= moved {
            continue;
        }
        for object in objects.into_iter().filter(|o| *o != cache) {
            if let Some(gain) = gains.remove(&Anchor::Object(object)) {
                gains.entry(Anchor::Object(cache)).or_default().merge(&gain);
            }
        }
    }
}
