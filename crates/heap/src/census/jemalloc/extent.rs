//! A description of an extent, and what follows from the size of page that a jemalloc was built for: which is no
//! machine's but its own. Builds for 64-bit Arm have 64 KiB so that they run everywhere; a smaller page than the
//! machine's is none that it starts with.

use crate::census::glibc::{Chunk, Holds, Region, RegionKind};
use crate::graph::dict::word;
use m5_process::{ADDRESS_BITS, page_size};
use std::ops::Range;

/// Descriptions lie at multiples of this.
pub(super) const ALIGN: u64 = 128;
/// Bits of an address that the table of pages tells apart.
const TABLE_BITS: u32 = 48;
/// Offsets in a description: bits, address, size, which blocks of a slab are free.
const ADDRESS: usize = 8;
const SIZE: usize = 16;
const BITMAP: usize = 64;
/// Bits of a description: whether it is a slab, state, class of size; how many blocks are free.
const SLAB: u64 = 1 << 12;
const STATE: (u32, u64) = (17, 7);
const CLASS: (u32, u64) = (20, 255);
const FREE: u32 = 28;
/// States: in use; kept for reuse, with and without its pages; its memory given back.
const ACTIVE: u64 = 0;
const RETAINED: u64 = 3;
/// More classes than there are.
pub(super) const MOST_CLASSES: u64 = 236;

/// What a size of page decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of a page, as a power of two.
    bits: u32,
}

impl Geometry {
    /// Those that run on this machine: pages of 4, 16 and 64 KiB.
    pub(super) fn possible() -> impl Iterator<Item = Self> + Clone {
        let least = page_size().trailing_zeros();
        [12, 14, 16].into_iter().filter(move |bits| *bits >= least).map(|bits| Self { bits })
    }

    pub(super) const fn page(self) -> u64 {
        1 << self.bits
    }

    /// Entries of one part of the table of pages, which has two levels.
    pub(super) const fn entries(self) -> u64 {
        1 << (TABLE_BITS - self.bits).div_ceil(2)
    }

    /// The most blocks of a slab: of the smallest class in one page.
    const fn most_blocks(self) -> u64 {
        1 << (self.bits - 3)
    }

    /// The bits that say how many blocks are free.
    const fn free(self) -> (u32, u64) {
        (FREE, 2 * self.most_blocks() - 1)
    }

    /// Nothing lies beyond: six bits of a shard and a flag follow the number of free blocks.
    const fn last_bit(self) -> u32 {
        self.bits + 33
    }

    /// Whether a description may begin with these bytes: a first look at every place of a process.
    pub(super) fn may_describe(self, bytes: &[u8]) -> bool {
        let (bits, address) = (word(bytes, 0), word(bytes, ADDRESS));
        let size = word(bytes, SIZE) & !(self.page() - 1);
        let place = address >= self.page() && address >> ADDRESS_BITS == 0;
        bits >> self.last_bit() == 0 && place && size != 0 && size >> ADDRESS_BITS == 0
    }

    /// The first class that is no slab's: of four pages.
    const fn first_large(self) -> u64 {
        36 + 4 * (self.bits as u64 - 12)
    }
}

/// A description of an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where the description lies.
    pub(super) described: u64,
    /// Where its block, or its first page, begins.
    pub(super) address: u64,
    geometry: Geometry,
    size: u64,
    bits: u64,
    /// A bit for each block of a slab, set where it is free.
    free: Box<[u64]>,
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
    /// The description that these bytes begin with, where they are one that fits the size of page.
    pub(super) fn read(geometry: Geometry, at: u64, bytes: &[u8]) -> Option<Self> {
        if !geometry.may_describe(bytes) {
            return None;
        }
        let size = word(bytes, SIZE) & !(geometry.page() - 1);
        let (address, bits) = (word(bytes, ADDRESS), word(bytes, 0));
        let mut extent = Self { described: at, address, geometry, size, bits, free: Box::default() };
        if extent.slab() {
            let words = extent.blocks().min(geometry.most_blocks()).div_ceil(64) as usize;
            let bitmap = bytes.get(BITMAP..BITMAP + words * 8)?;
            extent.free = (0..words).map(|i| word(bitmap, i * 8)).collect();
        }
        extent.sound().then_some(extent)
    }

    fn field(&self, (shift, mask): (u32, u64)) -> u64 {
        self.bits >> shift & mask
    }

    /// Its class of size.
    pub(super) fn class(&self) -> u64 {
        self.field(CLASS)
    }

    /// What is kept for reuse says of its last use what it was.
    fn slab(&self) -> bool {
        self.bits & SLAB != 0 && self.field(STATE) == ACTIVE
    }

    /// Blocks of a slab.
    fn blocks(&self) -> u64 {
        self.size / class_size(self.class().min(MOST_CLASSES))
    }

    /// Its pages, whole.
    pub(super) fn pages(&self) -> Range<u64> {
        let start = self.address & !(self.geometry.page() - 1);
        start..start.saturating_add(self.size)
    }

    fn sound(&self) -> bool {
        let (class, page) = (self.class(), self.geometry.page());
        if class >= MOST_CLASSES || self.field(STATE) > RETAINED {
            return false;
        }
        let bytes = class_size(class);
        match (self.field(STATE), self.slab()) {
            (ACTIVE, true) => {
                let free: u64 = self.free.iter().map(|w| u64::from(w.count_ones())).sum();
                let whole = class < self.geometry.first_large() && self.size.is_multiple_of(bytes);
                whole
                    && self.address.is_multiple_of(page)
                    && self.blocks() <= self.geometry.most_blocks()
                    && self.field(self.geometry.free()) == free
                    && free <= self.blocks()
            }
            // A page more is there to spread the beginnings of large blocks over the cache.
            (ACTIVE, false) => {
                let more = self.size - bytes.min(self.size);
                class >= self.geometry.first_large() && (more == 0 || more == page)
            }
            _ => self.address.is_multiple_of(page),
        }
    }

    /// Blocks in use each for itself; free neighbours as one, of which pages may never have been in memory.
    fn blocks_of_slab(&self, size: u64) -> Vec<Chunk> {
        let free = |i: u64| self.free.get(i as usize / 64).is_some_and(|w| w >> (i % 64) & 1 != 0);
        let mut chunks = Vec::new();
        let mut at = 0;
        while at < self.blocks() {
            let run = (at..self.blocks()).take_while(|i| free(*i)).count() as u64;
            let length = run.max(1);
            chunks.push(Chunk::new(self.address + at * size, length * size, run > 0));
            at += length;
        }
        chunks
    }

    /// Its blocks, as those of any allocator.
    pub(super) fn region(&self) -> Region {
        let pages = self.pages();
        let size = class_size(self.class());
        let chunks = match (self.field(STATE), self.slab()) {
            (ACTIVE, true) => self.blocks_of_slab(size),
            (ACTIVE, false) => vec![Chunk::new(self.address, size.min(pages.end - self.address), false)],
            _ => vec![Chunk::new(pages.start, self.size, true)],
        };
        let kind = RegionKind::Page(Holds::Any);
        Region { kind, start: pages.start, end: pages.end, broken: false, chunks, top: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Geometry = Geometry { bits: 12 };
    const LARGE: Geometry = Geometry { bits: 16 };
    const START: u64 = 0x7f00_0001_0000;

    /// The description of a slab of one page, of whose blocks the first `free` are free.
    fn slab(geometry: Geometry, start: u64, class: u64, free: u64) -> Vec<u8> {
        let mut bytes = vec![0_u8; 2048];
        let bits = SLAB | class << CLASS.0 | free << FREE;
        bytes[..8].copy_from_slice(&bits.to_le_bytes());
        bytes[ADDRESS..ADDRESS + 8].copy_from_slice(&start.to_le_bytes());
        bytes[SIZE..SIZE + 8].copy_from_slice(&(geometry.page() | 7).to_le_bytes());
        for i in 0..free as usize {
            bytes[BITMAP + i / 8] |= 1 << (i % 8);
        }
        bytes
    }

    #[test]
    fn classes_are_those_of_the_allocator() {
        let sizes = [(0, 8), (1, 16), (4, 64), (5, 80), (9, 160), (35, 14_336), (36, 16_384), (37, 20_480)];
        for (class, size) in sizes {
            assert_eq!(class_size(class), size, "{class}");
        }
    }

    #[test]
    fn the_page_decides_what_a_slab_is() {
        // 36 bins, two halves of 36 bits, 512 blocks of 8 bytes; 52, two of 32, 8192.
        for (geometry, large, entries, blocks) in [
            (SMALL, 36, 1 << 18, 512),
            (LARGE, 52, 1 << 16, 8192),
            (Geometry { bits: 14 }, 44, 1 << 17, 2048),
        ] {
            assert_eq!(class_size(geometry.first_large()), 4 * geometry.page());
            let found = (geometry.first_large(), geometry.entries(), geometry.most_blocks());
            assert_eq!(found, (large, entries, blocks));
        }
        assert_eq!((SMALL.last_bit(), SMALL.free()), (45, (28, 1023)));
    }

    #[test]
    fn a_slab_says_twice_how_many_of_its_blocks_are_free() {
        for (geometry, blocks) in [(SMALL, 254), (LARGE, 4094)] {
            let mut bytes = slab(geometry, START, 1, 3);
            let found = Extent::read(geometry, 0, &bytes).unwrap();
            let chunks = found.region().chunks;
            // Those that are free are neighbours.
            assert_eq!((chunks.len(), chunks[0]), (blocks, Chunk::new(START, 3 * 16, true)));
            assert_eq!(chunks[1], Chunk::new(START + 0x30, 16, false));
            bytes[BITMAP + 1] |= 1;
            assert!(Extent::read(geometry, 0, &bytes).is_none());
        }
    }

    #[test]
    fn a_slab_whose_description_is_cut_off_is_none() {
        let bytes = slab(LARGE, START, 1, 3);
        assert!(Extent::read(LARGE, 0, &bytes[..ALIGN as usize]).is_none());
        assert!(Extent::read(SMALL, 0, &bytes[..8]).is_none());
    }

    #[test]
    fn what_was_a_slab_and_is_kept_for_reuse_is_free() {
        const DIRTY: u64 = 1;
        const NO_CLASS: u64 = 232;
        let mut bytes = [0_u8; 128];
        let bits = SLAB | DIRTY << STATE.0 | NO_CLASS << CLASS.0 | 2 << FREE;
        bytes[..8].copy_from_slice(&bits.to_le_bytes());
        bytes[8..16].copy_from_slice(&START.to_le_bytes());
        bytes[16..24].copy_from_slice(&((30 << 20) | 7_u64).to_le_bytes());
        let chunks = Extent::read(SMALL, 0, &bytes).unwrap().region().chunks;
        assert_eq!(chunks, [Chunk::new(START, 30 << 20, true)]);
    }
}
