//! The collector's own records (3.15+): one ring of the newest collections for each generation.

use crate::decode::{float, word};

/// A record of one collection.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RingItem {
    /// Start, CLOCK_MONOTONIC nanoseconds.
    pub start_ns: u64,
    /// Stop, likewise.
    pub stop_ns: u64,
    /// Number of this collection in its generation.
    pub collections: u64,
    /// Objects freed by this generation so far.
    pub collected: u64,
    /// Objects that could not be freed so far.
    pub uncollectable: u64,
    /// Objects that this generation looked at so far.
    pub candidates: u64,
    /// Seconds that this generation took so far.
    pub total_seconds: f64,
    /// Live objects right after it.
    pub heap_size: u64,
}

/// How many records the three rings keep: of generation 0, and of each of the older two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSizes {
    /// Of generation 0.
    pub young: u8,
    /// Of generations 1 and 2.
    pub old: u8,
}

const RING_ITEM: usize = 64;
/// Offset of the number of collections in a record.
pub(crate) const COLLECTIONS: u64 = 16;
/// Room for the largest block.
pub const RING_BLOCK: usize = RingSizes { young: 11, old: 3 }.bytes();

impl RingSizes {
    /// Records per generation, offset of the records and of the index behind them, which names the newest.
    pub(crate) const fn places(self) -> [(usize, usize, usize); 3] {
        let (young, old) = (self.young as usize * RING_ITEM, self.old as usize * RING_ITEM);
        let first = young + 8;
        let second = first + old + 8;
        [
            (self.young as usize, 0, young),
            (self.old as usize, first, first + old),
            (self.old as usize, second, second + old),
        ]
    }

    /// Bytes of the block that holds the three rings, and a word behind them.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.young as usize + 2 * self.old as usize) * RING_ITEM + 4 * 8
    }
}

/// Every record of a block, in no order. Those that were never written are zero.
#[must_use]
pub fn decode_rings(block: &[u8], sizes: RingSizes) -> [Vec<RingItem>; 3] {
    sizes.places().map(|(items, at, _)| (0..items).map(|i| item(block, at + i * RING_ITEM)).collect())
}

fn item(bytes: &[u8], at: usize) -> RingItem {
    RingItem {
        start_ns: word(bytes, at),
        stop_ns: word(bytes, at + 8),
        collections: word(bytes, at + COLLECTIONS as usize),
        collected: word(bytes, at + 24),
        uncollectable: word(bytes, at + 32),
        candidates: word(bytes, at + 40),
        total_seconds: float(bytes, at + 48),
        heap_size: word(bytes, at + 56),
    }
}
