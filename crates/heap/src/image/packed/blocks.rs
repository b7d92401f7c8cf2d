//! Compressed blocks, one behind the other.

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

/// What is compressed by itself, and unpacked at once.
pub(super) const BLOCK: usize = 64 << 10;
/// Memory for them is taken in pieces of this size, which go back to the system as they are freed.
const SLAB: usize = 4 << 20;

/// Where a block lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    slab: u32,
    at: u32,
    len: u32,
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    slabs: Vec<Vec<u8>>,
    /// Bytes of the last slab that are in use.
    used: usize,
    places: Vec<Place>,
}

impl Blocks {
    /// Compresses one.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = get_maximum_output_size(bytes.len());
        if self.slabs.last().is_none_or(|slab| slab.len() - self.used < room) {
            self.slabs.push(vec![0; SLAB]);
            self.used = 0;
        }
        let free = self.slabs.last_mut().and_then(|slab| slab.get_mut(self.used..)).unwrap_or(&mut []);
        // It fails where there is no room, which there is.
        let len = compress_into(bytes, free).unwrap_or(0);
        let slab = self.slabs.len() as u32 - 1;
        self.places.push(Place { slab, at: self.used as u32, len: len as u32 });
        self.used += len;
    }

    /// The bytes of a block; zeroes behind them.
    pub(super) fn unpack(&self, number: usize, bytes: &mut [u8]) {
        let packed = self.places.get(number).and_then(|place| {
            let slab = self.slabs.get(place.slab as usize)?;
            slab.get(place.at as usize..place.at as usize + place.len as usize)
        });
        let len = packed.and_then(|packed| decompress_into(packed, bytes).ok()).unwrap_or(0);
        bytes.get_mut(len..).unwrap_or(&mut []).fill(0);
    }

    /// Bytes that they take.
    pub(super) fn held(&self) -> u64 {
        (self.slabs.len().saturating_sub(1) * SLAB + self.used) as u64
    }
}

/// What these bytes would become.
pub(crate) fn packed_len(bytes: &[u8]) -> usize {
    let mut out = vec![0; get_maximum_output_size(bytes.len())];
    compress_into(bytes, &mut out).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_block_comes_back(
            seeds in prop::collection::vec((any::<u8>(), 1usize..=BLOCK, 1usize..400), 1..40),
        ) {
            let block = |(first, len, period): &(u8, usize, usize)| -> Vec<u8> {
                (0..*len).map(|i| first.wrapping_add((i % period).wrapping_mul(i / 7 + 3) as u8)).collect()
            };
            let mut blocks = Blocks::default();
            seeds.iter().for_each(|seed| blocks.push(&block(seed)));
            let mut bytes = vec![1; BLOCK];
            for (number, seed) in seeds.iter().enumerate() {
                blocks.unpack(number, &mut bytes);
                let wanted = block(seed);
                prop_assert!(bytes[..wanted.len()] == wanted[..]);
                prop_assert!(bytes[wanted.len()..].iter().all(|b| *b == 0));
            }
        }
    }
}
