//! What the allocators hold beside objects and their buffers: free memory and overhead.

use super::counter::{Counter, pages_of};
use crate::accounting::tree::MemoryTree;
use crate::census::glibc::RegionKind;
use m5_process::page_size;

impl Counter<'_> {
    /// The rest of the small object allocator; `owned` are bytes of its blocks with a known owner.
    pub(super) fn pymalloc(&self, owned: u64) -> MemoryTree {
        let census = &self.analysis.census;
        let stats = &census.pools;
        let resident: u64 = census.arenas.iter().map(|a| self.pages.private(self.arena(a.address))).sum();
        let pool = 1u64 << self.analysis.anchor.layout.pool_bits;
        let free_pools = self.free_pool_bytes(pool);
        let used = stats.used_bytes.min(resident);
        let overhead = stats.overhead_bytes.min(resident - used);
        let free = resident - used - overhead;
        let free_pools = free_pools.min(free);
        let other = used.saturating_sub(owned);
        let listed = self.small_on_free_lists().min(other);
        MemoryTree::sum(
            "pymalloc",
            vec![
                MemoryTree::leaf("pymalloc_other_blocks", other - listed),
                MemoryTree::leaf("pymalloc_free_lists", listed),
                MemoryTree::leaf("pymalloc_free_blocks", free - free_pools),
                MemoryTree::leaf("pymalloc_free_pools", free_pools),
                MemoryTree::leaf("pymalloc_overhead", overhead),
            ],
        )
    }

    /// Bytes in memory of pools without a block in use.
    fn free_pool_bytes(&self, pool: u64) -> u64 {
        let mut bytes = 0;
        for arena in &self.analysis.census.arenas {
            let first = arena.address.next_multiple_of(pool);
            for i in 0..u64::from(arena.pools) {
                let at = first + i * pool;
                if at >= arena.unused || self.image.half(at) == Some(0) {
                    bytes += self.pages.private(at..at + pool);
                }
            }
        }
        bytes
    }

    /// Free blocks of allocators that lie in pages of their own, absent where nobody's books are read, and whether some
    /// books are not.
    pub(super) fn free_of_others(&self) -> (Option<u64>, bool) {
        let (mut sum, mut read, mut unread) = (0, false, false);
        for region in &self.analysis.census.heaps.regions {
            match region.kind {
                RegionKind::Foreign => unread = true,
                RegionKind::Page(_) | RegionKind::Span => {
                    let free = region.chunks.iter().filter(|c| c.free());
                    sum += free.map(|c| self.touched(c.address..c.address + c.usable())).sum::<u64>();
                    read = true;
                }
                RegionKind::Main | RegionKind::Thread | RegionKind::Mapped => {}
            }
        }
        ((read || !unread).then_some(sum), unread)
    }

    /// What is free in the C library's heaps beside whole pages.
    pub(super) fn scattered(&self) -> u64 {
        let page = page_size();
        let beside = |start: u64, end: u64| {
            let whole = (end / page * page).saturating_sub(start.next_multiple_of(page));
            end - start - whole
        };
        let heaps = self.analysis.census.heaps.regions.iter();
        let heaps = heaps.filter(|r| matches!(r.kind, RegionKind::Main | RegionKind::Thread));
        let free = heaps.flat_map(|r| r.chunks.iter().filter(|c| c.free()));
        free.map(|c| beside(c.address, c.address + c.usable())).sum()
    }

    /// The C library's heaps but for what belongs to objects.
    pub(super) fn glibc(&self, owned: u64) -> MemoryTree {
        let (mut used, mut free, mut top, mut mapped, mut all, mut unknown) = (0, 0, 0, 0, 0, 0);
        let mut listed = 0;
        for region in &self.analysis.census.heaps.regions {
            all += self.pages.private(pages_of(region));
            listed += self.on_free_lists(region);
            for chunk in &region.chunks {
                let range = chunk.address - region.kind.header()..chunk.address + chunk.usable();
                match (region.kind, chunk.free()) {
                    (RegionKind::Mapped, _) => mapped += self.pages.private(region.start..region.end),
                    (_, true) => free += self.touched(range),
                    (_, false) => used += self.touched(range),
                }
            }
            if region.kind == RegionKind::Foreign {
                unknown += region.gaps().map(|gap| self.pages.private(gap)).sum::<u64>();
            }
            if let Some((at, size)) = region.top {
                top += self.pages.private(at..at + size);
            }
        }
        let rest = all.saturating_sub(used + free + top + mapped + unknown);
        let blocks = (used + mapped).saturating_sub(owned);
        let listed = listed.min(blocks);
        MemoryTree::sum(
            "native_heap",
            vec![
                MemoryTree::leaf("native_blocks", blocks - listed),
                MemoryTree::leaf("native_free_lists", listed),
                MemoryTree::leaf("native_free", free),
                MemoryTree::leaf("native_top", top),
                MemoryTree::leaf("native_overhead", rest),
                MemoryTree::leaf("native_unknown", unknown),
            ],
        )
    }
}
