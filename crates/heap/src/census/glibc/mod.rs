//! The C library's allocator: every chunk of its heaps, in use or free.

mod cached;
pub(crate) mod heads;

use crate::image::Image;
use m5_process::{Mapping, page_size};
use std::ops::Range;

/// One chunk: what `malloc` returned, and how much of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Address of the caller's memory.
    pub address: u64,
    /// Usable bytes, with the lowest bit set where the chunk is free.
    bits: u64,
}

/// Bytes of a chunk before the caller's memory that are not the previous chunk's.
const CHUNK_HEADER: u64 = 8;

impl Chunk {
    pub(super) fn new(address: u64, usable: u64, free: bool) -> Self {
        Self { address, bits: usable & !1 | u64::from(free) }
    }

    /// Usable bytes.
    #[must_use]
    pub fn usable(&self) -> u64 {
        self.bits & !1
    }

    /// Whether it is free.
    #[must_use]
    pub fn free(&self) -> bool {
        self.bits & 1 != 0
    }
}

/// What the blocks of a page of mimalloc are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Anything.
    Any,
    /// Buffers, and no objects.
    Buffers,
    /// Objects that the collector does not look after.
    Plain,
    /// Objects that it does.
    Collected,
    /// The same, with two words before each for attributes and weak references.
    Managed,
}

/// What kind of memory a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionKind {
    /// The heap grown by brk.
    Main,
    /// A heap of a thread arena.
    Thread,
    /// A chunk mapped by itself.
    Mapped,
    /// Memory of an allocator that is not known: its chunks are what objects have there, what lies between them may
    /// be in use or free.
    Foreign,
    /// A page of mimalloc.
    Page(Holds),
    /// What mimalloc keeps beside its pages: its books, and slices that are free.
    Span,
}

impl RegionKind {
    /// Bytes of a chunk's own before the caller's memory.
    pub(crate) fn header(self) -> u64 {
        match self {
            Self::Main | Self::Thread => CHUNK_HEADER,
            Self::Mapped => 2 * CHUNK_HEADER,
            Self::Foreign | Self::Page(_) | Self::Span => 0,
        }
    }
}

/// A walked stretch of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Kind.
    pub kind: RegionKind,
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Whether a chunk did not lead to the next: the rest was not walked.
    pub broken: bool,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// The unused top of the heap: address and bytes.
    pub top: Option<(u64, u64)>,
}

/// All regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heaps {
    /// In order of address.
    pub regions: Vec<Region>,
}

impl Region {
    /// What lies between its chunks.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let ends = std::iter::once(self.start).chain(self.chunks.iter().map(|c| c.address + c.usable()));
        let starts = self.chunks.iter().map(|c| c.address).chain(std::iter::once(self.end));
        ends.zip(starts).filter(|(end, start)| end < start).map(|(end, start)| end..start)
    }

    /// Whether this is no heap of the C library: another allocator took its memory from the same call.
    fn strange(&self) -> bool {
        const LARGE: u64 = 1 << 20;
        const FEW: usize = 16;
        let nothing = self.chunks.is_empty() && self.broken;
        let few = self.chunks.len() < FEW && self.end - self.start > LARGE;
        self.kind == RegionKind::Main && (nothing || few)
    }
}

impl Heaps {
    /// Adds regions that overlap none of those that are there.
    pub(super) fn add(&mut self, regions: Vec<Region>) {
        self.regions.extend(regions);
        self.regions.sort_by_key(|r| r.start);
    }
}

const PREV_INUSE: u64 = 1;
const IS_MAPPED: u64 = 2;
const SIZE_BITS: u64 = !7;
const HEAP_MAX: u64 = 64 << 20;
/// Sizes of a heap's description and of the arena behind it in the first heap, over the versions of glibc.
const INFO: [u64; 2] = [48, 32];
const STATE: [u64; 3] = [2200, 2192, 2112];
/// Offset of the top in an arena behind fast bins, of which there are none from 2.43 on; and both.
const TOP_BEHIND_FAST: u64 = 96;
const STATE_TOP: [u64; 2] = [8, TOP_BEHIND_FAST];

/// Walks everything; `taken` are ranges that belong to another allocator, in order. Nothing is a heap of this library where
/// the process has another one.
pub(crate) fn walk(image: &Image, taken: &[(u64, u64)]) -> Heaps {
    let mut regions = Vec::new();
    if image.maps().iter().any(|m| m.executable && m.path.contains("/ld-musl-")) {
        return Heaps { regions };
    }
    for map in image.maps().iter().filter(|m| m.writable && !m.shared && m.inode == 0) {
        if map.path == "[heap]" {
            regions.push(main_heap(image, map));
        } else if map.path.is_empty() || map.path.starts_with("[anon") {
            anonymous(image, map, taken, &mut regions);
        }
    }
    regions.retain(|r| !r.strange());
    regions.sort_by_key(|r| r.start);
    cached::free(image, &mut regions);
    Heaps { regions }
}

fn main_heap(image: &Image, map: &Mapping) -> Region {
    let mut region = chunks(image, map.start, map.end, RegionKind::Main);
    region.start = map.start;
    region
}

/// Follows sizes from chunk to chunk.
fn chunks(image: &Image, from: u64, end: u64, kind: RegionKind) -> Region {
    let mut region = Region { kind, start: from, end, broken: false, chunks: Vec::new(), top: None };
    let mut at = from;
    loop {
        let size_word = image.word(at + 8).unwrap_or(0);
        let size = size_word & SIZE_BITS;
        let Some(next) = at.checked_add(size).filter(|n| size >= 16 && size.is_multiple_of(16) && *n <= end)
        else {
            region.broken = at + 16 < end;
            return region;
        };
        // The chunk that ends where the heap does is its unused top; a fencepost follows an abandoned one.
        let after = if next + 16 <= end { image.word(next + 8) } else { None };
        match after {
            None | Some(0) => {
                region.top = Some((at, size));
                region.broken = next + 16 < end && after != Some(0);
                return region;
            }
            Some(after) => {
                let free = after & PREV_INUSE == 0;
                region.chunks.push(Chunk::new(at + 16, size - CHUNK_HEADER, free));
            }
        }
        at = next;
    }
}

/// Heaps of thread arenas and chunks mapped by themselves.
fn anonymous(image: &Image, map: &Mapping, taken: &[(u64, u64)], regions: &mut Vec<Region>) {
    let mut at = map.start;
    while at < map.end {
        if let Some((_, end)) = taken_at(taken, at) {
            at = end.next_multiple_of(page_size());
        } else if let Some(region) = thread_heap(image, at, map.end) {
            at = region.end.next_multiple_of(page_size()).max(at + page_size());
            regions.push(region);
        } else if let Some(size) = mapped_chunk(image, at, map.end) {
            let chunk = Chunk::new(at + 16, size - 16, false);
            let kind = RegionKind::Mapped;
            regions.push(Region {
                kind,
                start: at,
                end: at + size,
                broken: false,
                chunks: vec![chunk],
                top: None,
            });
            at += size;
        } else {
            at = next_candidate(image, at);
        }
    }
}

/// Memory that was never touched holds nothing: on to the next captured page.
fn next_candidate(image: &Image, at: u64) -> u64 {
    let next = at + page_size();
    if image.locate(next).is_some() {
        return next;
    }
    let after = image.segments().partition_point(|s| s.start < next);
    image.segments().get(after).map_or(u64::MAX, |s| s.start)
}

fn taken_at(taken: &[(u64, u64)], at: u64) -> Option<(u64, u64)> {
    let index = taken.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
    taken.get(index).copied().filter(|(_, end)| at < *end)
}

fn mapped_chunk(image: &Image, at: u64, end: u64) -> Option<u64> {
    heads::mapped(image.slice(at, 16)?, end - at)
}

/// A heap of a thread arena begins at a multiple of 64 MiB with a description of itself.
fn thread_heap(image: &Image, at: u64, map_end: u64) -> Option<Region> {
    if !at.is_multiple_of(HEAP_MAX) {
        return None;
    }
    let (arena, size) = (image.word(at)?, image.word(at + 16)?);
    let own = arena > at && arena < at + 64;
    if !(page_size()..=HEAP_MAX).contains(&size)
        || size % page_size() != 0
        || arena % 8 != 0
        || !own && image.word(arena).is_none()
    {
        return None;
    }
    let end = (at + size).min(map_end);
    let walked = heads::starts(at, own).map(|start| chunks(image, start, end, RegionKind::Thread));
    let mut best = walked.min_by_key(|r| (r.broken, std::cmp::Reverse(r.chunks.len())))?;
    if best.broken && best.chunks.is_empty() {
        return None;
    }
    let first = std::mem::replace(&mut best.start, at);
    // Memory behind the current end was given back.
    let mut tops = STATE_TOP.iter().filter_map(|offset| image.word_in(arena, *offset));
    let top = tops.find(|top| (first..end).contains(top));
    best.top = best.top.or(top.map(|top| (top, end - top)));
    Some(best)
}
