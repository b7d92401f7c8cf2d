//! The data of arrays that do not own it by NumPy's word: it came from a capsule, another library or a mapping of
//! its own, and still it is these arrays that keep it.

use super::anonymous::Rest;
use super::counter::Counter;
use crate::census::blocks;
use crate::census::kind::Kind;
use crate::census::sizes::array_bytes;
use m5_process::page_size;
use rustc_hash::FxHashSet;
use std::ops::Range;

/// Bytes by where they lie.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ArrayBytes {
    /// In blocks of the small object allocator.
    pub(super) small: u64,
    /// In blocks of the C library.
    pub(super) large: u64,
    /// In memory of no allocator that m5 knows.
    pub(super) mapped: u64,
}

impl Counter<'_> {
    pub(super) fn arrays(&self, rest: &Rest) -> ArrayBytes {
        let census = &self.analysis.census;
        let is_array: Vec<bool> = census.types.descs.iter().map(|d| d.kind == Kind::NdArray).collect();
        let mut owned: FxHashSet<u64> = FxHashSet::default();
        let mut others: Vec<Range<u64>> = Vec::new();
        for (number, at) in census.type_of.iter().zip(&census.address) {
            if !is_array.get(*number as usize).copied().unwrap_or(false) {
                continue;
            }
            let Some(data) = self.image.word_at(*at, 16) else { continue };
            if blocks::block(self.image, census, data).is_some() && self.owns_data(*at) {
                owned.insert(data);
            } else if let Some(bytes) = array_bytes(self.image, *at) {
                others.push(data..data.saturating_add(bytes));
            }
        }
        let mut sum = ArrayBytes::default();
        for range in &others {
            self.in_block(range.start, &mut owned, &mut sum);
        }
        sum.mapped = self.in_rest(others, rest);
        sum
    }

    /// Whether NumPy itself frees the data of this array.
    pub(super) fn owns_data(&self, array: u64) -> bool {
        self.image.half_at(array, 64).is_some_and(|flags| flags & 4 != 0)
    }

    /// Data may lie anywhere in a block, behind a header of its allocator say, but not in an object's own block.
    fn in_block(&self, data: u64, owned: &mut FxHashSet<u64>, sum: &mut ArrayBytes) {
        let (image, census) = (self.image, &self.analysis.census);
        let start = blocks::enclosing(image, census, data);
        let is_object = |at: u64| blocks::holds_object(image, census, at, u64::MAX);
        let Some(start) = start.filter(|at| !is_object(*at) && owned.insert(*at)) else { return };
        match self.block(start) {
            Some((bytes, true)) => sum.small += bytes,
            Some((bytes, false)) => sum.large += bytes,
            None => {}
        }
    }

    /// Pages in memory of the arrays' data where no allocator is known; overlapping views count once.
    fn in_rest(&self, mut ranges: Vec<Range<u64>>, rest: &Rest) -> u64 {
        ranges.sort_by_key(|r| r.start);
        let (mut at, mut bytes) = (0, 0);
        for range in ranges {
            let from = (range.start / page_size() * page_size()).max(at);
            let to = range.end.checked_next_multiple_of(page_size()).unwrap_or(range.end);
            let first = rest.other.partition_point(|o| o.end <= from);
            for part in rest.other.iter().skip(first).take_while(|o| o.start < to) {
                bytes += self.pages.private(part.start.max(from)..part.end.min(to));
            }
            at = at.max(to);
        }
        bytes
    }
}
