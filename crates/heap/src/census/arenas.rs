//! From an address to its arena, and from there to the size of the blocks around it, without a search.

use super::pymalloc::Arena;
use crate::image::Image;
use rustc_hash::FxHashMap;

/// Bytes of a pool's header.
const HEADER: u64 = 48;
/// A class beyond the largest: the pool holds no blocks.
const NO_CLASS: u32 = 32;

/// Arenas by the part of the address space in which they begin.
#[derive(Debug, Default)]
pub(crate) struct ArenaIndex {
    arena_bits: u8,
    pool_bits: u8,
    by_part: FxHashMap<u64, u64>,
}

impl ArenaIndex {
    /// Indexes arenas of 2^`arena_bits` bytes; none of them overlaps another.
    pub(crate) fn new(arenas: &[Arena], arena_bits: u8, pool_bits: u8) -> Self {
        let by_part = arenas.iter().map(|a| (a.address >> arena_bits, a.address)).collect();
        Self { arena_bits, pool_bits, by_part }
    }

    /// Whether an arena holds the address. An arena begins in the same part as the address or in the one before.
    pub(crate) fn holds(&self, address: u64) -> bool {
        let part = address >> self.arena_bits;
        let begins = |part: u64| {
            let start = self.by_part.get(&part);
            start.is_some_and(|s| address.checked_sub(*s).is_some_and(|d| d >> self.arena_bits == 0))
        };
        begins(part) || part > 0 && begins(part - 1)
    }

    /// Bytes of the block that begins exactly here, in a pool that holds something.
    #[inline]
    pub(crate) fn block(&self, image: &Image, address: u64) -> Option<u64> {
        self.around(image, address).filter(|(start, _)| *start == address).map(|(_, size)| size)
    }

    /// Beginning and bytes of the block that holds the address, in a pool that holds something.
    #[inline]
    pub(crate) fn around(&self, image: &Image, address: u64) -> Option<(u64, u64)> {
        if !self.holds(address) {
            return None;
        }
        let pool = address & !((1u64 << self.pool_bits) - 1);
        let head = image.slice(pool, HEADER as usize)?;
        let half = |at: usize| head.get(at..).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
        let size = u64::from(half(36)?.min(NO_CLASS - 1) + 1) * 16;
        let offset = address.checked_sub(pool + HEADER)?;
        (half(0)? != 0).then_some((address - offset % size, size))
    }
}
