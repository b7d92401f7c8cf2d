//! Objects in the memory of an allocator that m5 does not know: jemalloc, tcmalloc, mimalloc, a library's own. Without
//! its books every place that a block could begin at is looked at; what is found, and what it owns, become blocks.

use super::glibc::{Chunk, Heaps, Region, RegionKind};
use super::runs::Run;
use super::statics::Piece;
use super::validate::is_object;
use super::{Census, Finder, collector_head, sizes};
use crate::census::anchor::Anchor;
use crate::graph::dict::word;
use crate::image::Image;
use crate::image::stacks;
use m5_cpython::layout::objects::type_fields as tf;
use m5_process::LOWEST_ADDRESS;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Less is what every process has: frames of Python code, buffers of libraries.
const LEAST: usize = 1 << 20;
/// Blocks begin at multiples of this.
const ALIGN: usize = 16;
/// Bytes that one task looks at.
const BATCH: usize = 4 << 20;

/// What [`unclaimed`] finds, where it is enough to be an allocator's.
pub(super) fn pieces<'a>(
    image: &'a Image,
    taken: &[(u64, u64)],
    heaps: &Heaps,
    data: &[Range<u64>],
) -> Vec<Piece<'a>> {
    let mut pieces = unclaimed(image, taken, heaps, data);
    if pieces.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < LEAST {
        pieces.clear();
    }
    pieces
}

/// Captured memory without a file that neither Python's allocator nor another known one has, and that is no stack.
pub(super) fn unclaimed<'a>(
    image: &'a Image,
    taken: &[(u64, u64)],
    heaps: &Heaps,
    data: &[Range<u64>],
) -> Vec<Piece<'a>> {
    let mut known: Vec<Range<u64>> = taken.iter().map(|(start, end)| *start..*end).collect();
    known.extend(heaps.regions.iter().map(|r| r.start..r.end));
    let maps = image.maps();
    known.extend(stacks::guarded(image));
    known.sort_by_key(|r| r.start);
    let mut pieces = Vec::new();
    for (segment, data) in image.segments().iter().zip(data) {
        let index = segment.mapping as usize;
        let Some(map) = maps.get(index) else { continue };
        let named = map.path.is_empty() || map.path == "[heap]" || map.path.starts_with("[anon");
        if map.inode != 0 || !map.writable || map.shared || !named {
            continue;
        }
        let from = segment.start.max(data.end);
        for range in without(from..segment.end(), &known) {
            for range in without(range.clone(), &stacks::among(image, &range)) {
                let within = (range.start - segment.start) as usize..(range.end - segment.start) as usize;
                pieces.extend(segment.bytes.get(within).map(|b| (range.start, b)));
            }
        }
    }
    pieces
}

/// A range without the parts that are known, which are in order and may overlap.
pub(crate) fn without(range: Range<u64>, known: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out = Vec::new();
    let mut at = range.start;
    let first = known.partition_point(|t| t.end <= range.start);
    for part in known.iter().skip(first).take_while(|t| t.start < range.end) {
        if part.start > at {
            out.push(at..part.start);
        }
        at = at.max(part.end);
    }
    if at < range.end {
        out.push(at..range.end);
    }
    out
}

/// Addresses whose second word is a type of types.
pub(super) fn type_candidates(image: &Image, anchor: &Anchor, pieces: &[Piece<'_>]) -> Vec<u64> {
    let in_batch = |(start, bytes): Piece<'_>| {
        let mut meta: FxHashMap<u64, bool> = FxHashMap::default();
        let mut out = Vec::new();
        for at in (0..bytes.len().saturating_sub(15)).step_by(ALIGN) {
            let (count, of) = (word(bytes, at), word(bytes, at + 8));
            // Counts of types are small beside addresses.
            if count == 0 || count >> 32 != 0 || of < LOWEST_ADDRESS || of % 8 != 0 {
                continue;
            }
            let is_meta = || {
                let flags = image.word_at(of, tf::FLAGS).unwrap_or(0);
                of == anchor.type_type || flags & tf::TYPE_SUBCLASS != 0 && flags & tf::READY != 0
            };
            if *meta.entry(of).or_insert_with(is_meta) {
                out.push(start + at as u64);
            }
        }
        out
    };
    batches(pieces).into_par_iter().flat_map_iter(in_batch).collect()
}

fn batches<'a>(pieces: &[Piece<'a>]) -> Vec<Piece<'a>> {
    let cut = |(start, bytes): &Piece<'a>| {
        let start = *start;
        bytes.chunks(BATCH).enumerate().map(move |(i, part)| (start + (i * BATCH) as u64, part))
    };
    pieces.iter().flat_map(cut).collect()
}

/// Objects in these pieces.
pub(super) fn objects(finder: &Finder<'_>, pieces: &[Piece<'_>]) -> Vec<Run> {
    pieces.par_iter().map(|piece| in_piece(finder, *piece)).collect()
}

fn in_piece(finder: &Finder<'_>, (start, bytes): Piece<'_>) -> Run {
    let mut run = Run::new(start);
    let mut at = 0;
    while at + 16 <= bytes.len() {
        match candidate(finder, start, bytes, at) {
            Some((number, size)) => {
                run.push(start + at as u64, number);
                at += (size as usize).next_multiple_of(ALIGN).max(ALIGN);
            }
            None => at += ALIGN,
        }
    }
    run
}

/// Type and size of the object at an offset, if there is one.
fn candidate(finder: &Finder<'_>, start: u64, bytes: &[u8], at: usize) -> Option<(u32, u64)> {
    resembling(finder, start, bytes, at).filter(|(_, size)| !holds_others(finder, start, bytes, at, *size))
}

/// Whether objects lie where this one would: sets and dicts of types show a hash, a type and a hash one after the other,
/// which looks like a long string of bytes or a long tuple, and would hide everything behind it.
fn holds_others(finder: &Finder<'_>, start: u64, bytes: &[u8], at: usize, size: u64) -> bool {
    /// What is shorter hides next to nothing.
    const LONG: usize = 512;
    /// Objects lie between buffers: one byte in so many is theirs. A buffer that was reused has old ones in its rest.
    const SHARE: usize = 16;
    if size < LONG as u64 {
        return false;
    }
    // As far as memory is at hand; behind it lies what another allocator has.
    let end = bytes.len().min(at + size as usize);
    let (mut next, size, mut found) = (at + LONG / 8, end - at, 0);
    while next + 16 <= end && found * SHARE < size {
        let inside = resembling(finder, start, bytes, next).map(|(_, inner)| inner as usize);
        let inner = inside.filter(|inner| next + inner <= end).unwrap_or(0);
        found += inner;
        next += inner.next_multiple_of(ALIGN).max(ALIGN);
    }
    found * SHARE >= size
}

/// The same by what stands there alone.
fn resembling(finder: &Finder<'_>, start: u64, bytes: &[u8], at: usize) -> Option<(u32, u64)> {
    let (count, of) = (word(bytes, at), word(bytes, at + 8));
    // Most words are addresses, which are larger than any count.
    if count == 0 || count >> 32 != 0 && !finder.anchor.layout.flagged_counts {
        return None;
    }
    let number = finder.types.number(of).filter(|_| finder.living(count))?;
    let (image, layout) = (finder.image, finder.anchor.layout);
    let desc = finder.types.get(number)?;
    let own = start + at as u64;
    // NumPy allocates classes without the collector's head.
    let class = desc.meta() && finder.types.number(own).is_some();
    let headed = at as u64 >= desc.prefix && (!desc.gc() || collector_head(bytes, at));
    ((class || headed && !desc.meta()) && sizes::consistent(image, layout, own, desc.kind)).then_some(())?;
    let size = sizes::inline(image, layout, own, desc)?;
    // Its last byte must lie where memory was captured, or where none was touched.
    let whole =
        at as u64 + size <= bytes.len() as u64 || image.mapping_of(own) == image.mapping_of(own + size - 1);
    (whole && is_object(finder, own, desc, size)).then_some((number, size))
}

/// What was found as regions with blocks: objects, and buffers of objects wherever those lie.
pub(super) fn regions(image: &Image, anchor: &Anchor, census: &Census, pieces: &[Piece<'_>]) -> Vec<Region> {
    let inside = |address: u64| {
        let index = pieces.partition_point(|(start, _)| *start <= address).checked_sub(1)?;
        pieces.get(index).filter(|(start, bytes)| address < start + bytes.len() as u64)
    };
    let blocks = |object: usize| {
        let (at, desc) = (*census.address.get(object)?, census.desc(object as u32)?);
        let own = inside(at).and_then(|_| {
            let prefix = if desc.meta() && !headed(image, at) { 0 } else { desc.prefix };
            Some((at - prefix, prefix + sizes::inline(image, anchor.layout, at, desc)?))
        });
        let buffer = sizes::buffer(image, anchor.layout, at, desc).filter(|(b, _)| inside(*b).is_some());
        Some(own.into_iter().chain(buffer))
    };
    let all = (0..census.len()).into_par_iter().filter_map(blocks);
    let mut all: Vec<(u64, u64)> = all.flatten_iter().collect();
    all.par_sort_unstable();
    let mut rest = all.into_iter().peekable();
    let region = |(start, bytes): &Piece<'_>| {
        let end = start + bytes.len() as u64;
        let (mut chunks, mut at) = (Vec::new(), *start);
        while let Some((address, size)) = rest.next_if(|(address, _)| *address < end) {
            // A torn image may show two in one place.
            if address >= at {
                at = address.saturating_add(size.next_multiple_of(2)).min(end);
                chunks.push(Chunk::new(address, at - address, false));
            }
        }
        Region { kind: RegionKind::Foreign, start: *start, end, broken: false, chunks, top: None }
    };
    let regions: Vec<Region> = pieces.iter().map(region).collect();
    // Where nothing at all was found it is no allocator's: work space of a library, for instance.
    if regions.iter().all(|r| r.chunks.is_empty()) { Vec::new() } else { regions }
}

fn headed(image: &Image, at: u64) -> bool {
    image.slice(at.wrapping_sub(16), 16).is_some_and(|bytes| collector_head(bytes, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_cut_out() {
        let taken = [5..10, 8..12, 20..30, 40..50];
        assert_eq!(without(0..45, &taken), [0..5, 12..20, 30..40]);
        assert_eq!(without(21..29, &taken), []);
        assert_eq!(without(60..70, &taken), std::iter::once(60..70).collect::<Vec<_>>());
    }
}
