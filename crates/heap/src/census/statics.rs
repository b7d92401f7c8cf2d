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
    map.path.is_empty() && map.writable && before.is_some_and(|b| b.inode != 0 && b.end == map.start)
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
    let mut found = Vec::new();
    let mut at = 0;
    while at + 16 <= segment.bytes.len() {
        let own = segment.start + at as u64;
        let object = types.number(word(&segment.bytes, at + 8)).and_then(|number| {
            let desc = types.get(number)?;
            // A class made at run time has no static instances; a type must be a known one.
            let known = if desc.meta() { types.number(own).is_some() } else { desc.flags & tf::HEAP == 0 };
            (known && finder.living(word(&segment.bytes, at))).then_some(())?;
            let size = sizes::inline(image, finder.anchor.layout, own, desc)?;
            (own + size <= segment.end()).then_some((number, size))
        });
        match object {
            Some((number, size)) => {
                found.push((own, number));
                at += (size as usize).next_multiple_of(8).max(16);
            }
            None => at += 8,
        }
    }
    found
}
