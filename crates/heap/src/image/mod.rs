//! The bytes of a process at one moment, found by address in a few instructions.

mod arch;
pub(crate) mod capture;
pub(crate) mod core;
pub(crate) mod fill;
pub(crate) mod huge;
pub(crate) mod leads;
pub(crate) mod lean;
pub(crate) mod need;
pub(crate) mod packed;
pub(crate) mod pages;
pub(crate) mod room;
pub(crate) mod stacks;
pub(crate) mod stream;
mod uncopied;
pub(crate) mod wanted;

pub use packed::{Bytes, pack_images_from};

use m5_process::{ADDRESS_BITS, Constants, Error, Mapping, Memory, Result};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::OnceLock;

/// A stretch of captured memory.
#[derive(Debug, Default)]
pub struct Segment {
    /// First address.
    pub start: u64,
    /// Its bytes; pages that were not resident are zero.
    pub bytes: Bytes,
    /// Index of the mapping that it belongs to.
    pub mapping: u32,
    /// Whether what follows, up to the next segment, was in memory and left out: it refers to nothing.
    pub left_out: bool,
}

impl Segment {
    /// One past its last address.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Where the memory that never changes is read when it is asked for: code and constants.
pub trait ReadOnly: Debug + Send + Sync {
    /// Fills the buffer, wholly or not at all.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()>;
}

impl ReadOnly for Constants {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        Memory::read(self, addr, buf)
    }
}

/// Nothing beside what was captured.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingElse;

impl ReadOnly for NothingElse {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        Err(Error::Unmapped { addr, len: buf.len() })
    }
}

const GRANULE: u32 = 20;
const LOW_BITS: u32 = 16;
const TOP: usize = 1 << (ADDRESS_BITS - GRANULE - LOW_BITS);
const NONE: u32 = u32::MAX;
/// Segments that begin in one mebibyte and the one before: each is a page, or has left out something behind it.
const MOST_IN_GRANULE: usize = 2 << 10;

/// Captured memory.
#[derive(Debug)]
pub struct Image {
    segments: Vec<Segment>,
    maps: Vec<Mapping>,
    /// By address ≫ 36, then ≫ 20: the first segment that reaches into this mebibyte.
    radix: Vec<Option<Box<[u32]>>>,
    other: Box<dyn ReadOnly>,
    /// See [`Image::shift_fields`].
    shift: OnceLock<u64>,
}

impl Image {
    /// Sorts the segments and builds the index. Segments that overlap or lie where programs have no memory are left out.
    #[must_use]
    pub fn new(mut segments: Vec<Segment>, maps: Vec<Mapping>, other: Box<dyn ReadOnly>) -> Self {
        segments.retain(|s| {
            let end = s.start.checked_add(s.bytes.len() as u64);
            !s.bytes.is_empty() && end.is_some_and(|e| e <= 1 << ADDRESS_BITS)
        });
        segments.sort_by_key(|s| s.start);
        segments.dedup_by(|b, a| b.start < a.end());
        let mut radix: Vec<Option<Box<[u32]>>> = Vec::new();
        radix.resize_with(TOP, || None);
        for (i, segment) in segments.iter().enumerate() {
            for granule in segment.start >> GRANULE..=(segment.end() - 1) >> GRANULE {
                let (top, low) = split(granule);
                let Some(slot) = radix.get_mut(top) else { continue };
                let page = slot.get_or_insert_with(|| vec![NONE; 1 << LOW_BITS].into_boxed_slice());
                if let Some(entry) = page.get_mut(low).filter(|e| **e == NONE) {
                    *entry = i as u32;
                }
            }
        }
        Self { segments, maps, radix, other, shift: OnceLock::new() }
    }

    /// All segments, in order of address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The mappings of the process.
    #[must_use]
    pub fn maps(&self) -> &[Mapping] {
        &self.maps
    }

    /// Number and content of the segment that holds an address.
    #[must_use]
    #[inline]
    pub fn locate(&self, addr: u64) -> Option<(usize, usize)> {
        let (top, low) = split(addr >> GRANULE);
        let first = *self.radix.get(top)?.as_ref()?.get(low)? as usize;
        // Nearly always it is the first one.
        let index = match self.segments.get(first) {
            Some(segment) if addr < segment.end() => first,
            Some(_) => {
                let rest = self.segments.get(first..(first + MOST_IN_GRANULE).min(self.segments.len()))?;
                first + rest.partition_point(|s| s.start <= addr).checked_sub(1)?
            }
            None => return None,
        };
        let segment = self.segments.get(index)?;
        let at = addr.checked_sub(segment.start)?;
        (at < segment.bytes.len() as u64).then_some((index, at as usize))
    }

    /// Whether all of a range was in memory, captured or left out.
    #[must_use]
    pub fn holds(&self, addr: u64, len: u64) -> bool {
        let (Some((mut at, _)), Some(end)) = (self.locate(addr), addr.checked_add(len)) else { return false };
        while let Some(segment) = self.segments.get(at) {
            let next = self.segments.get(at + 1).filter(|next| next.mapping == segment.mapping);
            let map_end = || self.maps.get(segment.mapping as usize).map_or(0, |m| m.end);
            let until = match (segment.left_out, next) {
                (false, _) => segment.end(),
                (true, Some(next)) => next.start,
                (true, None) => map_end(),
            };
            if end <= until || !segment.left_out || next.is_none() {
                return end <= until;
            }
            at += 1;
        }
        false
    }

    /// Captured bytes from an address to the end of its segment.
    #[must_use]
    #[inline]
    pub fn tail(&self, addr: u64) -> Option<&[u8]> {
        let (segment, at) = self.locate(addr)?;
        self.segments.get(segment)?.bytes.get(at..)
    }

    /// Captured bytes, where all of them were captured.
    #[must_use]
    #[inline]
    pub fn slice(&self, addr: u64, len: usize) -> Option<&[u8]> {
        self.tail(addr)?.get(..len)
    }

    /// A captured 64-bit word.
    #[must_use]
    #[inline]
    pub fn word(&self, addr: u64) -> Option<u64> {
        self.slice(addr, 8)?.first_chunk().map(|b| u64::from_le_bytes(*b))
    }

    /// A captured 32-bit word.
    #[must_use]
    #[inline]
    pub fn half(&self, addr: u64) -> Option<u32> {
        self.slice(addr, 4)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// A captured byte.
    #[must_use]
    #[inline]
    pub fn byte(&self, addr: u64) -> Option<u8> {
        self.slice(addr, 1)?.first().copied()
    }

    /// Says how much further from its beginning an object's fields lie than the tables say; the first word counts.
    pub(crate) fn shift_fields(&self, shift: u64) {
        let _ = self.shift.set(shift);
    }

    /// How much that is.
    #[inline]
    pub(crate) fn shift(&self) -> u64 {
        self.shift.get().copied().unwrap_or(0)
    }

    /// The 64-bit field of an object, by the offset that the tables have for it. The address may be wild: the sum
    /// wraps, and is not found then.
    #[must_use]
    #[inline]
    pub fn word_at(&self, object: u64, offset: u64) -> Option<u64> {
        self.word_in(object, offset + self.shift())
    }

    /// A 32-bit field, likewise.
    #[must_use]
    #[inline]
    pub fn half_at(&self, object: u64, offset: u64) -> Option<u32> {
        self.half_in(object, offset + self.shift())
    }

    /// A byte, likewise.
    #[must_use]
    #[inline]
    pub fn byte_at(&self, object: u64, offset: u64) -> Option<u8> {
        self.byte_in(object, offset + self.shift())
    }

    /// The 64-bit word of what is no object at an offset from an address that may be wild.
    #[must_use]
    #[inline]
    pub fn word_in(&self, addr: u64, offset: u64) -> Option<u64> {
        self.word(addr.wrapping_add(offset))
    }

    /// A 32-bit word, likewise.
    #[must_use]
    #[inline]
    pub fn half_in(&self, addr: u64, offset: u64) -> Option<u32> {
        self.half(addr.wrapping_add(offset))
    }

    /// A byte, likewise.
    #[must_use]
    #[inline]
    pub fn byte_in(&self, addr: u64, offset: u64) -> Option<u8> {
        self.byte(addr.wrapping_add(offset))
    }

    /// A text that ends with a zero byte, at most `most` bytes of it, from memory or from read-only files.
    #[must_use]
    pub fn c_string(&self, addr: u64, most: usize) -> Option<String> {
        let mut bytes = Vec::new();
        while bytes.len() < most {
            // A read never crosses a page, where the mapping may end.
            let at = addr.wrapping_add(bytes.len() as u64);
            let step = (64 - at % 64) as usize;
            let mut buf = [0u8; 64];
            let buf = buf.get_mut(..step)?;
            self.read(at, buf).ok()?;
            if let Some(end) = buf.iter().position(|b| *b == 0) {
                bytes.extend(buf.get(..end)?);
                return String::from_utf8(bytes).ok();
            }
            bytes.extend_from_slice(buf);
        }
        None
    }

    /// Index of the mapping that holds an address.
    #[must_use]
    pub fn mapping_of(&self, addr: u64) -> Option<usize> {
        let after = self.maps.partition_point(|m| m.start <= addr);
        let index = after.checked_sub(1)?;
        self.maps.get(index).filter(|m| addr < m.end).map(|_| index)
    }

    /// Captured ranges of one mapping.
    pub fn segments_of(&self, range: Range<u64>) -> impl Iterator<Item = &Segment> {
        let first = self.segments.partition_point(|s| s.end() <= range.start);
        self.segments.iter().skip(first).take_while(move |s| s.start < range.end)
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes.len() as u64).sum()
    }
}

impl Memory for Image {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        match self.slice(addr, buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => self.other.read(addr, buf),
        }
    }
}

#[inline]
fn split(granule: u64) -> (usize, usize) {
    ((granule >> LOW_BITS) as usize, (granule & ((1 << LOW_BITS) - 1)) as usize)
}
