//! Memory blocks that belong to objects of unknown extension types and to the state of modules.
//!
//! Only the first word that points to the very beginning of a block claims it, so that no block is read as
//! part of two objects.

use crate::anchor::Anchor;
use crate::census::Census;
use crate::census::glibc::Chunk;
use crate::census::kind::Kind;
use crate::dict::word;
use crate::edges::Claims;
use crate::image::Image;
use rustc_hash::FxHashSet;

/// Larger blocks are numbers, not references.
const LARGEST: u64 = 16 << 20;

/// Assigns blocks to objects.
pub(crate) fn assign(image: &Image, anchor: &Anchor, census: &Census) -> Claims {
    let mut claims = Claims::default();
    let mut taken: FxHashSet<u64> = FxHashSet::default();
    for object in 0..census.len() as u32 {
        let Some(desc) = census.desc(object) else { continue };
        // A Python class adds no pointers to blocks; a module keeps the state of its library.
        if desc.kind != Kind::Plain || desc.exact && desc.name != "module" {
            continue;
        }
        let at = census.address.get(object as usize).copied().unwrap_or(0);
        let fields = image.slice(at, desc.basic_size as usize).unwrap_or(&[]);
        for offset in (16..fields.len().saturating_sub(7)).step_by(8) {
            let pointer = word(fields, offset);
            if pointer < 4096 || pointer % 8 != 0 || taken.contains(&pointer) {
                continue;
            }
            let Some(bytes) = block(image, anchor, census, pointer).filter(|b| *b <= LARGEST) else {
                continue;
            };
            let is_object = [0, 16, 32].iter().any(|o| census.index.get(image, pointer + o).is_some());
            if !is_object && taken.insert(pointer) {
                claims.entry(object).or_default().push((pointer, bytes));
            }
        }
    }
    claims
}

/// Bytes of the block that begins exactly here.
fn block(image: &Image, anchor: &Anchor, census: &Census, at: u64) -> Option<u64> {
    pool_block(image, anchor, census, at).or_else(|| chunk(census, at).map(|c| c.usable()))
}

fn pool_block(image: &Image, anchor: &Anchor, census: &Census, at: u64) -> Option<u64> {
    const HEADER: u64 = 48;
    let arena = census.arenas.get(census.arenas.partition_point(|a| a.address <= at).checked_sub(1)?)?;
    if at >= arena.address + (1 << anchor.layout.arena_bits) {
        return None;
    }
    let pool = at & !((1u64 << anchor.layout.pool_bits) - 1);
    let class = image.half(pool + 36)?;
    let size = u64::from(class.min(31) + 1) * 16;
    let offset = at.checked_sub(pool + HEADER)?;
    (image.half(pool)? != 0 && offset % size == 0).then_some(size)
}

fn chunk(census: &Census, at: u64) -> Option<Chunk> {
    let regions = &census.heaps.regions;
    let region = regions.get(regions.partition_point(|r| r.start <= at).checked_sub(1)?)?;
    let index = region.chunks.binary_search_by_key(&at, |c| c.address).ok()?;
    region.chunks.get(index).copied().filter(|c| !c.free())
}
