//! Memory on the interpreter's own free lists: objects that were freed and that it keeps to hand out again. For its
//! allocator their blocks are in use.

use super::counter::Counter;
use crate::census::count;
use crate::census::glibc::{Holds, Region, RegionKind};
use crate::census::sizes;
use crate::graph::native::buffers;
use m5_process::LOWEST_ADDRESS;
use rayon::prelude::*;

/// What the collector puts before an object.
const COLLECTOR_HEAD: u64 = 16;

impl Counter<'_> {
    /// Bytes of small blocks on free lists.
    pub(super) fn small_on_free_lists(&self) -> u64 {
        const BATCH: usize = 1 << 14;
        let census = &self.analysis.census;
        let listed =
            |at: &u64| self.listed_object(*at, census.small.block(self.image, *at)?).map(|b| (*at, b));
        let found: Vec<(u64, u64)> =
            census.loose.par_chunks(BATCH).flat_map_iter(|c| c.iter().filter_map(listed)).collect();
        // The buffer of an object is counted with it, whatever stands in it.
        let blocks = found.iter().map(|(at, _)| *at).collect();
        let buffers = buffers::among(&self.analysis.walker(self.image), &blocks);
        found.iter().filter(|(at, _)| !buffers.contains(at)).map(|(_, bytes)| bytes).sum()
    }

    /// The same of the blocks in one of the other heaps.
    pub(super) fn on_free_lists(&self, region: &Region) -> u64 {
        let buffers = &self.analysis.native.buffers;
        let used = region.chunks.iter().filter(|c| !c.free());
        let listed = used.filter(|chunk| match region.kind {
            RegionKind::Page(_) => self.spared_there(region.kind, chunk.address),
            RegionKind::Main | RegionKind::Thread => {
                self.listed_object(chunk.address, chunk.usable()).is_some()
                    && !buffers.contains(&chunk.address)
            }
            RegionKind::Mapped | RegionKind::Span | RegionKind::Foreign => false,
        });
        listed
            .map(|chunk| self.touched(chunk.address - region.kind.header()..chunk.address + chunk.usable()))
            .sum()
    }

    /// The bytes of a block that holds a freed object of about its size: what shrinks by less than a quarter stays in its block.
    fn listed_object(&self, block: u64, bytes: u64) -> Option<u64> {
        const ROUNDED: u64 = 16;
        let room = bytes / 4 + ROUNDED;
        if !self.spared(block) {
            return None;
        }
        let own =
            if self.image.word(block.wrapping_add(8)) == Some(0) { block + COLLECTOR_HEAD } else { block };
        let census = &self.analysis.census;
        let desc = census.types.get(census.types.number(self.image.word_at(own, 8)?)?)?;
        let size = sizes::inline(self.image, self.analysis.anchor.layout, own, desc)? + desc.prefix;
        (size <= bytes && bytes - size <= room).then_some(bytes)
    }

    /// Whether a block was an object and is kept to be one again: the interpreter keeps some of each size, and no more. From
    /// 3.14 on the count of such a one is the address of the next that is kept.
    pub(super) fn spared(&self, block: u64) -> bool {
        let word = |at: u64| self.image.word(at).unwrap_or(u64::MAX);
        let type_of = |at: u64| self.analysis.census.types.number(word(at.wrapping_add(8)));
        let next =
            |at: u64| Some(word(at)).filter(|next| *next >= LOWEST_ADDRESS && type_of(*next).is_some());
        let last = |at: u64| word(at) == 0 && type_of(at).is_some();
        let listed =
            |at: u64| next(at).is_some_and(|n| type_of(n) == type_of(at) && (last(n) || next(n).is_some()));
        let dead = |at: u64| last(at) || listed(at);
        dead(block) || (word(block) == 0 && word(block + 8) == 0 && dead(block + COLLECTOR_HEAD))
    }

    /// The same of a build without the GIL, whose pages say what their blocks are for.
    pub(super) fn spared_there(&self, kind: RegionKind, block: u64) -> bool {
        let own = match kind {
            RegionKind::Page(Holds::Plain | Holds::Collected) => block,
            RegionKind::Page(Holds::Managed) => block + COLLECTOR_HEAD,
            _ => return false,
        };
        let typed =
            self.image.word_at(own, 8).is_some_and(|t| self.analysis.census.types.number(t).is_some());
        typed && !count::living(self.image, own)
    }
}
