//! tcmalloc of gperftools 2.7 and later: whole pages that its page heap holds free. What its caches hold free, blocks of
//! threads and of each size, is not told from what is in use.
//!
//! The page heap lies in the zeroed data of the library: two sets of long spans, lists of short ones by their length, and
//! sums of both. It is looked for by its lists, which close in rings, and believed where its own sums agree with them.

use super::glibc::{Chunk, Holds, Region, RegionKind};
use super::statics::Piece;
use crate::graph::dict::word;
use crate::image::Image;
use m5_process::ADDRESS_BITS;
use std::ops::Range;

/// A span: its first page, how many they are, the next and the one before in its list.
const SPAN: u64 = 48;
const LENGTH: u64 = 8;
const NEXT: u64 = 16;
const BEFORE: u64 = 24;
/// Sizes of pages, as powers of two. Lists are kept for spans of up to a mebibyte.
const SHIFTS: [u32; 5] = [12, 13, 14, 15, 16];
const LISTED: u32 = 20;
/// A set of spans: its root and how many it has; a node: its children, its span and that one's length.
const SET: u64 = 48;
const ROOT: u64 = 16;
const COUNT: u64 = 40;
const CHILDREN: [u64; 2] = [16, 24];
const OF_NODE: u64 = 32;
/// Sums behind the lists: bytes from the system, then those that are free and have their memory.
const FREE_SUM: u64 = 8;
/// More spans are on no list of any process.
const MOST: usize = 1 << 22;
/// Of an image that was taken while somebody was inside, the sums may be a little off: one in so many, and so much.
const OFF: u64 = 50;
const OFF_AT_LEAST: u64 = 1 << 20;

/// Free spans of every page heap, in order, none over another; empty where there is none.
pub(crate) fn walk(image: &Image, data: &[Piece<'_>]) -> Vec<Region> {
    let mut spans: Vec<Range<u64>> = data.iter().flat_map(|piece| in_piece(image, *piece)).collect();
    spans.sort_by_key(|s| s.start);
    let mut end = 0;
    spans.retain(|s| {
        let apart = s.start >= end;
        end = end.max(if apart { s.end } else { 0 });
        apart
    });
    spans.into_iter().map(region).collect()
}

fn region(span: Range<u64>) -> Region {
    let chunks = vec![Chunk::new(span.start, span.end - span.start, true)];
    let kind = RegionKind::Page(Holds::Any);
    Region { kind, start: span.start, end: span.end, broken: false, chunks, top: None }
}

fn in_piece(image: &Image, (start, bytes): Piece<'_>) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + SPAN as usize <= bytes.len() {
        let address = start + at as u64;
        // Most of a page heap's lists are empty: they lead to themselves.
        let empty = [NEXT, BEFORE].iter().all(|link| word(bytes, at + *link as usize) == address)
            && word(bytes, at) == 0
            && word(bytes, at + LENGTH as usize) == 0;
        if empty && let Some(heap) = PageHeap::around(image, address) {
            found.extend(heap.spans(image).into_iter().flatten());
            at = (heap.lists + heap.count * SPAN).saturating_sub(start) as usize;
        }
        at += 8;
    }
    found
}

/// The lists of a page heap: of each length one of spans with memory and one of such without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageHeap {
    lists: u64,
    count: u64,
    shift: u32,
}

/// Whether both neighbours of a list's head lead back to it.
fn heads(image: &Image, at: u64) -> bool {
    let link = |offset: u64| image.word_in(at, offset).filter(|to| *to != 0);
    let back = |to: Option<u64>, offset: u64| to.and_then(|to| image.word_in(to, offset)) == Some(at);
    back(link(NEXT), BEFORE) && back(link(BEFORE), NEXT)
}

impl PageHeap {
    /// The one that has this head among its lists.
    fn around(image: &Image, head: u64) -> Option<Self> {
        let most = 2 << (LISTED - SHIFTS.first()?);
        let run = |step: u64| {
            let next = |i: u64| head.wrapping_add(step.wrapping_mul(i));
            (1..=most).take_while(|i| heads(image, next(*i))).count() as u64
        };
        let (before, behind) = (run(SPAN.wrapping_neg()), run(SPAN));
        let count = before + 1 + behind;
        let shift = SHIFTS.into_iter().find(|shift| count == 2 << (LISTED - shift))?;
        Some(Self { lists: head - before * SPAN, count, shift })
    }

    /// Its free spans, those without memory too; `None` where its sums say otherwise.
    fn spans(&self, image: &Image) -> Option<Vec<Range<u64>>> {
        let mut all = Vec::new();
        let with_memory = self.of_kind(image, 0, &mut all)?;
        let sum = image.word_in(self.lists, self.count * SPAN + FREE_SUM)?;
        if with_memory.abs_diff(sum) > sum / OFF + OFF_AT_LEAST {
            return None;
        }
        self.of_kind(image, 1, &mut all)?;
        Some(all)
    }

    /// Adds spans with (0) or without (1) memory; their bytes.
    fn of_kind(&self, image: &Image, kind: u64, all: &mut Vec<Range<u64>>) -> Option<u64> {
        let first = all.len();
        for length in 1..=self.count / 2 {
            self.list(image, self.lists + (2 * (length - 1) + kind) * SPAN, length, all)?;
        }
        self.set(image, self.lists - (2 - kind) * SET, all)?;
        Some(all.iter().skip(first).map(|s| s.end - s.start).sum())
    }

    fn list(&self, image: &Image, head: u64, length: u64, all: &mut Vec<Range<u64>>) -> Option<()> {
        let mut at = image.word_in(head, NEXT)?;
        while at != head {
            all.push(self.span(image, at, length).filter(|_| all.len() < MOST)?);
            at = image.word_in(at, NEXT)?;
        }
        Some(())
    }

    /// A balanced tree of the C++ library.
    fn set(&self, image: &Image, set: u64, all: &mut Vec<Range<u64>>) -> Option<()> {
        let mut left = image.word_in(set, COUNT)?;
        let mut nodes = vec![image.word_in(set, ROOT)?];
        while let Some(node) = nodes.pop() {
            if node == 0 {
                continue;
            }
            left = left.checked_sub(1)?;
            let (at, length) = (image.word_in(node, OF_NODE)?, image.word_in(node, OF_NODE + 8)?);
            all.push(self.span(image, at, length).filter(|_| all.len() < MOST)?);
            for child in CHILDREN {
                nodes.push(image.word_in(node, child)?);
            }
        }
        (left == 0).then_some(())
    }

    /// The memory of a span of that length.
    fn span(&self, image: &Image, at: u64, length: u64) -> Option<Range<u64>> {
        let limit = 1 << (ADDRESS_BITS - self.shift);
        let (first, pages) = (image.word(at)?, image.word_in(at, LENGTH)?);
        let fits = pages == length && pages != 0 && pages < limit && first != 0 && first < limit - pages;
        fits.then(|| first << self.shift..(first + pages) << self.shift)
    }
}
