//! From an address to the number of the object there, in constant time: a bit for every eight bytes.

use crate::image::Image;

#[derive(Debug, Default)]
struct Part {
    bits: Vec<u64>,
    /// Objects before each word of bits.
    before: Vec<u32>,
}

/// The index of all objects.
#[derive(Debug, Default)]
pub struct ObjectIndex {
    parts: Vec<Part>,
}

impl ObjectIndex {
    /// Indexes objects by their ascending addresses.
    #[must_use]
    pub fn new(image: &Image, addresses: &[u64]) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        parts.resize_with(image.segments().len(), Part::default);
        let mut number: u32 = 0;
        for (segment, part) in image.segments().iter().zip(&mut parts) {
            let mine = addresses.get(number as usize..).unwrap_or(&[]);
            let mine = mine.get(..mine.partition_point(|a| *a < segment.end())).unwrap_or(&[]);
            if mine.is_empty() {
                continue;
            }
            part.bits = vec![0; segment.bytes.len().div_ceil(512)];
            for bit in mine.iter().map(|a| (a - segment.start) >> 3) {
                if let Some(word) = part.bits.get_mut((bit >> 6) as usize) {
                    *word |= 1 << (bit & 63);
                }
            }
            part.before = Vec::with_capacity(part.bits.len());
            for word in &part.bits {
                part.before.push(number);
                number += word.count_ones();
            }
        }
        Self { parts }
    }

    /// The object at exactly this address.
    #[must_use]
    #[inline]
    pub fn get(&self, image: &Image, address: u64) -> Option<u32> {
        let (segment, at) = image.locate(address)?;
        let part = self.parts.get(segment)?;
        let word = *part.bits.get(at >> 9)?;
        let bit = at >> 3 & 63;
        if at & 7 != 0 || word >> bit & 1 == 0 {
            return None;
        }
        Some(part.before.get(at >> 9)? + (word & ((1u64 << bit) - 1)).count_ones())
    }
}
