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

/// Records per generation, offset of the records and of the index that names the newest.
pub(crate) const RINGS: [(usize, usize, usize); 3] = [(11, 0, 704), (3, 712, 904), (3, 912, 1104)];
/// Size of the block that holds the three rings.
pub const RING_BLOCK: usize = 1120;
const RING_ITEM: usize = 64;

/// Every record of a block, in no order. Those that were never written are zero.
#[must_use]
pub fn decode_rings(block: &[u8]) -> [Vec<RingItem>; 3] {
    RINGS.map(|(items, at, _)| (0..items).map(|i| item(block, at + i * RING_ITEM)).collect())
}

fn item(bytes: &[u8], at: usize) -> RingItem {
    RingItem {
        start_ns: word(bytes, at),
        stop_ns: word(bytes, at + 8),
        collections: word(bytes, at + 16),
        collected: word(bytes, at + 24),
        uncollectable: word(bytes, at + 32),
        candidates: word(bytes, at + 40),
        total_seconds: float(bytes, at + 48),
        heap_size: word(bytes, at + 56),
    }
}
