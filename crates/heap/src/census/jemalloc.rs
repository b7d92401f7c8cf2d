//! jemalloc 5.3: extents of pages, slabs of equal blocks or one large block each. Polars, DuckDB and Arrow carry it, and
//! services are started under it.
//!
//! Each extent has a description somewhere in memory. Descriptions are looked for by what they say, and taken where the
//! allocator's own table of pages leads to them: one that is kept for reuse is in no table.

use super::glibc::{Chunk, Holds, Region, RegionKind};
use super::statics::Piece;
use crate::graph::dict::word;
use crate::image::Image;
use m5_process::{ADDRESS_BITS, page_size};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// The page that builds for machines with such pages use; others are not read.
const PAGE: u64 = 4096;
/// Descriptions lie at multiples of this, and are as long.
const ALIGN: u64 = 128;
/// Offsets in a description: bits, address, size, which blocks of a slab are free.
const ADDRESS: usize = 8;
const SIZE: usize = 16;
const BITMAP: usize = 64;
const BITMAP_WORDS: usize = 8;
/// Bits of a description: whether it is a slab, state, class of size, free blocks; nothing beyond the last.
const SLAB: u64 = 1 << 12;
const STATE: (u32, u64) = (17, 7);
const CLASS: (u32, u64) = (20, 255);
const FREE: (u32, u64) = (28, 1023);
const LAST_BIT: u32 = 45;
/// States: in use; kept for reuse, with and without its pages; its memory given back.
const ACTIVE: u64 = 0;
const RETAINED: u64 = 3;
/// The first class that is no slab's, and more classes than there are.
const FIRST_LARGE: u64 = 36;
const MOST_CLASSES: u64 = 236;
/// An entry of the table of pages: the class from this bit on, an address, and flags below.
const ENTRY_CLASS: u32 = 48;
const ENTRY_ADDRESS: u64 = (1 << ENTRY_CLASS) - ALIGN;
/// Entries of one part of the table.
const ENTRIES: u64 = 1 << 18;
/// The allocator takes memory for its own books in such pieces.
const BOOKS: u64 = 2 << 20;
/// Fewer descriptions that the table leads to prove nothing.
const PROOF: usize = 4;

/// A description of an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    described: u64,
    address: u64,
    size: u64,
    bits: u64,
    free: [u64; BITMAP_WORDS],
}

/// Size of the blocks of a class.
fn class_size(class: u64) -> u64 {
    match class {
        0 => 8,
        1..=4 => class * 16,
        _ => {
            // The last classes are of no block that fits into any memory.
            let (group, step) = (((class - 5) / 4).min(50), (class - 5) % 4);
            (64 << group) + (step + 1) * (16 << group)
        }
    }
}

impl Extent {
    fn read(at: u64, bytes: &[u8]) -> Option<Self> {
        let bits = word(bytes, 0);
        let (address, size) = (word(bytes, ADDRESS), word(bytes, SIZE) & !(PAGE - 1));
        if bits >> LAST_BIT != 0 || address < PAGE || address >> ADDRESS_BITS != 0 || size == 0 {
            return None;
        }
        let mut extent = Self { described: at, address, size, bits, free: [0; BITMAP_WORDS] };
        // Only as many words are kept as there are blocks.
        let words = if extent.slab() { extent.blocks().div_ceil(64) as usize } else { 0 };
        extent.free.iter_mut().take(words).enumerate().for_each(|(i, w)| *w = word(bytes, BITMAP + i * 8));
        extent.sound().then_some(extent)
    }

    fn field(&self, (shift, mask): (u32, u64)) -> u64 {
        self.bits >> shift & mask
    }

    /// What is kept for reuse says of its last use what it was.
    fn slab(&self) -> bool {
        self.bits & SLAB != 0 && self.field(STATE) == ACTIVE
    }

    /// Blocks of a slab.
    fn blocks(&self) -> u64 {
        self.size / class_size(self.field(CLASS).min(MOST_CLASSES))
    }

    fn pages(&self) -> Range<u64> {
        let start = self.address & !(PAGE - 1);
        start..start.saturating_add(self.size)
    }

    fn sound(&self) -> bool {
        let class = self.field(CLASS);
        if self.size >> ADDRESS_BITS != 0 || class >= MOST_CLASSES || self.field(STATE) > RETAINED {
            return false;
        }
        let bytes = class_size(class);
        match (self.field(STATE), self.slab()) {
            (ACTIVE, true) => {
                let free: u32 = self.free.iter().map(|w| w.count_ones()).sum();
                let whole = class < FIRST_LARGE && self.size.is_multiple_of(bytes);
                whole
                    && self.address.is_multiple_of(PAGE)
                    && self.blocks() <= 64 * BITMAP_WORDS as u64
                    && self.field(FREE) == u64::from(free)
                    && self.field(FREE) <= self.blocks()
            }
            // A page more is there to spread the beginnings of large blocks over the cache.
            (ACTIVE, false) => class >= FIRST_LARGE && matches!(self.size - bytes.min(self.size), 0 | PAGE),
            _ => self.address.is_multiple_of(PAGE),
        }
    }

    fn region(&self) -> Region {
        let pages = self.pages();
        let size = class_size(self.field(CLASS));
        let chunks = match (self.field(STATE), self.slab()) {
            (ACTIVE, true) => {
                let free = |i: u64| self.free.get(i as usize / 64).is_some_and(|w| w >> (i % 64) & 1 != 0);
                (0..self.blocks()).map(|i| Chunk::new(self.address + i * size, size, free(i))).collect()
            }
            (ACTIVE, false) => vec![Chunk::new(self.address, size.min(pages.end - self.address), false)],
            _ => vec![Chunk::new(pages.start, self.size, true)],
        };
        let kind = RegionKind::Page(Holds::Any);
        Region { kind, start: pages.start, end: pages.end, broken: false, chunks, top: None }
    }
}

/// Regions of every extent and of the allocator's books, in order, none over another; `pieces` is memory that is no
/// other allocator's.
pub(crate) fn walk(image: &Image, pieces: &[Piece<'_>]) -> Vec<Region> {
    if page_size() != PAGE {
        return Vec::new();
    }
    let described: FxHashMap<u64, Extent> =
        pieces.par_iter().flat_map_iter(|piece| in_piece(*piece)).map(|e| (e.described, e)).collect();
    if described.len() < PROOF {
        return Vec::new();
    }
    let tables = tables(pieces, &described);
    let mut live: Vec<Extent> =
        described.into_values().filter(|e| entry(image, &tables, e) == Some(e.described)).collect();
    live.sort_by_key(|e| e.pages().start);
    let mut end = 0;
    live.retain(|e| {
        let apart = e.pages().start >= end;
        end = end.max(if apart { e.pages().end } else { 0 });
        apart
    });
    if live.len() < PROOF {
        return Vec::new();
    }
    let mut regions: Vec<Region> = live.iter().map(Extent::region).collect();
    regions.extend(books(pieces, &live, &tables));
    regions.sort_by_key(|r| r.start);
    regions
}

fn in_piece((start, bytes): Piece<'_>) -> Vec<Extent> {
    let first = (start.next_multiple_of(ALIGN) - start) as usize;
    let places = (first..bytes.len()).step_by(ALIGN as usize);
    places.filter_map(|at| Extent::read(start + at as u64, bytes.get(at..at + ALIGN as usize)?)).collect()
}

/// Where the part of the table of pages begins, by the upper bits of the pages: where most of its entries want it to be.
type Tables = FxHashMap<u64, u64>;

fn tables(pieces: &[Piece<'_>], described: &FxHashMap<u64, Extent>) -> Tables {
    let votes = |(start, bytes): &Piece<'_>| {
        let mut votes: FxHashMap<(u64, u64), u32> = FxHashMap::default();
        for at in (0..bytes.len().saturating_sub(7)).step_by(8) {
            let entry = word(bytes, at);
            // Classes are above an address, which other words have nothing above.
            if entry >> ENTRY_CLASS == 0 || entry >> ENTRY_CLASS >= MOST_CLASSES {
                continue;
            }
            let Some(extent) = described.get(&(entry & ENTRY_ADDRESS)) else { continue };
            if extent.field(CLASS) == entry >> ENTRY_CLASS {
                let page = extent.address / PAGE;
                let table = (start + at as u64).wrapping_sub(page % ENTRIES * 8);
                *votes.entry((page / ENTRIES, table)).or_default() += 1;
            }
        }
        votes
    };
    let mut sums: FxHashMap<(u64, u64), u32> = FxHashMap::default();
    for counted in pieces.par_iter().map(votes).collect::<Vec<_>>() {
        counted.into_iter().for_each(|(key, n)| *sums.entry(key).or_default() += n);
    }
    let mut best: FxHashMap<u64, (u32, u64)> = FxHashMap::default();
    for ((upper, table), n) in sums {
        let most = best.entry(upper).or_insert((n, table));
        *most = (*most).max((n, table));
    }
    best.into_iter().map(|(upper, (_, table))| (upper, table)).collect()
}

/// The description that the table has for the first page of an extent.
fn entry(image: &Image, tables: &Tables, extent: &Extent) -> Option<u64> {
    let page = extent.address / PAGE;
    let entry = image.word(tables.get(&(page / ENTRIES))?.wrapping_add(page % ENTRIES * 8))?;
    Some(entry & ENTRY_ADDRESS)
}

/// Memory that the allocator keeps its descriptions and tables in.
fn books(pieces: &[Piece<'_>], live: &[Extent], tables: &Tables) -> Vec<Region> {
    let of_tables = tables.values().flat_map(|table| [*table, table.saturating_add(ENTRIES * 8 - 1)]);
    let windows: FxHashSet<u64> =
        live.iter().map(|e| e.described).chain(of_tables).map(|at| at / BOOKS).collect();
    let extents: Vec<Range<u64>> = live.iter().map(Extent::pages).collect();
    let within = |(start, bytes): &Piece<'_>| {
        let end = start + bytes.len() as u64;
        let touched = start / BOOKS..=(end - 1) / BOOKS;
        let parts = touched.filter(|w| windows.contains(w)).map(|w| w * BOOKS..(w + 1) * BOOKS);
        parts.map(|p| p.start.max(*start)..p.end.min(end)).collect::<Vec<_>>()
    };
    let parts = pieces.iter().filter(|(_, bytes)| !bytes.is_empty()).flat_map(within);
    let free = parts.flat_map(|part| super::foreign::without(part, &extents));
    let span = |r: Range<u64>| Region {
        kind: RegionKind::Span,
        start: r.start,
        end: r.end,
        broken: false,
        chunks: Vec::new(),
        top: None,
    };
    free.map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_allocator() {
        let sizes = [(0, 8), (1, 16), (4, 64), (5, 80), (9, 160), (35, 14_336), (36, 16_384), (37, 20_480)];
        for (class, size) in sizes {
            assert_eq!(class_size(class), size, "{class}");
        }
    }

    #[test]
    fn a_slab_says_twice_how_many_of_its_blocks_are_free() {
        let mut bytes = [0_u8; 128];
        let bits = SLAB | 1 << CLASS.0 | 3 << FREE.0;
        bytes[..8].copy_from_slice(&bits.to_le_bytes());
        bytes[8..16].copy_from_slice(&0x7f00_0000_1000_u64.to_le_bytes());
        bytes[16..24].copy_from_slice(&(PAGE | 7).to_le_bytes());
        assert!(Extent::read(0, &bytes).is_none());
        bytes[64] = 0b111;
        let slab = Extent::read(0, &bytes).unwrap();
        let chunks = slab.region().chunks;
        assert_eq!((chunks.len(), chunks.iter().filter(|c| c.free()).count()), (256, 3));
        assert_eq!(chunks[3], Chunk::new(0x7f00_0000_1030, 16, false));
    }

    #[test]
    fn what_was_a_slab_and_is_kept_for_reuse_is_free() {
        const DIRTY: u64 = 1;
        const NO_CLASS: u64 = 232;
        let mut bytes = [0_u8; 128];
        let bits = SLAB | DIRTY << STATE.0 | NO_CLASS << CLASS.0 | 2 << FREE.0;
        bytes[..8].copy_from_slice(&bits.to_le_bytes());
        bytes[8..16].copy_from_slice(&0x7f00_0000_1000_u64.to_le_bytes());
        bytes[16..24].copy_from_slice(&((30 << 20) | 7_u64).to_le_bytes());
        let chunks = Extent::read(0, &bytes).unwrap().region().chunks;
        assert_eq!(chunks, [Chunk::new(0x7f00_0000_1000, 30 << 20, true)]);
    }
}
