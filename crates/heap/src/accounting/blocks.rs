//! Native memory in use by who owns it: the object, the library or the interpreter that leads to it, and what nobody is
//! known to own by the size of its blocks.

use super::counter::Counter;
use crate::census::blocks::holds_object;
use crate::census::glibc::RegionKind;
use crate::census::kind::Kind;
use crate::census::outside::Outside;
use crate::census::sizes;
use crate::census::types::TypeDesc;
use crate::graph::native::buffers;
use crate::graph::native::claims::Owner;
use m5_process::page_size;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// More loose small blocks than this are not told from the buffers of objects: that would take too long.
const MOST_SMALL: usize = 1 << 20;
/// Classes of size in an octave.
const CLASSES: u32 = 8;

/// Whose memory blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockSource {
    /// Python's allocator of small blocks.
    Pymalloc,
    /// The C library's heap.
    Native,
    /// Pages that were mapped.
    Mapped,
}

/// Blocks of about one size with one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockGroup {
    /// Where they lie.
    pub source: BlockSource,
    /// Who leads to them: a type, a library, the interpreter; absent where nobody is known to.
    pub owner: Option<String>,
    /// Whether the owners are objects of that type.
    pub objects: bool,
    /// The smallest of them in bytes.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// How many.
    pub count: u64,
    /// Their bytes in memory.
    pub bytes: u64,
}

/// Native memory in use that is no buffer whose owner `sys.getsizeof` counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NativeMemory {
    /// Objects that own some, ascending, and the bytes.
    pub objects: Vec<(u32, u64)>,
    /// All of it in groups, the largest first.
    pub groups: Vec<BlockGroup>,
}

/// A type whose objects own the blocks, or a library.
type Name = (String, bool);

#[derive(Default)]
struct Sums {
    objects: BTreeMap<u32, u64>,
    groups: FxHashMap<(BlockSource, Option<Name>, u32), BlockGroup>,
}

impl Sums {
    fn add(&mut self, source: BlockSource, owner: Option<Name>, size: u64, bytes: u64) {
        let (name, objects) = owner.clone().map_or((None, false), |(name, objects)| (Some(name), objects));
        let fresh =
            || BlockGroup { source, owner: name, objects, least: size, most: size, count: 0, bytes: 0 };
        let group = self.groups.entry((source, owner, class(size))).or_insert_with(fresh);
        (group.least, group.most) = (group.least.min(size), group.most.max(size));
        group.count += 1;
        group.bytes += bytes;
    }
}

/// The class of a size: steps of an eighth of an octave.
pub(crate) fn class(size: u64) -> u32 {
    let octave = size.max(16).ilog2();
    let rest = ((size.max(16) - (1 << octave)) * u64::from(CLASSES)) >> octave;
    octave * CLASSES + rest as u32
}

impl Counter<'_> {
    /// Native memory of the capture.
    pub(super) fn native_memory(&self) -> NativeMemory {
        let mut sums = Sums::default();
        self.chunks(&mut sums);
        self.small(&mut sums);
        self.mappings(&mut sums);
        self.unsaid(&mut sums);
        let mut groups: Vec<BlockGroup> = sums.groups.into_values().collect();
        groups.sort_by(|a, b| {
            b.bytes.cmp(&a.bytes).then_with(|| (&a.owner, a.least).cmp(&(&b.owner, b.least)))
        });
        NativeMemory { objects: sums.objects.into_iter().collect(), groups }
    }

    fn chunks(&self, sums: &mut Sums) {
        let (native, census) = (&self.analysis.native, &self.analysis.census);
        for region in census.heaps.regions.iter().filter(|r| r.kind != RegionKind::Foreign) {
            for chunk in region.chunks.iter().filter(|c| !c.free()) {
                let owner = native.claims.likely(chunk.address);
                let object = || holds_object(self.image, census, chunk.address, chunk.usable());
                let known = || native.buffers.contains(&chunk.address) || object();
                if owner.is_none() && known() || self.spared_there(region.kind, chunk.address) {
                    continue;
                }
                let start = match region.kind {
                    RegionKind::Mapped => region.start,
                    kind => chunk.address - kind.header(),
                };
                let bytes = self.touched(start..chunk.address + chunk.usable());
                self.put(sums, BlockSource::Native, owner, chunk.usable(), bytes);
            }
        }
    }

    fn small(&self, sums: &mut Sums) {
        let census = &self.analysis.census;
        let claims = &self.analysis.native.claims;
        let known = if census.loose.len() <= MOST_SMALL {
            // A stale pointer that leads to the buffer of an object does not make it another's.
            let loose = census.loose.iter().copied().collect();
            buffers::among(&self.analysis.walker(self.image), &loose)
        } else {
            census.loose.iter().copied().filter(|at| claims.likely(*at).is_none()).collect()
        };
        for at in census.loose.iter().filter(|at| !known.contains(*at) && !self.spared(**at)) {
            let size = census.small.block(self.image, *at).unwrap_or(0);
            self.put(sums, BlockSource::Pymalloc, claims.likely(*at), size, size);
        }
    }

    /// What objects of C hold that they do not say themselves: memory in their own block behind their fields, and the pages
    /// of stacks that only they lead to.
    fn unsaid(&self, sums: &mut Sums) {
        let census = &self.analysis.census;
        let walker = self.analysis.walker(self.image);
        for object in 0..census.len() as u32 {
            let Some(desc) = census.desc(object).filter(|d| d.kind == Kind::Plain && !d.exact) else {
                continue;
            };
            let at = census.address.get(object as usize).copied().unwrap_or(0);
            if let Some((bytes, small)) = self.behind(at, desc) {
                let source = if small { BlockSource::Pymalloc } else { BlockSource::Native };
                self.put(sums, source, Some(Owner::Object(object)), bytes, bytes);
            }
            for stack in walker.stacks_of(object) {
                let bytes = self.pages.private(stack);
                self.put(sums, BlockSource::Mapped, Some(Owner::Object(object)), bytes, bytes);
            }
        }
    }

    /// Bytes of an object's block that are not its fields, where they are most of it, and whether the block is a small one.
    fn behind(&self, at: u64, desc: &TypeDesc) -> Option<(u64, bool)> {
        const LEAST: u64 = 64;
        let fields = sizes::inline(self.image, self.analysis.anchor.layout, at, desc)? + desc.prefix;
        let (bytes, small) = self.block(at.wrapping_sub(desc.prefix))?;
        let behind = bytes.saturating_sub(fields);
        (behind >= LEAST.max(fields)).then_some((behind, small))
    }

    /// Pages of `mmap.mmap` objects, those that are shared or a file's too.
    fn mappings(&self, sums: &mut Sums) {
        let census = &self.analysis.census;
        for object in 0..census.len() as u32 {
            let Some(desc) = census.desc(object).filter(|d| d.outside == Some(Outside::Mapping)) else {
                continue;
            };
            let at = census.address.get(object as usize).copied().unwrap_or(0);
            if let Some((start, bytes)) = Outside::Mapping.buffer(self.image, at) {
                let pages = start / page_size() * page_size()..(start + bytes).next_multiple_of(page_size());
                let shared = self.image.mapping_of(start).map_or(0, |map| self.pages.file(map));
                let bytes = self.pages.private(pages.clone()) + shared.min(pages.end - pages.start);
                *sums.objects.entry(object).or_default() += bytes;
                sums.add(BlockSource::Mapped, Some((desc.name.clone(), true)), bytes, bytes);
            }
        }
    }

    fn put(&self, sums: &mut Sums, source: BlockSource, owner: Option<Owner>, size: u64, bytes: u64) {
        let name = match owner {
            Some(Owner::Object(object)) => {
                *sums.objects.entry(object).or_default() += bytes;
                self.analysis.census.desc(object).map(|d| (d.name.clone(), true))
            }
            Some(Owner::Interpreter) => Some(("the interpreter".to_owned(), false)),
            Some(Owner::Thread) => Some(("threads".to_owned(), false)),
            Some(Owner::Data(piece)) => {
                let native = &self.analysis.native;
                native.files.get(piece as usize).map(|file| (file.clone(), false))
            }
            None => None,
        };
        sums.add(source, name, size, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_narrow_and_ascend() {
        assert_eq!(class(8008), class(8100));
        assert_ne!(class(8008), class(10_000));
        assert!((16..100_000_u64).all(|size| class(size) <= class(size + 1)));
    }
}
