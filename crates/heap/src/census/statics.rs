//! Objects that no allocator knows: types and constants in the data of libraries.

use super::glibc::Heaps;
use super::types::TypeTable;
use super::{Finder, Run, sizes};
use crate::anchor::Anchor;
use crate::dict::word;
use crate::image::{Image, Segment};
use m5_cpython::layout::objects::type_fields as tf;

/// Data of files: written pages of their mappings and the zeroed memory that follows them.
pub(crate) fn is_data(image: &Image, segment: &Segment) -> bool {
    let index = segment.mapping as usize;
    let Some(map) = image.maps().get(index) else { return false };
    if map.inode != 0 {
        return true;
    }
    let before = index.checked_sub(1).and_then(|i| image.maps().get(i));
    // A read-only file (the locale archive, say) may end where an arena begins: that is no zeroed data.
    let data = before.is_some_and(|b| b.inode != 0 && b.writable && b.end == map.start);
    map.path.is_empty() && map.writable && data
}

/// Addresses whose second word may be a type: all of static data, and chunks that are large enough.
pub(super) fn type_candidates(image: &Image, anchor: &Anchor, heaps: &Heaps) -> Vec<u64> {
    let mut out = Vec::new();
    let smallest = u64::from(anchor.layout.heap_type_size);
    for chunk in heaps.regions.iter().flat_map(|r| &r.chunks) {
        if !chunk.free() && chunk.usable() >= smallest {
            out.extend([16, 32].map(|offset| chunk.address + offset));
        }
    }
    for segment in image.segments().iter().filter(|s| is_data(image, s)) {
        // A static type's second word points to a type, so it is no small number.
        let words = segment.bytes.as_chunks::<8>().0;
        let pointers = words.iter().enumerate().skip(1).filter(|(_, w)| u64::from_le_bytes(**w) > 1 << 16);
        out.extend(pointers.map(|(i, _)| segment.start + (i as u64 - 1) * 8));
    }
    out
}

/// Objects in static data.
pub(super) fn objects(image: &Image, types: &TypeTable, finder: &Finder<'_>) -> Vec<Run> {
    let segments = image.segments().iter().filter(|s| is_data(image, s));
    segments.map(|s| Run { found: in_segment(image, types, finder, s), ..Run::default() }).collect()
}

fn in_segment(image: &Image, types: &TypeTable, finder: &Finder<'_>, segment: &Segment) -> Vec<(u64, u32)> {
    let mut found: Vec<(u64, u32)> = Vec::new();
    let (mut end, mut sure) = (0, true);
    for at in (0..segment.bytes.len().saturating_sub(15)).step_by(8) {
        let own = segment.start + at as u64;
        let Some(number) = types.number(word(&segment.bytes, at + 8)) else { continue };
        let count = word(&segment.bytes, at);
        let Some(size) = candidate(image, types, finder, own, number, count) else { continue };
        if own + size > segment.end() {
            continue;
        }
        // A small number before a pointer to a type looks like an object too: one that lives forever, or a
        // type, has precedence over it where the two overlap.
        let immortal = finder.anchor.layout.immortal && (count as i32) < 0;
        let now_sure = immortal || types.number(own).is_some();
        if own < end {
            if sure || !now_sure {
                continue;
            }
            found.pop();
        }
        found.push((own, number));
        (end, sure) = (own + size, now_sure);
    }
    found
}

/// Size of the object, if it may be one.
fn candidate(
    image: &Image,
    types: &TypeTable,
    finder: &Finder<'_>,
    own: u64,
    number: u32,
    count: u64,
) -> Option<u64> {
    let desc = types.get(number)?;
    // A class made at run time has no static instances; a type must be a known one.
    let known = if desc.meta() { types.number(own).is_some() } else { desc.flags & tf::HEAP == 0 };
    (known && finder.living(count)).then_some(())?;
    sizes::inline(image, finder.anchor.layout, own, desc)
}
