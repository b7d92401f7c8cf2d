//! Chunks that look as if they were in use and are not: those in the caches of threads and in fast bins.

use super::{Chunk, Region, RegionKind, SIZE_BITS, TOP_BEHIND_FAST};
use crate::graph::dict::word;
use crate::image::Image;
use rustc_hash::FxHashSet;

/// A thread's cache: its usable size, its bins, and whether it counts entries (else free slots, from 2.42 on).
const TCACHES: [(u64, usize, bool); 2] = [(0x290 - 8, 64, true), (0x300 - 8, 76, false)];

/// Marks them as free.
pub(super) fn free(image: &Image, regions: &mut [Region]) {
    let mut freed: FxHashSet<u64> = FxHashSet::default();
    for region in regions.iter().filter(|r| matches!(r.kind, RegionKind::Main | RegionKind::Thread)) {
        for chunk in region.chunks.iter().filter(|c| !c.free()) {
            for (_, bins, counts) in TCACHES.iter().filter(|t| t.0 == chunk.usable()) {
                tcache(image, chunk.address, *bins, *counts, &mut freed);
            }
        }
        if region.kind == RegionKind::Thread
            && let Some(arena) = image.word(region.start).filter(|a| *a < region.start + 64)
        {
            fast_bins(image, arena, &mut freed);
        }
    }
    if let Some(arena) = main_arena(image, regions) {
        fast_bins(image, arena, &mut freed);
    }
    for chunk in regions.iter_mut().flat_map(|r| &mut r.chunks) {
        if freed.contains(&chunk.address) {
            *chunk = Chunk::new(chunk.address, chunk.usable(), true);
        }
    }
}

/// The arena whose top chunk is that of the main heap lies in the C library's data.
fn main_arena(image: &Image, regions: &[Region]) -> Option<u64> {
    let (top, _) = regions.iter().find(|r| r.kind == RegionKind::Main)?.top?;
    let libc = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with("libc.so") || name.starts_with("libc-")
    };
    let data = image
        .segments()
        .iter()
        .filter(|s| image.maps().get(s.mapping as usize).is_some_and(|m| m.writable && libc(&m.path)));
    for segment in data {
        let words = segment.bytes.as_chunks::<8>().0;
        if let Some(i) = words.iter().position(|w| u64::from_le_bytes(*w) == top) {
            return (segment.start + i as u64 * 8).checked_sub(TOP_BEHIND_FAST);
        }
    }
    None
}

/// Counts and heads of lists; the first 64 are for one size each, the others for ranges of sizes.
fn tcache(image: &Image, at: u64, bins: usize, counts: bool, freed: &mut FxHashSet<u64>) {
    const SINGLE: usize = 64;
    const MOST: u16 = 127;
    let Some(bytes) = image.slice(at, bins * 10) else { return };
    let count = |i: usize| (word(bytes, i / 4 * 8) >> (i % 4 * 16)) as u16;
    let head = |i: usize| word(bytes, bins * 2 + i * 8);
    let is_chunk = |at: u64| at == 0 || at.is_multiple_of(16) && image.word(at.wrapping_sub(8)).is_some();
    let odd = |i: usize| count(i) > MOST || counts && (count(i) > 0) != (head(i) != 0) || !is_chunk(head(i));
    if (0..bins).any(odd) {
        return;
    }
    for i in 0..bins.min(SINGLE) {
        let size = 32 + i as u64 * 16;
        let most = if counts { count(i) } else { MOST };
        list(image, head(i), u32::from(most), size, 0, freed);
    }
}

/// Ten lists of chunks that end with null. Where the C library has none, what lies there leads to no chunks of the sizes.
fn fast_bins(image: &Image, arena: u64, freed: &mut FxHashSet<u64>) {
    const MOST: u32 = 1 << 24;
    for i in 0..10 {
        let head = image.word(arena + 16 + i * 8).unwrap_or(0);
        if head != 0 {
            list(image, head.wrapping_add(16), MOST, 32 + i * 16, 16, freed);
        }
    }
}

/// A singly linked list of free chunks by the address of the caller's memory. From glibc 2.32 on links are
/// mixed with their own address; a link that leads to no chunk of the size is read the other way.
fn list(image: &Image, head: u64, most: u32, size: u64, offset: u64, freed: &mut FxHashSet<u64>) {
    let is_chunk = |at: u64| {
        at.is_multiple_of(16) && image.word(at.wrapping_sub(8)).is_some_and(|s| s & SIZE_BITS == size)
    };
    let mut at = head;
    for _ in 0..most {
        if !is_chunk(at) || !freed.insert(at) {
            return;
        }
        let raw = image.word(at).unwrap_or(0);
        let mixed = raw ^ (at >> 12);
        let next = if mixed == 0 || raw == 0 {
            return;
        } else if is_chunk(mixed.wrapping_add(offset)) {
            mixed
        } else {
            raw
        };
        at = next.wrapping_add(offset);
    }
}
