//! From the beginning of a memory block to its size, whichever allocator it is from.

use crate::census::Census;
use crate::census::glibc::{Chunk, RegionKind};
use crate::image::Image;

/// Usable bytes of the block that begins exactly here.
pub(crate) fn block(image: &Image, census: &Census, at: u64) -> Option<u64> {
    census.small.block(image, at).or_else(|| chunk(census, at).map(|(c, _)| c.usable()))
}

/// Whether an object lies in the block of `size` bytes that begins here, behind the words that its type wants before it.
/// What lies behind the end of a small block is another one's.
pub(crate) fn holds_object(image: &Image, census: &Census, at: u64, size: u64) -> bool {
    const LEAST: u64 = 16;
    [0, 16, 32].iter().any(|o| o + LEAST <= size && census.index.get(image, at.wrapping_add(*o)).is_some())
}

/// Beginning of the block in use that holds an address.
pub(crate) fn enclosing(image: &Image, census: &Census, at: u64) -> Option<u64> {
    if census.small.holds(at) {
        return census.small.around(image, at).map(|(start, _)| start);
    }
    let regions = &census.heaps.regions;
    let region = regions.get(regions.partition_point(|r| r.start <= at).checked_sub(1)?)?;
    let index = region.chunks.partition_point(|c| c.address <= at).checked_sub(1)?;
    let chunk = region.chunks.get(index).filter(|c| !c.free() && at < c.address + c.usable())?;
    Some(chunk.address)
}

/// The chunk in use that begins exactly here, and what kind of region it lies in.
pub(crate) fn chunk(census: &Census, at: u64) -> Option<(Chunk, RegionKind)> {
    let regions = &census.heaps.regions;
    let region = regions.get(regions.partition_point(|r| r.start <= at).checked_sub(1)?)?;
    let index = region.chunks.binary_search_by_key(&at, |c| c.address).ok()?;
    let chunk = region.chunks.get(index).copied().filter(|c| !c.free())?;
    Some((chunk, region.kind))
}
