//! The collector's state at one moment, decoded from the bytes of `struct _gc_runtime_state`.

use crate::decode::{half, word};
use crate::layout::{COUNT, GENERATION_SIZE, Layout, Stats, THRESHOLD};
use serde::{Deserialize, Serialize};

/// One generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generation {
    /// Collect when `count` exceeds this; 0 never.
    pub threshold: i32,
    /// Net allocations (generation 0) or collections of the younger one since the last collection.
    pub count: i32,
    /// Collections so far.
    pub collections: u64,
    /// Objects freed so far.
    pub collected: u64,
    /// Objects found that could not be freed.
    pub uncollectable: u64,
}

/// The collector's state at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GcState {
    /// Whether automatic collection is on.
    pub enabled: bool,
    /// Whether a collection ran while this was read.
    pub collecting: bool,
    /// Generations 0, 1 and 2.
    pub generations: [Generation; 3],
}

/// How many objects the collector keeps, by its own account; absent where the build does not count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Population {
    /// Objects that survived the last full collection.
    pub long_lived: Option<u64>,
    /// Objects that survived younger collections and wait for their first full one.
    pub pending: Option<u64>,
    /// Live objects (3.14 and later).
    pub live: Option<u64>,
}

/// Room for the largest collector state that a table names.
pub const GC_SIZE_MAX: usize = 512;

/// Decodes the state; with rings, the counters come from there instead (see [`crate::Interpreter::read`]).
#[must_use]
pub fn decode_gc(bytes: &[u8], layout: &Layout) -> GcState {
    let mut state = GcState {
        enabled: half(bytes, layout.enabled as usize) != 0,
        collecting: half(bytes, layout.collecting as usize) != 0,
        ..GcState::default()
    };
    for (i, generation) in state.generations.iter_mut().enumerate() {
        let at = (layout.generations + GENERATION_SIZE * i as u64) as usize;
        generation.threshold = half(bytes, at + THRESHOLD as usize);
        generation.count = half(bytes, at + COUNT as usize);
        if let Stats::Inline { offset } = layout.stats {
            let at = offset as usize + 24 * i;
            generation.collections = word(bytes, at);
            generation.collected = word(bytes, at + 8);
            generation.uncollectable = word(bytes, at + 16);
        }
    }
    state
}

/// Decodes the numbers of objects.
#[must_use]
pub fn decode_population(bytes: &[u8], layout: &Layout) -> Population {
    let number = |at: Option<u64>| at.map(|at| word(bytes, at as usize));
    Population {
        long_lived: number(layout.long_lived_total),
        pending: number(layout.long_lived_pending),
        live: number(layout.heap_size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::TABLES;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..GC_SIZE_MAX)) {
            for layout in TABLES {
                let state = decode_gc(&bytes, layout);
                prop_assert_eq!(state.enabled, half(&bytes, layout.enabled as usize) != 0);
                let _ = decode_population(&bytes, layout);
            }
        }
    }

    #[test]
    fn every_table_fits_in_the_buffer() {
        assert!(TABLES.iter().all(|l| l.gc_size <= GC_SIZE_MAX as u64));
    }
}
