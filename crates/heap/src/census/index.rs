//! From an address to the number of the object there, in constant time: a bit for every eight bytes.

use crate::image::huge;
use crate::image::{Image, Segment};
use rayon::prelude::*;

/// Bytes of memory that a word of bits stands for.
const SPAN: u64 = 512;
/// Words that one task fills: four mebibytes of memory.
const BATCH: usize = 1 << 13;

/// Bits of 64 places and the number of objects before them; together, so that a look touches one cache line.
type Places = (u64, u32);

/// The index of all objects.
#[derive(Debug, Default)]
pub struct ObjectIndex {
    /// By segment; empty where no object is.
    parts: Vec<Vec<Places>>,
}

impl ObjectIndex {
    /// Indexes objects by their ascending addresses.
    #[must_use]
    pub fn new(image: &Image, addresses: &[u64]) -> Self {
        Self { parts: image.segments().iter().map(|s| part(s, addresses)).collect() }
    }

    /// The object at exactly this address.
    #[must_use]
    #[inline]
    pub fn get(&self, image: &Image, address: u64) -> Option<u32> {
        let (segment, at) = image.locate(address)?;
        let (bits, before) = *self.parts.get(segment)?.get(at >> 9)?;
        let bit = at >> 3 & 63;
        if at & 7 != 0 || bits >> bit & 1 == 0 {
            return None;
        }
        Some(before + (bits & ((1u64 << bit) - 1)).count_ones())
    }
}

fn part(segment: &Segment, addresses: &[u64]) -> Vec<Places> {
    let number_at = |address: u64| addresses.partition_point(|a| *a < address);
    let (first, last) = (number_at(segment.start), number_at(segment.end()));
    if first == last {
        return Vec::new();
    }
    let mut part: Vec<Places> = huge::zeroed(segment.bytes.len().div_ceil(SPAN as usize));
    part.par_chunks_mut(BATCH).enumerate().for_each(|(i, words)| {
        let start = segment.start + (i * BATCH) as u64 * SPAN;
        let end = segment.end().min(start + words.len() as u64 * SPAN);
        let mut number = number_at(start);
        let mine = addresses.get(number..number_at(end)).unwrap_or(&[]);
        for bit in mine.iter().map(|a| (a - start) >> 3) {
            if let Some(word) = words.get_mut((bit >> 6) as usize) {
                word.0 |= 1 << (bit & 63);
            }
        }
        for word in words {
            word.1 = number as u32;
            number += word.0.count_ones() as usize;
        }
    });
    part
}
