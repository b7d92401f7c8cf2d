//! Bytes of objects by type and of the buffers that they own.

use super::LISTED;
use super::arrays::ArrayBytes;
use super::counter::Counter;
use crate::accounting::tree::MemoryTree;
use crate::census::blocks;
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::census::{PAD, padded};
use m5_cpython::layout::objects::{Managed, type_fields};
use m5_process::page_size;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of the blocks of objects by type, and of the buffers that they own by kind.
#[derive(Default, Clone)]
pub(super) struct Owned {
    small: Vec<u64>,
    large: Vec<u64>,
    small_buffers: BTreeMap<&'static str, u64>,
    large_buffers: BTreeMap<&'static str, u64>,
    /// Bytes of arrays in memory that no known allocator holds.
    pub(super) mapped: u64,
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

    /// Adds the data of arrays that own none themselves.
    pub(super) fn add_arrays(&mut self, arrays: &ArrayBytes) {
        *self.small_buffers.entry(ARRAY_DATA).or_default() += arrays.small;
        *self.large_buffers.entry(ARRAY_DATA).or_default() += arrays.large;
        self.mapped += arrays.mapped;
    }

    /// Bytes of blocks of the small object allocator.
    pub(super) fn small_bytes(&self) -> u64 {
        self.small.iter().chain(self.small_buffers.values()).sum()
    }

    /// Bytes of blocks of the C library.
    pub(super) fn large_bytes(&self) -> u64 {
        self.large.iter().chain(self.large_buffers.values()).sum()
    }
}

const ARRAY_DATA: &str = "array_data";
const DICT_TABLES: &str = "dict_tables";

impl Counter<'_> {
    pub(super) fn owned(&self) -> Owned {
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
            // Keys that instances share belong to their class.
            Kind::Type if self.is_heap_type(at) => {
                (DICT_TABLES, u64::from(self.analysis.anchor.layout.cached_keys))
            }
            Kind::Dict | Kind::OrderedDict if self.shares_keys(at) => ("instance_values", 40),
            Kind::List => ("list_items", 24),
            Kind::Dict | Kind::OrderedDict => (DICT_TABLES, 32),
            Kind::Set => ("set_tables", 40),
            Kind::ByteArray => ("bytearray_data", 32),
            Kind::NdArray => (ARRAY_DATA, 16),
            _ => return,
        };
        let head = if desc.kind == Kind::List { self.analysis.anchor.layout.list_head() } else { 0 };
        let Some(buffer) = self.image.word_at(at, pointer).map(|p| p.wrapping_sub(head)) else { return };
        if desc.kind == Kind::NdArray && !self.owns_data(at) {
            return;
        }
        if let Some((bytes, small)) = self.block(buffer) {
            let sums = if small { &mut owned.small_buffers } else { &mut owned.large_buffers };
            *sums.entry(name).or_default() += bytes;
        }
    }

    fn is_heap_type(&self, class: u64) -> bool {
        self.image.word_at(class, type_fields::FLAGS).is_some_and(|flags| flags & type_fields::HEAP != 0)
    }

    /// Whether a dictionary keeps only its values for itself.
    fn shares_keys(&self, dict: u64) -> bool {
        self.image.word_at(dict, 40).is_some_and(|values| values != 0)
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
    pub(super) fn block(&self, at: u64) -> Option<(u64, bool)> {
        let census = &self.analysis.census;
        let pad = |at: u64| at.wrapping_sub(PAD as u64);
        let unpadded =
            |at: u64| if self.image.slice(pad(at), PAD).is_some_and(padded) { pad(at) } else { at };
        let at = unpadded(unpadded(at));
        if let Some(bytes) = census.small.block(self.image, at) {
            return Some((bytes, true));
        }
        let (chunk, kind) = blocks::chunk(census, at)?;
        Some((self.touched(at - kind.header()..at + chunk.usable()), false))
    }

    /// Bytes in memory of a range: only large ones can have pages that never were.
    pub(super) fn touched(&self, range: Range<u64>) -> u64 {
        if range.end - range.start < page_size() {
            range.end - range.start
        } else {
            self.pages.private(range)
        }
    }

    pub(super) fn objects(&self, owned: &Owned) -> MemoryTree {
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

    pub(super) fn buffers(&self, owned: &Owned) -> MemoryTree {
        let mut sums = owned.small_buffers.clone();
        for (name, bytes) in &owned.large_buffers {
            *sums.entry(name).or_default() += bytes;
        }
        *sums.entry(ARRAY_DATA).or_default() += owned.mapped;
        sums.retain(|_, bytes| *bytes > 0);
        let leaves = sums.into_iter().map(|(name, bytes)| MemoryTree::leaf(name, bytes)).collect();
        MemoryTree::sum("python_buffers", leaves)
    }
}
