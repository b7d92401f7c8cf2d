//! Objects that one holder gave up and another one keeps: growth of the latter. A queue hands its items on, a cache that is
//! full throws out what somebody else has too. What changed is which holder's references lead there, so an object is moved
//! only where the earlier holder no longer refers to it; where both still do, which of them is named means nothing.

use super::anchors::{Anchor, Gains, Sizes, TypeGain};
use super::matching::{Matching, NONE};
use crate::{HeapGraph, Held, PathTree};
use rustc_hash::{FxHashMap, FxHashSet};

/// New objects between an object and one that both snapshots show, at the most.
const DEEPEST: usize = 64;

/// An object that changed hands, or what hangs below one.
#[derive(Debug, Clone, Copy)]
struct Move {
    from: u32,
    to: u32,
    depth: u32,
}

/// Takes such objects off the one and puts them down to the other, with what is below them.
pub(super) fn over(
    gains: &mut Gains,
    before: (&HeapGraph, &PathTree),
    after: (&HeapGraph, &PathTree, &Sizes),
    matching: &Matching,
) {
    let (graph, tree, sizes) = after;
    let old = |object: u32| matching.before_of.get(object as usize).copied().filter(|o| *o != NONE);
    // All of a queue's items may be others than before: then it was not known again, but it is still there.
    let same_place = |earlier: u32| {
        let address = before.0.address.get(earlier as usize)?;
        let kind = matching.type_after.get(*before.0.type_id.get(earlier as usize)? as usize)?;
        let at = graph.address.partition_point(|a| a < address);
        let there = graph.address.get(at) == Some(address) && graph.type_id.get(at) == Some(kind);
        there.then_some(at as u32)
    };
    let known = |object: u32| {
        let up = |at: &u32| if let Held::By(holder) = tree.held(*at) { Some(holder) } else { None };
        std::iter::successors(Some(object), up).take(DEEPEST).find(|o| old(*o).is_some())
    };
    let mut references: FxHashMap<u32, FxHashSet<u32>> = FxHashMap::default();
    let mut refers = |from: u32, to: u32| {
        let of = || graph.edges(from).iter().copied().collect();
        references.entry(from).or_insert_with(of).contains(&to)
    };
    let mut moves: FxHashMap<u32, Move> = FxHashMap::default();
    for object in tree.order() {
        let (Held::By(holder), Some(was)) = (tree.held(*object), old(*object)) else { continue };
        let Held::By(earlier) = before.1.held(was) else { continue };
        let Some(earlier) = same_place(earlier) else { continue };
        if earlier == holder {
            if let Some(above) = moves.get(&holder).copied() {
                moves.insert(*object, Move { depth: above.depth + 1, ..above });
            }
        } else if !refers(earlier, *object)
            && let (Some(from), Some(to)) = (known(earlier), known(holder))
            && from != to
        {
            moves.insert(*object, Move { from, to, depth: 0 });
        }
    }
    for (object, way) in moves {
        let kind = graph.type_id.get(object as usize).copied().unwrap_or(NONE);
        let native = sizes.native(object);
        let bytes = (graph.size.get(object as usize).copied().unwrap_or(0) + native) as i64;
        for (anchor, sign) in [(way.from, -1), (way.to, 1)] {
            let gain = gains.entry(Anchor::Object(anchor)).or_default();
            gain.objects += sign;
            gain.bytes += sign * bytes;
            gain.native += sign * native as i64;
            let depth = if sign > 0 { way.depth } else { u32::MAX };
            let heads = if way.depth == 0 { sign } else { 0 };
            let of_type = TypeGain { count: sign, bytes: sign * bytes, heads, depth, under: 0 };
            gain.types.entry(kind).or_insert(TypeGain::NONE).add(&of_type);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::diff::tests::{key, taken};
    use crate::testing::Heap;
    use crate::{EdgeName, diff};

    /// A queue with orders in it, and a list beside it.
    fn shop() -> (Heap, u32, u32, Vec<u32>) {
        let mut heap = Heap::default();
        let module = heap.module("shop");
        let namespace = heap.child(module, "dict", EdgeName::Attribute("__dict__".into()));
        let queue = heap.child(namespace, "list", key("QUEUE"));
        let archive = heap.child(namespace, "list", key("ARCHIVE"));
        let orders = (0..40).map(|i| heap.child(queue, "shop.Order", EdgeName::Index(i))).collect();
        (heap, queue, archive, orders)
    }

    fn told(before: &Heap, after: &Heap) -> Vec<(String, i64)> {
        let culprits = diff(&taken(before, 0.0), &taken(after, 10.0)).culprits;
        culprits.into_iter().map(|c| (c.holder.name, c.count)).collect()
    }

    #[test]
    fn a_queue_that_hands_on_its_items_is_not_what_grows() {
        let (mut heap, queue, archive, orders) = shop();
        let (before, ..) = shop();
        for (i, order) in orders.into_iter().enumerate() {
            heap.forget(queue, order);
            heap.refer(archive, order, EdgeName::Index(i as u64));
            heap.child(queue, "shop.Order", EdgeName::Index(i as u64));
        }
        assert_eq!(told(&before, &heap), [("shop.ARCHIVE".to_owned(), 40)]);
    }

    #[test]
    fn what_both_still_hold_stays_where_it_was() {
        let (mut heap, queue, archive, orders) = shop();
        for (i, order) in orders.into_iter().enumerate() {
            heap.refer(archive, order, EdgeName::Index(i as u64));
            heap.child(queue, "shop.Order", EdgeName::Index(40 + i as u64));
        }
        assert_eq!(told(&shop().0, &heap), [("shop.QUEUE".to_owned(), 40)]);
    }
}
