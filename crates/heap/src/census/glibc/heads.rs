//! What the beginning of memory of the C library's allocator says of itself, from its bytes alone.

use super::{HEAP_MAX, INFO, IS_MAPPED, SIZE_BITS, STATE};
use crate::graph::dict::word;
use m5_process::{LOWEST_ADDRESS, page_size};

/// Where the chunk of a heap whose head is at `at` ends; none where it is no head. The heap ends at `end`.
pub(crate) fn next(at: u64, bytes: &[u8], end: u64) -> Option<u64> {
    let size = word(bytes, 8) & SIZE_BITS;
    at.checked_add(size).filter(|next| size >= 16 && size.is_multiple_of(16) && *next <= end)
}

/// Bytes of the chunk mapped by itself that begins with these, in a mapping that has `room` left.
pub(crate) fn mapped(bytes: &[u8], room: u64) -> Option<u64> {
    let (before, size) = (word(bytes, 0), word(bytes, 8));
    let bytes = size & SIZE_BITS;
    // From glibc 2.42 on the size leaves the header out.
    let (page, header) = (page_size(), 16);
    let whole = [0, page - header].contains(&(bytes % page));
    let fits = size & 7 == IS_MAPPED && whole && bytes >= page - header && before < page;
    let bytes = bytes.checked_next_multiple_of(page)?;
    (fits && bytes <= room).then_some(bytes)
}

/// Where the first chunk of a thread arena's heap begins and where the heap ends, from the heap's first bytes.
pub(crate) fn thread_heap(at: u64, bytes: &[u8], map_end: u64) -> Option<(u64, u64)> {
    /// Chunks that follow one another where a walk begins rightly.
    const ROW: u32 = 16;
    if !at.is_multiple_of(HEAP_MAX) {
        return None;
    }
    let (arena, size) = (word(bytes, 0), word(bytes, 16));
    let page = page_size();
    if !(page..=HEAP_MAX).contains(&size) || size % page != 0 || arena % 8 != 0 || arena < LOWEST_ADDRESS {
        return None;
    }
    let end = (at + size).min(map_end);
    let own = arena > at && arena < at + 64;
    let leads_on = |first: &u64| {
        let mut chunk = *first;
        for _ in 0..ROW {
            let head = usize::try_from(chunk - at).ok().and_then(|o| bytes.get(o..o + 16));
            match head.map(|head| next(chunk, head, end)) {
                // The row is longer than what is here, or ends with the heap.
                None => return chunk > *first,
                Some(Some(next)) if next == end => return true,
                Some(Some(next)) => chunk = next,
                Some(None) => return false,
            }
        }
        true
    };
    starts(at, own).find(leads_on).map(|first| (first, end))
}

/// Where the chunks of a thread arena's heap may begin: behind its description and, in the first heap, the arena.
pub(super) fn starts(at: u64, own: bool) -> impl Iterator<Item = u64> {
    INFO.iter().flat_map(move |info| {
        STATE.iter().map(move |state| if own { at + info + state } else { at + info }.next_multiple_of(16))
    })
}
