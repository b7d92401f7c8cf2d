//! A segment that grows at its end while memory is read.

use super::blocks::BLOCK;
use super::{Bytes, Packer, SMALLEST};
use crate::image::huge;

/// The bytes of the segment at hand; compressed as they come where they are many and somebody compresses them.
pub(crate) struct Assembly<'a> {
    packer: Option<&'a mut Packer>,
    open: Vec<u8>,
    /// The first block of what is compressed already, and how many bytes that are.
    packed: Option<(usize, usize)>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(packer: Option<&'a mut Packer>) -> Self {
        Self { packer, open: Vec::new(), packed: None }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.packed.is_none()
    }

    /// Adds bytes; `whole` is what the segment is expected to come to.
    pub(crate) fn extend(&mut self, bytes: &[u8], whole: usize) {
        let needed = self.open.len() + bytes.len();
        match &mut self.packer {
            Some(packer) if self.packed.is_some() || packer.fits(needed) => {
                self.open.extend_from_slice(bytes);
                if needed >= SMALLEST {
                    let blocks = needed / BLOCK * BLOCK;
                    let (_, packed) = self.packed.get_or_insert((packer.next, 0));
                    *packed += blocks;
                    packer.push(self.open.get(..blocks).unwrap_or(&[]));
                    self.open.drain(..blocks);
                }
            }
            _ => {
                if needed > self.open.capacity().max(SMALLEST) {
                    let mut large = huge::with_room(needed.max(whole));
                    large.extend_from_slice(&self.open);
                    self.open = large;
                }
                self.open.extend_from_slice(bytes);
            }
        }
    }

    /// The segment; the next one begins.
    pub(crate) fn take(&mut self) -> Bytes {
        if let (Some((first, packed)), Some(packer)) = (self.packed.take(), &mut self.packer) {
            packer.push(&self.open);
            let len = packed + self.open.len();
            self.open.clear();
            return packer.segment(first, len);
        }
        if self.open.len() < SMALLEST {
            let bytes = self.open.as_slice().to_vec();
            self.open.clear();
            return Bytes::Held(bytes);
        }
        let mut bytes = std::mem::take(&mut self.open);
        bytes.shrink_to_fit();
        Bytes::Held(bytes)
    }
}
