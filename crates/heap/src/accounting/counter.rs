//! What the parts of the account are counted from.

use crate::census::glibc::Region;
use crate::image::Image;
use crate::image::pages::Pages;
use crate::take::analysis::Analysis;
use m5_process::page_size;
use std::ops::Range;

/// Counts the pages of a capture; each file of this folder adds the part that it knows.
pub(super) struct Counter<'a> {
    pub(super) image: &'a Image,
    pub(super) analysis: &'a Analysis,
    pub(super) pages: &'a Pages,
}

impl Counter<'_> {
    pub(super) fn arena(&self, address: u64) -> Range<u64> {
        address..address + (1 << self.analysis.anchor.layout.arena_bits)
    }
}

/// Whole pages of a heap.
pub(super) fn pages_of(region: &Region) -> Range<u64> {
    region.start / page_size() * page_size()..region.end.next_multiple_of(page_size())
}
