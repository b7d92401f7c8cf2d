//! Where every byte of RSS went, and what keeps free memory from going back.

use crate::analysis::Analysis;
use crate::blocks;
use crate::census::glibc::{Region, RegionKind};
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::image::Image;
use crate::pages::Pages;
use crate::tree::MemoryTree;
use m5_cpython::layout::objects::{Managed, type_fields};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// A type whose few objects keep arenas that are mostly free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinning {
    /// Module-qualified name of the type.
    pub type_name: String,
    /// Its objects in such arenas.
    pub objects: u64,
    /// Arenas with at least one of them.
    pub arenas: u64,
}

/// RSS accounted for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Accounting {
    /// The parts; the whole is RSS.
    pub tree: MemoryTree,
    /// Share of RSS that has a name.
    pub explained: Option<f64>,
    /// Arenas of the small object allocator that are less than a quarter full.
    pub sparse_arenas: u64,
    /// Free bytes in them that cannot go back to the system.
    pub pinned_bytes: u64,
    /// What keeps them, most objects first.
    pub pinning: Vec<Pinning>,
}

/// An arena with a smaller share of used bytes is sparse.
const SPARSE: f64 = 0.25;
/// Types that are listed by name; the others are summed.
const LISTED: usize = 30;

impl Accounting {
    /// Accounts for the pages of a capture.
    #[must_use]
    pub fn of(image: &Image, analysis: &Analysis, pages: &Pages) -> Self {
        let counter = Counter { image, analysis, pages };
        let mut accounting = Self::default();
        counter.sparse(&mut accounting);
        let parts = counter.parts();
        let named: u64 = parts.iter().map(|p| p.bytes).sum();
        let rss = pages.rss_bytes.unwrap_or(named);
        let mut tree = MemoryTree::sum("rss", parts);
        if rss > named {
            tree.children.push(MemoryTree::leaf("unexplained", rss - named));
        }
        tree.bytes = rss.max(named);
        // Memory that came or went between the capture and the reading of RSS counts against us both ways.
        let unnamed = tree.at(&["other_anonymous"]).map_or(0, |t| t.bytes) + rss.abs_diff(named);
        accounting.explained = (rss > 0).then(|| 1.0 - unnamed as f64 / rss as f64);
        accounting.tree = tree;
        accounting
    }
}

struct Counter<'a> {
    image: &'a Image,
    analysis: &'a Analysis,
    pages: &'a Pages,
}

/// Bytes of the blocks of objects by type, and of the buffers that they own by kind.
#[derive(Default, Clone)]
struct Owned {
    small: Vec<u64>,
    large: Vec<u64>,
    small_buffers: BTreeMap<&'static str, u64>,
    large_buffers: BTreeMap<&'static str, u64>,
}

impl Owned {
    fn new(types: usize) -> Self {
        Self { small: vec![0; types], large: vec![0; types], ..Self::default() }
    }

    fn merge(mut self, other: Self) -> Self {
        self.small.iter_mut().zip(other.small).for_each(|(a, b)| *a += b);
        self.large.iter_mut().zip(other.large).for_each(|(a, b)| *a += b);
        for (name, bytes) in other.small_buffers {
            *self.small_buffers.entry(name).or_default() += bytes;
        }
        for (name, bytes) in other.large_buffers {
            *self.large_buffers.entry(name).or_default() += bytes;
        }
        self
    }
}

impl Counter<'_> {
    fn parts(&self) -> Vec<MemoryTree> {
        let owned = self.owned();
        let census = &self.analysis.census;
        let mut parts = vec![self.objects(&owned), self.buffers(&owned)];
        let small: u64 = owned.small.iter().chain(owned.small_buffers.values()).sum();
        let large: u64 = owned.large.iter().chain(owned.large_buffers.values()).sum();
        parts.push(self.pymalloc(small));
        parts.push(self.glibc(large));
        parts.extend(self.files());
        let mut left: u64 = self.image.maps().iter().map(|m| self.anonymous(m)).sum();
        left = left
            .saturating_sub(census.arenas.iter().map(|a| self.pages.private(self.arena(a.address))).sum());
        left =
            left.saturating_sub(census.heaps.regions.iter().map(|r| self.pages.private(pages_of(r))).sum());
        let stacks = self.stacks();
        left = left.saturating_sub(stacks.bytes);
        parts.push(stacks);
        parts.push(MemoryTree::leaf("other_anonymous", left));
        parts.retain(|p| p.bytes > 0);
        parts
    }

    /// Private bytes in memory of a mapping without a file.
    fn anonymous(&self, map: &m5_target::Mapping) -> u64 {
        if map.inode == 0 { self.pages.private(map.start..map.end) } else { 0 }
    }

    fn arena(&self, address: u64) -> Range<u64> {
        address..address + (1 << self.analysis.anchor.layout.arena_bits)
    }

    fn owned(&self) -> Owned {
        const BATCH: usize = 1 << 15;
        let census = &self.analysis.census;
        let types = census.types.descs.len();
        let starts: Vec<usize> = (0..census.len()).step_by(BATCH).collect();
        starts
            .par_iter()
            .map(|start| {
                let mut owned = Owned::new(types);
                for object in *start..(*start + BATCH).min(census.len()) {
                    self.add(object as u32, &mut owned);
                }
                owned
            })
            .reduce(|| Owned::new(types), Owned::merge)
    }

    fn add(&self, object: u32, owned: &mut Owned) {
        let census = &self.analysis.census;
        let (Some(at), Some(number)) =
            (census.address.get(object as usize).copied(), census.type_of.get(object as usize).copied())
        else {
            return;
        };
        let Some(desc) = census.types.get(number) else { return };
        if let Some((bytes, small)) = self.block(at.wrapping_sub(desc.prefix)) {
            let sums = if small { &mut owned.small } else { &mut owned.large };
            if let Some(sum) = sums.get_mut(number as usize) {
                *sum += bytes;
            }
        }
        if let Some(bytes) = self.values(at, desc) {
            *owned.small_buffers.entry("instance_values").or_default() += bytes;
        }
        let (name, pointer) = match desc.kind {
            Kind::List => ("list_items", 24),
            Kind::Dict | Kind::OrderedDict => ("dict_tables", 32),
            Kind::Set => ("set_tables", 40),
            Kind::ByteArray => ("bytearray_data", 32),
            Kind::NdArray => ("array_data", 16),
            _ => return,
        };
        let Some(buffer) = self.image.word(at + pointer) else { return };
        if desc.kind == Kind::NdArray && self.image.half(at + 64).is_none_or(|f| f & 4 == 0) {
            return;
        }
        if let Some((bytes, small)) = self.block(buffer) {
            let sums = if small { &mut owned.small_buffers } else { &mut owned.large_buffers };
            *sums.entry(name).or_default() += bytes;
        }
    }

    /// The block with attributes beside an instance (3.11 and 3.12); its size lies before the first value.
    fn values(&self, at: u64, desc: &TypeDesc) -> Option<u64> {
        if desc.flags & type_fields::MANAGED_DICT == 0 {
            return None;
        }
        let first = match self.analysis.anchor.layout.managed {
            Managed::ValuesAndDict => self.image.word(at.wrapping_sub(32))?,
            Managed::Tagged => self.image.word(at.wrapping_sub(24)).filter(|w| w & 1 != 0)? + 1,
            _ => return None,
        };
        let before = u64::from(self.image.byte(first.checked_sub(1)?)?);
        self.analysis.census.small.block(self.image, first.checked_sub(before)?)
    }

    /// Bytes in memory of the block that begins here, its header included, and whether it is a small one.
    fn block(&self, at: u64) -> Option<(u64, bool)> {
        let census = &self.analysis.census;
        if let Some(bytes) = census.small.block(self.image, at) {
            return Some((bytes, true));
        }
        let (chunk, mapped) = blocks::chunk(census, at)?;
        if mapped {
            return Some((self.pages.private(at - 16..at + chunk.usable()), false));
        }
        Some((self.touched(at - 8..at + chunk.usable()), false))
    }

    /// Bytes in memory of a range: only large ones can have pages that never were.
    fn touched(&self, range: Range<u64>) -> u64 {
        if range.end - range.start < 4096 { range.end - range.start } else { self.pages.private(range) }
    }

    fn objects(&self, owned: &Owned) -> MemoryTree {
        let census = &self.analysis.census;
        let sums = owned.small.iter().zip(&owned.large).map(|(a, b)| a + b);
        let mut by_type: Vec<(u64, &str)> =
            sums.zip(&census.types.descs).map(|(bytes, d)| (bytes, d.name.as_str())).collect();
        by_type.retain(|(bytes, _)| *bytes > 0);
        by_type.sort_unstable_by(|a, b| b.cmp(a));
        let rest: u64 = by_type.iter().skip(LISTED).map(|(bytes, _)| bytes).sum();
        let mut children: Vec<MemoryTree> =
            by_type.iter().take(LISTED).map(|(bytes, name)| MemoryTree::leaf(*name, *bytes)).collect();
        if rest > 0 {
            children.push(MemoryTree::leaf("other_types", rest));
        }
        MemoryTree::sum("python_objects", children)
    }

    fn buffers(&self, owned: &Owned) -> MemoryTree {
        let mut sums = owned.small_buffers.clone();
        for (name, bytes) in &owned.large_buffers {
            *sums.entry(name).or_default() += bytes;
        }
        let leaves = sums.into_iter().map(|(name, bytes)| MemoryTree::leaf(name, bytes)).collect();
        MemoryTree::sum("python_buffers", leaves)
    }

    /// The rest of the small object allocator; `owned` are bytes of its blocks with a known owner.
    fn pymalloc(&self, owned: u64) -> MemoryTree {
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

    /// The C library's heaps but for what belongs to objects.
    fn glibc(&self, owned: u64) -> MemoryTree {
        let (mut used, mut free, mut top, mut mapped, mut all) = (0, 0, 0, 0, 0);
        for region in &self.analysis.census.heaps.regions {
            all += self.pages.private(pages_of(region));
            for chunk in &region.chunks {
                let range = chunk.address - 8..chunk.address + chunk.usable();
                match (region.kind, chunk.free()) {
                    (RegionKind::Mapped, _) => mapped += self.pages.private(region.start..region.end),
                    (_, true) => free += self.touched(range),
                    (_, false) => used += self.touched(range),
                }
            }
            if let Some((at, size)) = region.top {
                top += self.pages.private(at..at + size);
            }
        }
        let rest = all.saturating_sub(used + free + top + mapped);
        MemoryTree::sum(
            "native_heap",
            vec![
                MemoryTree::leaf("native_blocks", (used + mapped).saturating_sub(owned)),
                MemoryTree::leaf("native_free", free),
                MemoryTree::leaf("native_top", top),
                MemoryTree::leaf("native_overhead", rest),
            ],
        )
    }

    /// Libraries and other files with their data, and shared memory.
    fn files(&self) -> Vec<MemoryTree> {
        let mut libraries: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut shared, mut kernel) = (0, 0);
        for (i, map) in self.image.maps().iter().enumerate() {
            let private = if map.inode == 0 { 0 } else { self.pages.private(map.start..map.end) };
            let bytes = self.pages.file(i) + private;
            if map.path.starts_with("[v") {
                kernel += bytes;
            } else if map.shared {
                shared += bytes;
            } else if map.inode != 0 {
                let name = map.path.rsplit('/').next().unwrap_or(&map.path);
                *libraries.entry(name).or_default() += bytes;
            }
        }
        let mut leaves: Vec<MemoryTree> = libraries
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(name, bytes)| MemoryTree::leaf(name, bytes))
            .collect();
        leaves.sort_by_key(|l| std::cmp::Reverse(l.bytes));
        vec![
            MemoryTree::sum("libraries", leaves),
            MemoryTree::leaf("shared_memory", shared),
            MemoryTree::leaf("kernel_pages", kernel),
        ]
    }

    /// The main thread's stack, and mappings behind a guard page that threads run on.
    fn stacks(&self) -> MemoryTree {
        let maps = self.image.maps();
        let mut main = 0;
        let mut threads = 0;
        for (i, map) in maps.iter().enumerate() {
            if map.path == "[stack]" {
                main += self.anonymous(map);
            }
            let guard = i.checked_sub(1).and_then(|b| maps.get(b));
            let guarded =
                guard.is_some_and(|g| !g.readable && !g.writable && g.inode == 0 && g.end == map.start);
            let is_heap = map.start % (64 << 20) == 0;
            if guarded && map.path.is_empty() && map.writable && map.inode == 0 && !is_heap {
                threads += self.stack_part(map);
            }
        }
        MemoryTree::sum(
            "stacks",
            vec![MemoryTree::leaf("main_stack", main), MemoryTree::leaf("thread_stacks", threads)],
        )
    }

    /// A mapping behind a guard page may be merged with others: what arenas and heaps claim is not the stack's.
    fn stack_part(&self, map: &m5_target::Mapping) -> u64 {
        let census = &self.analysis.census;
        let inside = |range: &Range<u64>| range.start >= map.start && range.end <= map.end;
        let arenas = census.arenas.iter().map(|a| self.arena(a.address));
        let taken: u64 = arenas
            .chain(census.heaps.regions.iter().map(pages_of))
            .filter(inside)
            .map(|range| self.pages.private(range))
            .sum();
        self.anonymous(map).saturating_sub(taken)
    }

    /// Arenas that hold little, and what holds them.
    fn sparse(&self, accounting: &mut Accounting) {
        let census = &self.analysis.census;
        let mut by_type: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for arena in &census.arenas {
            let range = self.arena(arena.address);
            let size = range.end - range.start;
            let from = census.address.partition_point(|a| *a < range.start);
            let to = census.address.partition_point(|a| *a < range.end);
            let used: u64 = (from..to)
                .filter_map(|i| {
                    let desc = census.desc(i as u32)?;
                    let at = *census.address.get(i)?;
                    census.small.block(self.image, at.wrapping_sub(desc.prefix))
                })
                .sum();
            if used as f64 >= size as f64 * SPARSE {
                continue;
            }
            accounting.sparse_arenas += 1;
            accounting.pinned_bytes += self.pages.private(range).saturating_sub(used);
            let mut here: BTreeMap<u32, u64> = BTreeMap::new();
            for number in census.type_of.get(from..to).unwrap_or(&[]) {
                *here.entry(*number).or_default() += 1;
            }
            for (number, objects) in here {
                let entry = by_type.entry(number).or_default();
                *entry = (entry.0 + objects, entry.1 + 1);
            }
        }
        let named = by_type.into_iter().filter_map(|(number, (objects, arenas))| {
            Some(Pinning { type_name: census.types.get(number)?.name.clone(), objects, arenas })
        });
        accounting.pinning = named.collect();
        accounting.pinning.sort_by_key(|p| std::cmp::Reverse((p.arenas, p.objects)));
        accounting.pinning.truncate(LISTED);
    }
}

/// Whole pages of a heap.
fn pages_of(region: &Region) -> Range<u64> {
    region.start & !4095..region.end.next_multiple_of(4096)
}
