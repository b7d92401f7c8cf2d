//! What the allocators hold beside objects and their buffers: free memory and overhead.

use super::counter::{Counter, pages_of};
use crate::accounting::tree::MemoryTree;
use crate::census::glibc::RegionKind;

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
        MemoryTree::sum(
            "pymalloc",
            vec![
                MemoryTree::leaf("pymalloc_other_blocks", used.saturating_sub(owned)),
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

    /// Free blocks of allocators that lie in pages of their own.
    pub(super) fn free_of_others(&self) -> Option<u64> {
        let mut sum = 0;
        for region in &self.analysis.census.heaps.regions {
            match region.kind {
                RegionKind::Foreign => return None,
                RegionKind::Page(_) | RegionKind::Span => {
                    let free = region.chunks.iter().filter(|c| c.free());
                    sum += free.map(|c| self.touched(c.address..c.address + c.usable())).sum::<u64>();
                }
                RegionKind::Main | RegionKind::Thread | RegionKind::Mapped => {}
            }
        }
        Some(sum)
    }

    /// The C library's heaps but for what belongs to objects.
    pub(super) fn glibc(&self, owned: u64) -> MemoryTree {
        let (mut used, mut free, mut top, mut mapped, mut all, mut unknown) = (0, 0, 0, 0, 0, 0);
        for region in &self.analysis.census.heaps.regions {
            all += self.pages.private(pages_of(region));
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
        MemoryTree::sum(
            "native_heap",
            vec![
                MemoryTree::leaf("native_blocks", (used + mapped).saturating_sub(owned)),
                MemoryTree::leaf("native_free", free),
                MemoryTree::leaf("native_top", top),
                MemoryTree::leaf("native_overhead", rest),
                MemoryTree::leaf("native_unknown", unknown),
            ],
        )
    }
}
