//! Whom new and vanished objects are put down to.

use super::matching::{Matching, NONE};
use super::own_tables::OwnTables;
use crate::graph::native::tells;
use crate::{Cause, HeapGraph, Held, NativeMemory, PathTree, Root, cause};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// Who took an object in. Objects and types are numbered as in the later snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Anchor {
    /// An object that both snapshots show.
    Object(u32),
    /// A root of the later snapshot that is new itself.
    Root(u32),
    /// Nobody with a name: leaked, native or garbage, apart by the type at the top.
    Loose(Cause, u32),
}

/// What an anchor gained, net.
#[derive(Debug, Default)]
pub(super) struct Gain {
    pub(super) objects: i64,
    pub(super) bytes: i64,
    /// Of the bytes: growth of the anchor itself, an object that both snapshots show.
    pub(super) in_place: i64,
    /// Of the bytes: native memory that the objects own.
    pub(super) native: i64,
    /// Bytes of objects that were there before and are gone.
    pub(super) gone: i64,
    pub(super) types: FxHashMap<u32, TypeGain>,
    /// The new object directly below with the most bytes under it, and those bytes.
    pub(super) largest_head: Option<(u32, u64)>,
}

/// One type below an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeGain {
    pub(super) count: i64,
    pub(super) bytes: i64,
    /// Those directly below the anchor.
    pub(super) heads: i64,
    /// Fewest steps between the anchor and such an object.
    pub(super) depth: u32,
    /// Bytes at and below those that are new and directly below the anchor.
    pub(super) under: u64,
}

impl TypeGain {
    /// Nothing yet.
    pub(super) const NONE: Self = Self { count: 0, bytes: 0, heads: 0, depth: u32::MAX, under: 0 };

    /// Adds another's.
    pub(super) fn add(&mut self, more: &Self) {
        self.count += more.count;
        self.bytes += more.bytes;
        self.heads += more.heads;
        self.depth = self.depth.min(more.depth);
        self.under = self.under.saturating_add(more.under);
    }
}

impl Gain {
    /// Adds another's; the largest head stays.
    pub(super) fn merge(&mut self, more: &Self) {
        self.objects += more.objects;
        self.bytes += more.bytes;
        self.in_place += more.in_place;
        self.native += more.native;
        self.gone += more.gone;
        for (kind, gain) in &more.types {
            self.types.entry(*kind).or_insert(TypeGain::NONE).add(gain);
        }
    }

    fn add(&mut self, kind: u32, size: u64, depth: u32, sign: i64) {
        self.objects += sign;
        self.bytes += sign * size as i64;
        self.gone += if sign < 0 { size as i64 } else { 0 };
        let gain = self.types.entry(kind).or_insert(TypeGain::NONE);
        gain.count += sign;
        gain.heads += if depth == 0 { sign } else { 0 };
        gain.bytes += sign * size as i64;
        // The depth is that of what is there now; what is gone does not bring a type nearer.
        if sign > 0 {
            gain.depth = gain.depth.min(depth);
        }
    }
}

/// Gains of every anchor.
pub(super) type Gains = FxHashMap<Anchor, Gain>;

/// Bytes of each object with the native memory that it owns.
pub(super) struct Sizes {
    native: FxHashMap<u32, u64>,
}

impl Sizes {
    pub(super) fn of(native: &NativeMemory) -> Self {
        Self { native: native.objects.iter().copied().collect() }
    }

    pub(super) fn native(&self, object: u32) -> u64 {
        self.native.get(&object).copied().unwrap_or(0)
    }
}

/// One of the two graphs with its own way of telling old objects, types and roots.
struct Side<'a> {
    graph: &'a HeapGraph,
    tree: &'a PathTree,
    sizes: &'a Sizes,
    /// What is put down to nobody.
    own: &'a OwnTables,
    /// Number in the later snapshot of an object that both show.
    shared: &'a dyn Fn(u32) -> Option<u32>,
    type_number: &'a dyn Fn(u32) -> u32,
    root_number: &'a dyn Fn(u32) -> u32,
    sign: i64,
}

/// A snapshot's graph, its holding paths, and the sizes of its objects.
type Parts<'a> = (&'a HeapGraph, &'a PathTree, &'a Sizes);

/// Puts down everything new, and takes off everything gone, but for the interpreter's own tables.
pub(super) fn gains(
    (before, old_own): (Parts<'_>, &OwnTables),
    (after, own): (Parts<'_>, &OwnTables),
    matching: &Matching,
) -> Gains {
    let mut gains = Gains::default();
    let counterpart = |of: &[u32], object: u32| of.get(object as usize).copied().filter(|c| *c != NONE);
    let roots: FxHashMap<Cow<'_, str>, u32> =
        after.0.roots.iter().enumerate().map(|(i, r)| (r.lasting_name(), i as u32)).collect();
    let lasting = |root: u32| after.0.roots.get(root as usize).map_or("".into(), Root::lasting_name);
    let name_of = |root: u32| before.0.roots.get(root as usize).map_or("".into(), Root::lasting_name);
    Side {
        graph: before.0,
        tree: before.1,
        sizes: before.2,
        own: old_own,
        shared: &|o| counterpart(&matching.after_of, o),
        type_number: &|t| matching.type_after.get(t as usize).copied().unwrap_or(NONE),
        root_number: &|r| roots.get(&name_of(r)).copied().unwrap_or(NONE),
        sign: -1,
    }
    .put_down(&mut gains);
    Side {
        graph: after.0,
        tree: after.1,
        sizes: after.2,
        own,
        shared: &|o| counterpart(&matching.before_of, o).map(|_| o),
        type_number: &|t| t,
        // Roots of one name are one holder.
        root_number: &|r| roots.get(&lasting(r)).copied().unwrap_or(r),
        sign: 1,
    }
    .put_down(&mut gains);
    in_place(&mut gains, (before.0, before.2), (after.0, after.2), matching);
    gains.retain(|anchor, _| !matches!(anchor, Anchor::Object(object) if own.has(*object)));
    gains
}

/// Objects that are there in both snapshots and larger or smaller in the later one: a list, a buffer, an array.
fn in_place(
    gains: &mut Gains,
    before: (&HeapGraph, &Sizes),
    after: (&HeapGraph, &Sizes),
    matching: &Matching,
) {
    let size = |(graph, sizes): (&HeapGraph, &Sizes), object: u32| {
        let own = graph.size.get(object as usize).copied().unwrap_or(0);
        (own as i64, sizes.native(object) as i64)
    };
    for (object, old) in matching.before_of.iter().enumerate().filter(|(_, old)| **old != NONE) {
        let object = object as u32;
        let ((was, native_was), (is, native_is)) = (size(before, *old), size(after, object));
        if was == is && native_was == native_is {
            continue;
        }
        let gain = gains.entry(Anchor::Object(object)).or_default();
        let grown = is - was + native_is - native_was;
        let kind = after.0.type_id.get(object as usize).copied().unwrap_or(NONE);
        gain.types.entry(kind).or_insert(TypeGain::NONE).bytes += grown;
        gain.bytes += grown;
        gain.in_place += grown;
        gain.native += native_is - native_was;
    }
}

impl Side<'_> {
    fn put_down(&self, gains: &mut Gains) {
        let n = self.graph.len();
        let mut anchor = vec![NONE; n];
        let mut anchors: Vec<Anchor> = Vec::new();
        let mut numbers: FxHashMap<Anchor, u32> = FxHashMap::default();
        let mut depth = vec![0_u32; n];
        let mut under = self.graph.size.clone();
        for (object, bytes) in &self.sizes.native {
            if let Some(size) = under.get_mut(*object as usize) {
                *size += bytes;
            }
        }
        for object in self.tree.order() {
            let at = *object as usize;
            if (self.shared)(*object).is_some() || self.own.has(*object) {
                continue;
            }
            if let Held::By(holder) = self.tree.held(*object)
                && (self.shared)(holder).is_none()
            {
                anchor[at] = anchor[holder as usize];
                depth[at] = depth[holder as usize].saturating_add(1);
            } else {
                let found = self.top(*object);
                anchor[at] = *numbers.entry(found).or_insert_with(|| {
                    anchors.push(found);
                    anchors.len() as u32 - 1
                });
            }
            if let Some(found) = anchors.get(anchor[at] as usize) {
                self.book(gains, *found, *object, depth[at]);
            }
        }
        if self.sign > 0 {
            self.heads(gains, &anchor, &anchors, &depth, &mut under);
        }
        for object in (0..n as u32).filter(|o| (self.shared)(*o).is_none()) {
            if self.tree.held(object) == Held::Nothing {
                self.book(gains, Anchor::Loose(Cause::Garbage, NONE), object, 0);
            }
        }
    }

    /// The anchor of an object whose holder is old or that has none.
    fn top(&self, object: u32) -> Anchor {
        match self.tree.held(object) {
            Held::By(holder) => Anchor::Object((self.shared)(holder).unwrap_or(NONE)),
            Held::Nothing => Anchor::Loose(Cause::Garbage, NONE),
            Held::Root(root) => {
                let kind = self.graph.roots.get(root as usize).map(|r| cause(r.kind));
                let named = |r: u32| self.graph.roots.get(r as usize).is_some_and(|r| tells(&r.name));
                match kind.unwrap_or(Cause::NoReferrer) {
                    Cause::Held => Anchor::Root((self.root_number)(root)),
                    Cause::Native if named(root) => Anchor::Root((self.root_number)(root)),
                    loose => Anchor::Loose(loose, self.kind(object)),
                }
            }
        }
    }

    fn kind(&self, object: u32) -> u32 {
        self.graph.type_id.get(object as usize).map_or(NONE, |t| (self.type_number)(*t))
    }

    fn book(&self, gains: &mut Gains, anchor: Anchor, object: u32, depth: u32) {
        let size = self.graph.size.get(object as usize).copied().unwrap_or(0);
        let native = self.sizes.native(object);
        let gain = gains.entry(anchor).or_default();
        gain.native += self.sign * native as i64;
        gain.add(self.kind(object), size + native, depth, self.sign);
    }

    /// What hangs below the new objects directly below each anchor, and the heaviest of them.
    fn heads(&self, gains: &mut Gains, anchor: &[u32], anchors: &[Anchor], depth: &[u32], under: &mut [u64]) {
        for object in self.tree.order().iter().rev() {
            let at = *object as usize;
            let Some(found) = anchors.get(anchor[at] as usize) else { continue };
            if depth[at] > 0 {
                if let Held::By(holder) = self.tree.held(*object) {
                    under[holder as usize] += under[at];
                }
                continue;
            }
            let Some(gain) = gains.get_mut(found) else { continue };
            let of_type = gain.types.entry(self.kind(*object)).or_insert(TypeGain::NONE);
            of_type.under = of_type.under.saturating_add(under[at]);
            if gain.largest_head.is_none_or(|(_, bytes)| under[at] > bytes) {
                gain.largest_head = Some((*object, under[at]));
            }
        }
    }
}
