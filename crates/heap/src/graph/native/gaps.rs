//! Static data between the static objects in it.

use crate::census::sizes;
use crate::graph::edges::Walker;
use std::ops::Range;

/// Static data without the static objects in it, whose references are known: its address and bytes, in order.
pub(super) fn without_objects<'a>(walker: &Walker<'a>) -> Vec<(u64, &'a [u8])> {
    let (census, layout) = (walker.census, walker.anchor.layout);
    let mut out = Vec::new();
    for (start, bytes) in census.static_data(walker.image) {
        let end = start + bytes.len() as u64;
        let first = census.address.partition_point(|a| *a < start);
        let objects = census.address.iter().enumerate().skip(first).take_while(|(_, a)| **a < end);
        let sized = objects.filter_map(|(i, own)| {
            let desc = census.desc(i as u32)?;
            Some((*own, sizes::inline(walker.image, layout, *own, desc).unwrap_or(16)))
        });
        let piece = |gap: Range<u64>| {
            bytes.get((gap.start - start) as usize..(gap.end - start) as usize).map(|b| (gap.start, b))
        };
        out.extend(gaps(start..end, sized).into_iter().filter_map(piece));
    }
    out
}

/// What of a range lies in none of the objects, given by address and size in order of their addresses. Words are
/// aligned, whatever the size of what lies before them.
fn gaps(range: Range<u64>, objects: impl Iterator<Item = (u64, u64)>) -> Vec<Range<u64>> {
    let (mut at, mut out) = (range.start, Vec::new());
    for (own, size) in objects {
        if own > at {
            out.push(at..own.min(range.end));
        }
        at = at.max(own.saturating_add(size)).next_multiple_of(8).min(range.end);
    }
    if at < range.end {
        out.push(at..range.end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_behind_an_object_of_odd_size_are_read_where_they_lie() {
        // As small integers of 3.8: objects of 28 bytes, each 32 bytes behind the other, and names behind them.
        let numbers = (0..3).map(|i| (0x1000 + 32 * i, 28));
        let one = |range: Range<u64>| std::iter::once(range).collect::<Vec<_>>();
        assert_eq!(gaps(0x1000..0x1100, numbers), one(0x1060..0x1100));
        assert_eq!(gaps(0x1000..0x1040, [(0x1008, 28)].into_iter()), [0x1000..0x1008, 0x1028..0x1040]);
        assert_eq!(gaps(0x1000..0x1010, [(0x1008, 64)].into_iter()), one(0x1000..0x1008));
    }

    proptest! {
        #[test]
        fn gaps_are_aligned_and_hold_no_part_of_an_object(
            objects in prop::collection::vec((0_u64..12, 1_u64..100), 0..20),
            words in 1_u64..200,
        ) {
            let mut at = 0x1000;
            let place = |(skip, size): &(u64, u64)| {
                let own = at + skip * 8;
                at = (own + size).next_multiple_of(8);
                (own, *size)
            };
            let range = 0x1000..0x1000 + words * 8;
            let placed: Vec<(u64, u64)> =
                objects.iter().map(place).collect::<Vec<_>>().into_iter().filter(|o| o.0 < range.end).collect();
            let found = gaps(range.clone(), placed.iter().copied());
            for gap in &found {
                prop_assert!(gap.start % 8 == 0 && gap.start < gap.end && gap.end <= range.end);
            }
            // Each word is in an object or in a gap.
            for word in range.clone().step_by(8) {
                let of_object = placed.iter().any(|(own, size)| word + 8 > *own && word < own + size);
                let in_gap = found.iter().any(|gap| gap.contains(&word));
                prop_assert!(of_object != in_gap, "{word:x}: {placed:x?} {found:x?}");
            }
        }
    }
}
