//! Captured bytes that are held compressed and unpacked where they are looked at.
//!
//! Heaps are the most regular memory there is: the same headers, types and high halves of addresses again and again. LZ4
//! makes a fifth of them, faster than they are read. What is looked at lies unpacked in a small cache; everything else
//! looks as if it did, too: the kernel asks for a page when somebody touches it (userfaultfd). Where it does not let us, the
//! bytes are held as they are.

mod assembly;
mod blocks;
mod region;

pub(crate) use assembly::Assembly;
pub(crate) use blocks::packed_len;

use crate::image::huge;
use blocks::{BLOCK, Blocks};
use m5_process::{run_when_idle, spare_processor, spooling};
use region::Region;
use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Smaller images are held as they are: nobody misses that memory, and they are looked at faster.
static LEAST: AtomicU64 = AtomicU64::new(128 << 20);
/// The cache of unpacked blocks, as a part of the image and at the least.
const CACHE: u64 = 16;
const LEAST_CACHE: u64 = 16 << 20;
/// Segments from this size on are compressed.
const SMALLEST: usize = 1 << 20;

/// Bytes of captured memory.
pub enum Bytes {
    /// As they are.
    Held(Vec<u8>),
    /// Compressed.
    Packed(Packed),
}

/// Bytes of captured memory that are unpacked where they are looked at.
pub struct Packed {
    region: Arc<Region>,
    within: Range<usize>,
}

impl Bytes {
    /// The bytes, where they may still be changed; none where they are packed.
    pub(crate) fn held_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Held(bytes) => bytes,
            Self::Packed(_) => &mut [],
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Held(bytes) => bytes,
            Self::Packed(packed) => packed.region.bytes(&packed.within),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Held(bytes)
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl Debug for Bytes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Held(_)) { "held" } else { "packed" };
        write!(out, "{} bytes, {kind}", self.len())
    }
}

/// Images from so many bytes on are held compressed from now on, where the kernel lets us: for those who compare both.
pub fn pack_images_from(bytes: u64) {
    LEAST.store(bytes, Ordering::Relaxed);
}

/// Bytes of unpacked blocks that an image of so many is looked at through; `None` where an image of that size is held
/// as it is.
pub(crate) fn cache(bytes: u64) -> Option<u64> {
    if spooling() { None } else { cache_of_held(bytes) }
}

/// The same for what is in memory already, whether or not what is made of it lies in a file.
fn cache_of_held(bytes: u64) -> Option<u64> {
    let packs = bytes >= LEAST.load(Ordering::Relaxed) && region::possible();
    packs.then(|| (bytes / CACHE).max(LEAST_CACHE))
}

/// Compresses what is captured.
pub(crate) struct Packer {
    region: Arc<Region>,
    blocks: Arc<Mutex<Blocks>>,
    /// The block that comes next.
    next: usize,
}

impl Packer {
    /// For so many bytes, which may come in this many pieces with gaps between them; `None` where they are to be held
    /// as they are.
    pub(crate) fn new(bytes: u64, pieces: usize) -> Option<Self> {
        Self::with_cache(bytes, pieces, cache(bytes)?)
    }

    /// The same for bytes that are in memory already.
    pub(crate) fn of_held(bytes: u64, pieces: usize) -> Option<Self> {
        Self::with_cache(bytes, pieces, cache_of_held(bytes)?)
    }

    fn with_cache(bytes: u64, pieces: usize, cache: u64) -> Option<Self> {
        // A segment ends with a block that may be nearly empty, and segments of a piece are no smaller than this.
        let blocks = bytes as usize / BLOCK + bytes as usize / SMALLEST + 2 * pieces + 1;
        let blocks_at_hand = cache as usize / BLOCK;
        let shared = Arc::new(Mutex::new(Blocks::default()));
        let (source, politely) = (Arc::clone(&shared), spare_processor());
        let region = Region::new(blocks, blocks_at_hand, move || {
            // As the analysis, which waits for it: on time that nobody wants.
            if politely {
                run_when_idle();
            }
            move |block: usize, bytes: &mut [u8]| lock(&source).unpack(block, bytes)
        });
        match region {
            Ok(region) => Some(Self { region: Arc::new(region), blocks: shared, next: 0 }),
            Err(error) => {
                tracing::debug!(%error, "the image is held as it is");
                None
            }
        }
    }

    /// Whether so many bytes more have room.
    fn fits(&self, bytes: usize) -> bool {
        self.next + bytes.div_ceil(BLOCK) <= self.region.blocks()
    }

    /// Compresses bytes: whole blocks of them, but for the last of a segment.
    fn push(&mut self, bytes: &[u8]) {
        let mut blocks = lock(&self.blocks);
        for block in bytes.chunks(BLOCK) {
            blocks.push(block);
            self.next += 1;
        }
    }

    /// What was pushed since block `first`, which are so many bytes.
    fn segment(&self, first: usize, len: usize) -> Bytes {
        Bytes::Packed(Packed { region: Arc::clone(&self.region), within: first * BLOCK..first * BLOCK + len })
    }

    /// Compresses what was held.
    pub(crate) fn pack(&mut self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() < SMALLEST || !self.fits(bytes.len()) {
            return Bytes::Held(bytes);
        }
        let (first, len, mut bytes) = (self.next, bytes.len(), bytes);
        for part in bytes.chunks_mut(SMALLEST) {
            self.push(part);
            huge::give_back(part);
        }
        self.segment(first, len)
    }

    /// Bytes that the compressed ones take.
    pub(crate) fn held(&self) -> u64 {
        lock(&self.blocks).held()
    }
}

fn lock(blocks: &Mutex<Blocks>) -> MutexGuard<'_, Blocks> {
    blocks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regular, irregular and empty stretches.
    fn heap(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..len).map(|i| if i / 300_000 % 3 == 0 { next() } else { (i / 48 * 7 % 11) as u8 }).collect()
    }

    #[test]
    fn what_was_packed_is_what_is_read_by_many_at_once() {
        let bytes = heap(9 << 20);
        let parts: Vec<&[u8]> = bytes.chunks((3 << 20) + 4096).collect();
        // Far fewer blocks at hand than are looked at.
        let Some(mut packer) = Packer::with_cache(bytes.len() as u64, parts.len(), LEAST_CACHE / 16) else {
            println!("left out: this kernel does not let us fill pages");
            return;
        };
        let packed: Vec<Bytes> = parts.iter().map(|part| packer.pack(part.to_vec())).collect();
        assert!(packed.iter().all(|p| matches!(p, Bytes::Packed(_))));
        assert!(packer.held() < bytes.len() as u64);
        drop(packer);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (packed, parts) = (&packed, &parts);
                scope.spawn(move || {
                    let mut state = thread + 1;
                    for round in 0..4000 {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(thread);
                        let part = (state >> 60) as usize % parts.len();
                        let at = (state >> 20) as usize % (parts[part].len() - 300);
                        assert_eq!(packed[part][at..at + 300], parts[part][at..at + 300], "round {round}");
                    }
                });
            }
        });
        for (packed, part) in packed.iter().zip(&parts) {
            assert!(**packed == **part);
        }
    }

    #[test]
    fn what_is_small_or_has_no_room_is_held() {
        let Some(mut packer) = Packer::with_cache(4 << 20, 1, LEAST_CACHE) else { return };
        assert!(matches!(packer.pack(vec![1; SMALLEST - 1]), Bytes::Held(_)));
        assert!(matches!(packer.pack(vec![1; 64 << 20]), Bytes::Held(_)));
        assert!(matches!(packer.pack(vec![1; SMALLEST]), Bytes::Packed(_)));
        assert_eq!(cache(LEAST.load(Ordering::Relaxed) - 1), None);
    }
}
