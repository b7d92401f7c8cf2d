//! Objects that no allocator knows: types and constants in the data of libraries.

use super::glibc::Heaps;
use super::kind::Kind;
use super::runs::Run;
use super::types::{TypeDesc, TypeTable};
use super::{Finder, PAD, count, pads, sizes};
use crate::census::anchor::Anchor;
use crate::graph::dict::word;
use crate::image::{Image, Segment};
use m5_cpython::elf;
use m5_process::{Mapping, page_size};
use std::ops::Range;

/// What of a segment is data of files: their mappings that may be written to and the zeroed memory that follows
/// them. Tables that the linker made read-only hold no objects, whose counts of references change, but words that
/// look like some.
fn data_of(image: &Image, segment: &Segment) -> Range<u64> {
    let (index, all) = (segment.mapping as usize, segment.start..segment.end());
    let Some(map) = image.maps().get(index) else { return 0..0 };
    if map.inode != 0 {
        return if map.writable { all } else { 0..0 };
    }
    let before = index.checked_sub(1).and_then(|i| image.maps().get(i));
    // A read-only file (the locale archive, say) may end where an arena begins: that is no zeroed data.
    let file = before.filter(|b| b.inode != 0 && b.writable && b.end == map.start);
    let Some(file) = file.filter(|_| map.path.is_empty() && map.writable) else { return 0..0 };
    // The kernel joins it with what an allocator mapped behind it.
    let end = elf_end(image, file).filter(|end| *end >= map.start).unwrap_or(all.end);
    all.start..all.end.min(end).max(all.start)
}

/// The same of every segment: to know where a file's data ends takes a look into the file.
pub(super) fn ranges(image: &Image) -> Vec<Range<u64>> {
    image.segments().iter().map(|segment| data_of(image, segment)).collect()
}

/// Segments with what of them is data.
fn parts<'a, 'r>(
    image: &'a Image,
    ranges: &'r [Range<u64>],
) -> impl Iterator<Item = (&'r Range<u64>, &'a [u8])> {
    let bytes = |(segment, range): (&'a Segment, &'r Range<u64>)| {
        (range, segment.bytes.get(..(range.end - range.start) as usize).unwrap_or(&[]))
    };
    image.segments().iter().zip(ranges).map(bytes)
}

/// Where the memory of a loaded file ends, by the file's own account.
fn elf_end(image: &Image, file: &Mapping) -> Option<u64> {
    let own =
        |m: &&Mapping| m.inode == file.inode && m.path == file.path && m.offset == 0 && m.start <= file.start;
    let base = image.maps().iter().rfind(own)?.start;
    elf::end(image, base).ok().flatten()?.checked_next_multiple_of(page_size())
}

/// A run of static data: its address and bytes.
pub(crate) type Piece<'a> = (u64, &'a [u8]);

/// The data of files without what allocators put into the same mappings: the kernel joins an arena with zeroed
/// data that ends where it begins. `taken` is sorted.
pub(super) fn data<'a>(image: &'a Image, ranges: &[Range<u64>], taken: &[(u64, u64)]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for (range, bytes) in parts(image, ranges) {
        let (mut at, mut rest) = (range.start, bytes);
        let first = taken.partition_point(|(_, end)| *end <= range.start);
        for (start, end) in taken.iter().skip(first).take_while(|(start, _)| *start < range.end) {
            let (before, after) = rest.split_at(rest.len().min(start.saturating_sub(at) as usize));
            pieces.push((at, before));
            let skip = end.saturating_sub(at.max(*start)).min(after.len() as u64);
            at = at.max(*start) + skip;
            rest = after.get(skip as usize..).unwrap_or(&[]);
        }
        pieces.push((at, rest));
    }
    pieces.retain(|(_, bytes)| !bytes.is_empty());
    pieces
}

/// Addresses whose second word may be a type: all of static data, and chunks that are large enough.
pub(super) fn type_candidates(
    image: &Image,
    anchor: &Anchor,
    heaps: &Heaps,
    ranges: &[Range<u64>],
) -> Vec<u64> {
    let mut out = Vec::new();
    let smallest = u64::from(anchor.layout.heap_type_size);
    for chunk in heaps.regions.iter().flat_map(|r| &r.chunks) {
        if !chunk.free() && chunk.usable() >= smallest {
            let start = chunk.address + pads(image.slice(chunk.address, 2 * PAD).unwrap_or(&[])) as u64;
            // NumPy allocates classes without the collector's head.
            out.extend([0, 16, 32].map(|offset| start + offset));
        }
    }
    for (range, bytes) in parts(image, ranges) {
        // A static type's second word points to a type, so it is no small number.
        let words = bytes.as_chunks::<8>().0;
        let before = 1 + (anchor.layout.shift() / 8) as usize;
        let pointers = words.iter().enumerate().skip(before);
        let pointers = pointers.filter(|(_, w)| u64::from_le_bytes(**w) > 1 << 16);
        out.extend(pointers.map(|(i, _)| range.start + (i - before) as u64 * 8));
    }
    out
}

/// Objects in static data.
pub(super) fn objects(
    image: &Image,
    types: &TypeTable,
    finder: &Finder<'_>,
    pieces: Vec<Piece<'_>>,
) -> Vec<Run> {
    let run = |piece: Piece<'_>| {
        let mut run = Run::new(piece.0);
        for (at, number) in in_piece(image, types, finder, piece) {
            run.push(at, number);
        }
        run
    };
    pieces.into_iter().map(run).collect()
}

fn in_piece(
    image: &Image,
    types: &TypeTable,
    finder: &Finder<'_>,
    (start, bytes): Piece<'_>,
) -> Vec<(u64, u32)> {
    let mut found: Vec<(u64, u32)> = Vec::new();
    let (mut end, mut sure) = (0, true);
    let layout = finder.anchor.layout;
    for at in (0..bytes.len().saturating_sub(layout.header() as usize - 1)).step_by(8) {
        let own = start + at as u64;
        let Some(number) = types.number(word(bytes, at + 8 + layout.shift() as usize)) else { continue };
        let count = word(bytes, at);
        let Some(size) = candidate(image, types, finder, own, number, count) else { continue };
        // It may reach from the file's last page into the zeroed memory behind it.
        if own + size > start + bytes.len() as u64 && image.word(own + size - 8).is_none() {
            continue;
        }
        // A small number before a pointer to a type looks like an object too: one that lives forever, or a
        // type, has precedence over it where the two overlap.
        let immortal = match layout.free_threaded {
            true => count::immortal(image, own),
            false => layout.immortal && (count as i32) < 0,
        };
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

/// Whether static data may hold instances: none of a class made at run time, and few of those that the collector
/// looks after.
fn has_statics(desc: &TypeDesc) -> bool {
    let collected = || matches!(desc.name.as_str(), "tuple" | "MemoryError") || desc.name.starts_with("hamt");
    !desc.heap() && (!desc.gc() || collected())
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
    let known = if desc.meta() { types.number(own).is_some() } else { has_statics(desc) };
    let layout = finder.anchor.layout;
    let first = || image.word_at(own, u64::from(layout.tuple_items)).unwrap_or(0);
    let consistent = || match desc.kind {
        Kind::Tuple => image.word_at(own, 16) == Some(0) || image.locate(first()).is_some(),
        kind => sizes::consistent(image, layout, own, kind),
    };
    // Without the GIL all that a file's data holds lives forever: the halves of two pointers look like counts.
    let living = || match layout.free_threaded {
        true => count::immortal(image, own),
        false => finder.living(count),
    };
    (known && living() && consistent()).then_some(())?;
    sizes::inline(image, finder.anchor.layout, own, desc)
}
