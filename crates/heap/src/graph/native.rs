//! References from native memory: data of libraries, stacks, blocks that are no objects and belong to none.
//!
//! Only objects whose count exceeds the references that other objects hold are looked for.

use crate::census::blocks;
use crate::census::glibc::{Region, RegionKind};
use crate::census::kind::Kind;
use crate::graph::dict::word;
use crate::graph::edges::Walker;
use crate::graph::model::HeapGraph;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a holder in the C library's heap is called.
const BLOCK: &str = "a native memory block";
/// Larger blocks are numbers, not references.
const LARGEST: u64 = 16 << 20;

/// What native memory refers to.
#[derive(Debug, Default)]
pub(crate) struct NativeWords {
    /// By how much the count of an object exceeds the references that were found, ascending by object.
    excess: Vec<(u32, u32)>,
    found: FxHashMap<u32, Found>,
}

#[derive(Debug, Clone)]
struct Found {
    count: u32,
    name: String,
}

impl NativeWords {
    /// Looks for the words that refer to objects with references left to explain.
    pub(crate) fn find(walker: &Walker<'_>, graph: &HeapGraph, excess: Vec<(u32, u32)>) -> Self {
        let mut wanted = vec![0u64; graph.len().div_ceil(64)];
        for (object, _) in &excess {
            if let Some(bits) = wanted.get_mut(*object as usize / 64) {
                *bits |= 1 << (object % 64);
            }
        }
        let mut words = Self { excess, found: FxHashMap::default() };
        if !words.excess.is_empty() {
            words.look(walker, &wanted);
        }
        words
    }

    /// Objects with references that no object holds.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = u32> {
        self.excess.iter().map(|(object, _)| *object)
    }

    /// Which native memory refers to an object.
    pub(crate) fn holder(&self, object: u32) -> Option<&str> {
        self.found.get(&object).map(|f| f.name.as_str())
    }

    /// Objects all of whose references were found when native memory is counted too.
    pub(crate) fn explained(&self) -> usize {
        let counted = |(object, over): &&(u32, u32)| self.found.get(object).is_some_and(|f| f.count >= *over);
        self.excess.iter().filter(counted).count()
    }

    fn look(&mut self, walker: &Walker<'_>, wanted: &[u64]) {
        let found = &mut self.found;
        let mut look = |bytes: &[u8], name: &str| {
            for at in (0..bytes.len() / 8).map(|i| i * 8) {
                let target = word(bytes, at);
                let object = if target > 4096 { walker.object(target) } else { None };
                let Some(object) = object.filter(|o| has(wanted, *o)) else { continue };
                let entry = found.entry(object).or_insert_with(|| Found { count: 0, name: name.to_owned() });
                entry.count += 1;
            }
        };
        for (start, bytes) in without_objects(walker) {
            let map = walker.image.mapping_of(start).and_then(|i| walker.image.maps().get(i));
            let file = map.and_then(|m| m.path.rsplit('/').next()).filter(|f| !f.is_empty());
            look(bytes, &format!("native data of {}", file.unwrap_or("a library")));
        }
        for segment in walker.image.segments() {
            let map = walker.image.maps().get(segment.mapping as usize);
            if map.is_some_and(|m| m.path.starts_with("[stack")) {
                look(&segment.bytes, "stack of the main thread");
            }
        }
        let owned = owned(walker);
        let regions = walker.census.heaps.regions.iter();
        let known = |r: &&Region| !matches!(r.kind, RegionKind::Mapped | RegionKind::Foreign);
        let chunks = regions.clone().filter(known).flat_map(|r| &r.chunks);
        for chunk in chunks.filter(|c| !c.free() && c.usable() <= LARGEST && !owned.contains(&c.address)) {
            let object = [0, 16, 32].iter().any(|o| walker.object(chunk.address + o).is_some());
            let bytes = walker.image.tail(chunk.address).filter(|_| !object).unwrap_or(&[]);
            look(bytes.get(..bytes.len().min(chunk.usable() as usize)).unwrap_or(&[]), BLOCK);
        }
        for gap in regions.filter(|r| r.kind == RegionKind::Foreign).flat_map(Region::gaps) {
            let bytes = walker.image.tail(gap.start).unwrap_or(&[]);
            look(bytes.get(..bytes.len().min((gap.end - gap.start) as usize)).unwrap_or(&[]), BLOCK);
        }
    }
}

fn has(bits: &[u64], object: u32) -> bool {
    bits.get(object as usize / 64).is_some_and(|word| word >> (object % 64) & 1 != 0)
}

/// Static data without the static objects in it, whose references are known.
fn without_objects<'a>(walker: &Walker<'a>) -> Vec<(u64, &'a [u8])> {
    let addresses = &walker.census.address;
    let mut out = Vec::new();
    for (start, bytes) in walker.census.static_data(walker.image) {
        let (mut at, end) = (start, start + bytes.len() as u64);
        let piece = |from: u64, to: u64| bytes.get((from - start) as usize..(to.max(from) - start) as usize);
        let first = addresses.partition_point(|a| *a < start);
        for (i, own) in addresses.iter().enumerate().skip(first).take_while(|(_, a)| **a < end) {
            let Some(desc) = walker.census.desc(i as u32) else { continue };
            let size =
                crate::census::sizes::inline(walker.image, walker.anchor.layout, *own, desc).unwrap_or(16);
            if *own > at {
                out.extend(piece(at, *own).map(|bytes| (at, bytes)));
            }
            at = at.max(own.saturating_add(size).min(end));
        }
        out.extend(piece(at, end).map(|bytes| (at, bytes)));
    }
    out
}

/// Chunks that are buffers of objects: what they refer to was counted there.
fn owned(walker: &Walker<'_>) -> FxHashSet<u64> {
    let census = walker.census;
    let pointer: Vec<Option<u64>> = census
        .types
        .descs
        .iter()
        .map(|desc| match desc.kind {
            Kind::List => Some(24),
            Kind::Dict | Kind::OrderedDict => Some(32),
            Kind::Set => Some(40),
            Kind::NdArray => Some(16),
            _ => None,
        })
        .collect();
    let mut owned: FxHashSet<u64> = (0..census.len())
        .into_par_iter()
        .filter_map(|object| {
            let offset = pointer.get(*census.type_of.get(object)? as usize).copied().flatten()?;
            let buffer = walker.image.word(census.address.get(object)? + offset)?;
            let arena = census.taken.partition_point(|(start, _)| *start <= buffer).checked_sub(1);
            let small = arena.and_then(|a| census.taken.get(a)).is_some_and(|(_, end)| buffer < *end);
            (!small && blocks::chunk(census, buffer).is_some()).then_some(buffer)
        })
        .collect();
    owned.extend(walker.owners.values().flatten().map(|(block, _)| *block));
    owned
}
