//! The small object allocator: arenas, pools, blocks in use and free.

use crate::census::anchor::Anchor;
use crate::graph::dict::word;
use crate::image::Image;
use m5_cpython::layout::objects::Arenas;
use m5_process::{ADDRESS_BITS, LOWEST_ADDRESS};

/// One arena that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arena {
    /// Address.
    pub address: u64,
    /// First pool that was never used.
    pub unused: u64,
    /// Pools without a block in use, the never used ones included.
    pub free_pools: u32,
    /// All its pools.
    pub pools: u32,
}

/// What an allocator's memory consists of; bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Arenas.
    pub arenas: u64,
    /// Bytes of all arenas.
    pub arena_bytes: u64,
    /// Blocks in use.
    pub used_blocks: u64,
    /// Bytes of them.
    pub used_bytes: u64,
    /// Free blocks in pools that hold others in use.
    pub free_blocks: u64,
    /// Bytes of them.
    pub free_bytes: u64,
    /// Pools without any block in use, once used or never.
    pub free_pools: u64,
    /// Pools in use.
    pub used_pools: u64,
    /// Headers and remainders of pools in use, and the misaligned ends of arenas.
    pub overhead_bytes: u64,
    /// Pools whose count of used blocks disagrees with their list of free ones.
    pub bad_pools: u64,
}

impl PoolStats {
    /// Adds another's figures.
    pub fn add(&mut self, other: &Self) {
        self.arenas += other.arenas;
        self.arena_bytes += other.arena_bytes;
        self.used_blocks += other.used_blocks;
        self.used_bytes += other.used_bytes;
        self.free_blocks += other.free_blocks;
        self.free_bytes += other.free_bytes;
        self.free_pools += other.free_pools;
        self.used_pools += other.used_pools;
        self.overhead_bytes += other.overhead_bytes;
        self.bad_pools += other.bad_pools;
    }
}

const POOL_HEADER: u64 = 48;
const ARENA_OBJECT: u64 = 48;
const MOST_ARENAS: u64 = 1 << 22;
const SIZE_CLASSES: u32 = 32;
/// Most blocks of a pool: 16 KiB in blocks of 16 bytes.
const MOST_BLOCKS: usize = 1024;

/// All arenas, in order of address.
pub(crate) fn arenas(image: &Image, anchor: &Anchor) -> Vec<Arena> {
    if anchor.layout.free_threaded {
        return Vec::new();
    }
    // Interpreters that are not the main one may have arenas of their own (3.12 on).
    let listed = anchor.interpreters.iter().filter_map(|interpreter| {
        let (list, count) = listed(image, anchor, *interpreter)?;
        read_list(image, anchor, list, count)
    });
    let mut arenas: Vec<Arena> = listed.flatten().collect();
    if arenas.is_empty() {
        arenas = search(image, anchor).unwrap_or_default();
    }
    arenas.sort_by_key(|a| a.address);
    arenas.dedup_by_key(|a| a.address);
    arenas
}

/// Where the list is and how long, by the layout.
fn listed(image: &Image, anchor: &Anchor, interpreter: u64) -> Option<(u64, u64)> {
    let at = match anchor.layout.arenas {
        Arenas::Symbols => {
            let (list, count) = anchor.arenas?;
            return Some((image.word(list)?, u64::from(image.half(count)?)));
        }
        Arenas::Interpreter(offset) => interpreter.wrapping_add(u64::from(offset)),
        Arenas::Behind(pointer, offset) => {
            let inner = image.word_in(interpreter, u64::from(pointer))?;
            inner.wrapping_add(u64::from(offset))
        }
    };
    Some((image.word(at)?, u64::from(image.half_in(at, 8)?)))
}

/// The list, if every entry of it is one.
fn read_list(image: &Image, anchor: &Anchor, list: u64, count: u64) -> Option<Vec<Arena>> {
    if count == 0 || count > MOST_ARENAS {
        return None;
    }
    let mut arenas = Vec::new();
    for i in 0..count {
        if let Some(arena) = entry(image, anchor, list.wrapping_add(i * ARENA_OBJECT))? {
            arenas.push(arena);
        }
    }
    Some(arenas)
}

/// One entry: none if it is no arena object, `Some(None)` if it has no arena.
fn entry(image: &Image, anchor: &Anchor, at: u64) -> Option<Option<Arena>> {
    let bytes = image.slice(at, ARENA_OBJECT as usize)?;
    let address = word(bytes, 0);
    if address == 0 {
        return Some(None);
    }
    let counts = word(bytes, 16);
    let (free_pools, pools) = (counts as u32, (counts >> 32) as u32);
    let (size, pool) = (1u64 << anchor.layout.arena_bits, 1u64 << anchor.layout.pool_bits);
    let unused = word(bytes, 8);
    let most = size / pool;
    let fits = address.is_multiple_of(4096)
        && address >> ADDRESS_BITS == 0
        && free_pools <= pools
        && (u64::from(pools) == most || u64::from(pools) + 1 == most)
        && (address..=address.checked_add(size)?).contains(&unused)
        && unused.is_multiple_of(pool);
    fits.then_some(Some(Arena { address, unused, free_pools, pools }))
}

/// A stripped build does not name the list: some word of its data points to it.
fn search(image: &Image, anchor: &Anchor) -> Option<Vec<Arena>> {
    let of_file = |i: u32| image.maps().get(i as usize).is_some_and(|m| m.path == anchor.file);
    let is_bss = |i: u32| {
        let map = image.maps().get(i as usize);
        let before = (i as usize).checked_sub(1).and_then(|b| image.maps().get(b));
        map.is_some_and(|m| m.inode == 0) && before.is_some_and(|b| b.path == anchor.file)
    };
    let data = image.segments().iter().filter(|s| of_file(s.mapping) || is_bss(s.mapping));
    let mut best: Option<Vec<Arena>> = None;
    for segment in data {
        for at in (0..segment.bytes.len().saturating_sub(7)).step_by(8) {
            let list = word(&segment.bytes, at);
            if !list.is_multiple_of(16)
                || list < LOWEST_ADDRESS
                || !matches!(entry(image, anchor, list), Some(Some(_)))
            {
                continue;
            }
            let entries =
                (0..MOST_ARENAS).map_while(|i| entry(image, anchor, list.wrapping_add(i * ARENA_OBJECT)));
            let found: Vec<Arena> = entries.flatten().collect();
            if best.as_ref().is_none_or(|b| b.len() < found.len()) {
                best = Some(found);
            }
        }
    }
    best
}

/// Walks one arena and hands out every block in use.
pub(crate) fn walk(
    image: &Image,
    anchor: &Anchor,
    arena: &Arena,
    mut block: impl FnMut(u64, &[u8]),
) -> PoolStats {
    let pool_size = 1u64 << anchor.layout.pool_bits;
    let arena_size = 1u64 << anchor.layout.arena_bits;
    let mut stats = PoolStats { arenas: 1, arena_bytes: arena_size, ..PoolStats::default() };
    let first = arena.address.next_multiple_of(pool_size);
    let end = first + u64::from(arena.pools) * pool_size;
    stats.overhead_bytes += arena_size - u64::from(arena.pools) * pool_size;
    stats.free_pools += end.saturating_sub(arena.unused.max(first)) / pool_size;
    let mut pool = first;
    while pool < arena.unused.min(end) {
        match image.slice(pool, pool_size as usize) {
            Some(bytes) => one_pool(pool, bytes, &mut stats, &mut block),
            // The newest pool: pages that were never touched are not in the image.
            None => match image.tail(pool).filter(|touched| touched.len() >= POOL_HEADER as usize) {
                Some(touched) => {
                    let mut whole = touched.to_vec();
                    whole.resize(pool_size as usize, 0);
                    one_pool(pool, &whole, &mut stats, &mut block);
                }
                None => stats.free_pools += 1,
            },
        }
        pool += pool_size;
    }
    stats
}

fn one_pool(pool: u64, bytes: &[u8], stats: &mut PoolStats, block: &mut impl FnMut(u64, &[u8])) {
    let used = word(bytes, 0) as u32;
    let (class, next) = ((word(bytes, 32) >> 32) as u32, word(bytes, 40) as u32);
    if used == 0 || class >= SIZE_CLASSES {
        stats.free_pools += 1;
        stats.bad_pools += u64::from(used != 0);
        return;
    }
    let size = u64::from(class + 1) * 16;
    let capacity = (bytes.len() as u64 - POOL_HEADER) / size;
    let carved = (u64::from(next).saturating_sub(POOL_HEADER) / size).min(capacity);
    let mut free = [false; MOST_BLOCKS];
    let mut free_count = 0;
    let mut at = word(bytes, 8);
    while at != 0 && free_count <= carved {
        let Some(offset) = at.checked_sub(pool + POOL_HEADER).filter(|o| o % size == 0) else { break };
        let Some(slot) = free.get_mut((offset / size) as usize).filter(|f| !**f) else { break };
        *slot = true;
        free_count += 1;
        at = word(bytes, (offset + POOL_HEADER) as usize);
    }
    let in_use = carved.saturating_sub(free_count);
    stats.used_pools += 1;
    stats.bad_pools += u64::from(in_use != u64::from(used));
    stats.used_blocks += in_use;
    stats.used_bytes += in_use * size;
    stats.free_blocks += capacity - in_use;
    stats.free_bytes += (capacity - in_use) * size;
    stats.overhead_bytes += bytes.len() as u64 - capacity * size;
    for i in (0..carved).filter(|i| !free.get(*i as usize).copied().unwrap_or(false)) {
        let from = (POOL_HEADER + i * size) as usize;
        if let Some(bytes) = bytes.get(from..from + size as usize) {
            block(pool + from as u64, bytes);
        }
    }
}
