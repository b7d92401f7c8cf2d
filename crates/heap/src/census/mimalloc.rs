//! mimalloc: segments of 32 MiB in slices of 64 KiB, pages of slices, blocks of one size. A free-threaded CPython keeps
//! everything in it, and any other from 3.13 on does so with `PYTHONMALLOC=mimalloc`.
//!
//! Segments are looked for where they may begin, and say themselves that they are some: so those of threads that ended
//! are found like all others, and nothing depends on where an interpreter keeps its heaps.

use super::glibc::{Chunk, Holds, Region, RegionKind};
use crate::image::Image;
use m5_cpython::layout::mimalloc::{BOOKS, Books, CAPACITY, FREE, HUGE, Number, SLICE, SLICE_COUNT, Start};
use m5_process::ADDRESS_BITS;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// Segments begin at multiples of as much as they have, which is one of these or more.
const SEGMENTS: [u64; 2] = [32 << 20, 64 << 20];
/// Entries of a segment's table.
const MOST_SLICES: u64 = SEGMENTS[1] / SLICE + 1;
/// Bytes of the smallest block; less marks slices that are free.
const SMALLEST: u64 = 8;
/// More blocks than wait to be freed in any process.
const MOST_DELAYED: usize = 1 << 24;

/// A segment that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    address: u64,
    slices: u64,
    books: &'static Books,
}

/// What was found: pages with their blocks, and the stretches between them; none overlaps another.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) regions: Vec<Region>,
    /// Memory of the segments, in order.
    pub(crate) segments: Vec<(u64, u64)>,
}

/// Walks every segment of the process. Pages tell what they hold only where the build keeps a heap for each kind.
pub(crate) fn walk(image: &Image, free_threaded: bool) -> Found {
    let segments = segments(image);
    let delayed = delayed(image, &segments);
    let walk = Walk { image, free_threaded, delayed };
    let mut regions: Vec<Region> = segments.par_iter().flat_map_iter(|s| walk.segment(s)).collect();
    regions.sort_by_key(|r| r.start);
    let range = |s: &Segment| (s.address, s.address + s.slices * SLICE);
    Found { regions, segments: segments.iter().map(range).collect() }
}

/// Every segment, in order. All of one copy of the library mix the same random number into their cookies; a process may
/// have several copies, the interpreter's and those of extensions.
fn segments(image: &Image) -> Vec<Segment> {
    let places = |size: u64| {
        let maps = image.maps().iter().filter(|m| m.writable && m.inode == 0);
        let first = move |start: u64| start.checked_next_multiple_of(size).unwrap_or(u64::MAX);
        maps.flat_map(move |m| (first(m.start)..m.end.min(1 << ADDRESS_BITS)).step_by(size as usize))
    };
    let by_size = SEGMENTS.map(|size| (size, places(size).collect::<Vec<u64>>()));
    let mut found: Vec<(usize, Vec<Segment>)> = Vec::new();
    for books in &BOOKS {
        let mut by_secret: FxHashMap<u64, Vec<Segment>> = FxHashMap::default();
        for address in by_size.iter().filter(|(size, _)| *size == books.segment).flat_map(|(_, all)| all) {
            if let Some((segment, secret)) = segment(image, books, *address) {
                by_secret.entry(secret).or_default().push(segment);
            }
        }
        found.extend(by_secret.into_values().map(|of_one| (confirmed(image, &of_one), of_one)));
    }
    found.retain(|(confirmed, _)| *confirmed > 0);
    // What the most pages confirm goes first: another version's books may fit a page or two.
    found.sort_by_key(|(confirmed, _)| std::cmp::Reverse(*confirmed));
    let mut all: Vec<Segment> = Vec::new();
    for segment in found.into_iter().flat_map(|(_, segments)| segments) {
        let range = |s: &Segment| s.address..s.address + s.slices * SLICE;
        let own = range(&segment);
        if !all.iter().map(range).any(|r| r.start < own.end && own.start < r.end) {
            all.push(segment);
        }
    }
    all.sort_by_key(|s| s.address);
    all
}

/// The segment at an address with its secret, if these are its books: its table has to lead from page to page to its
/// very end.
fn segment(image: &Image, books: &'static Books, address: u64) -> Option<(Segment, u64)> {
    let field = |offset: u64| image.word_in(address, offset);
    let (entries, slices, info) =
        (field(books.slice_entries)?, field(books.segment_slices)?, field(books.info_slices)?);
    let secret = field(books.cookie)? ^ address;
    let sound = secret != 0
        && image.half_in(address, books.kind)? <= 1
        && (1..=MOST_SLICES).contains(&entries)
        && slices >= entries
        && slices < (1 << ADDRESS_BITS) / SLICE
        && (1..=entries).contains(&info);
    if !sound || image.half_in(address, books.slices)? != info as u32 {
        return None;
    }
    let segment = Segment { address, slices, books };
    (pages(image, &segment).last()?.1.end == entries).then_some((segment, secret))
}

/// How many pages say the same twice, how many of their blocks are in use and which are not; zero where too few do.
/// Where blocks begin depends on their size, so that each kind of size has to agree.
fn confirmed(image: &Image, segments: &[Segment]) -> usize {
    /// Segments that are asked; of ten pages, those that must agree, and those of each kind: an image of a process that
    /// runs is torn, but blocks that begin elsewhere agree by chance only.
    const ASKED: usize = 16;
    const MOST_OF_TEN: usize = 9;
    const HALF_OF_TEN: usize = 5;
    /// Fewer pages of a kind prove nothing.
    const FEW: usize = 4;
    let mut kinds = [(0_usize, 0_usize); 4];
    for segment in segments.iter().take(ASKED) {
        for (entry, slices) in pages(image, segment).filter(|(_, slices)| slices.start > 0) {
            let range = segment.address + slices.start * SLICE..segment.address + slices.end * SLICE;
            let Some(page) = Page::read(image, segment.books, entry, range) else { continue };
            let (Some(agrees), Some((agree, all))) = (page.agrees(image), kinds.get_mut(page.kind())) else {
                continue;
            };
            *agree += usize::from(agrees);
            *all += 1;
        }
    }
    let holds = |(agree, all): &(usize, usize)| *all < FEW || agree * 10 >= all * HALF_OF_TEN;
    let (agree, all) = kinds.iter().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
    if kinds.iter().all(holds) && agree * 10 >= all * MOST_OF_TEN { agree } else { 0 }
}

/// A page: blocks of one size.
struct Page {
    entry: u64,
    books: &'static Books,
    start: u64,
    size: u64,
    capacity: u64,
    used: u64,
}

impl Page {
    /// The page of an entry; `None` where its slices are free.
    fn read(image: &Image, books: &'static Books, entry: u64, range: Range<u64>) -> Option<Self> {
        let size = match number(image, entry, books.block_size) {
            HUGE if books.block_size.1 == 4 => range.end - range.start,
            size => size,
        };
        if size < SMALLEST {
            return None;
        }
        let start = match books.start {
            Start::Told(at) => image.word_in(entry, at)?,
            rule => range.start + rule.behind(size),
        };
        let room = range.end.checked_sub(start).filter(|_| start >= range.start)? / size;
        let capacity = number(image, entry, (CAPACITY, 2)).min(room);
        let used = number(image, entry, books.used);
        Some(Self { entry, books, start, size, capacity, used })
    }

    /// First blocks of its lists of free ones: the last is what other threads freed.
    fn lists(&self, image: &Image) -> [u64; 3] {
        let list = |at: u64| image.word_in(self.entry, at).unwrap_or(0);
        [list(FREE), list(self.books.local_free), list(self.books.thread_free) & !3]
    }

    /// Kinds of sizes whose blocks begin differently behind their slice in one version or another.
    fn kind(&self) -> usize {
        match self.size {
            ..=64 => 0,
            65..=512 => 1,
            513..=1024 => 2,
            _ => 3,
        }
    }

    /// Whether its free blocks are some of its blocks, and as many as are not in use; `None` where it has none.
    fn agrees(&self, image: &Image) -> Option<bool> {
        let [free, local, _] = self.lists(image);
        // A full page fits any books.
        if free == 0 && local == 0 {
            return None;
        }
        let known = |block: &u64| self.slot(*block).is_some();
        let of = |first: u64| {
            let list: Vec<u64> = chain(image, first, self.capacity as usize + 1).collect();
            list.iter().all(known).then_some(list.len() as u64)
        };
        Some(of(free).zip(of(local)).is_some_and(|(a, b)| self.used + a + b == self.capacity))
    }

    /// Number of a block.
    fn slot(&self, block: u64) -> Option<usize> {
        let offset = block.checked_sub(self.start).filter(|offset| offset % self.size == 0)?;
        Some((offset / self.size) as usize).filter(|slot| (*slot as u64) < self.capacity)
    }
}

/// The entries of the table that begin a page or a free stretch, and which slices those are; ends where one makes no
/// sense.
fn pages<'a>(image: &'a Image, segment: &'a Segment) -> impl Iterator<Item = (u64, Range<u64>)> + 'a {
    let entries = image.word_in(segment.address, segment.books.slice_entries).unwrap_or(0).min(MOST_SLICES);
    let mut at = 0;
    std::iter::from_fn(move || {
        let entry = segment.address + segment.books.slices + at * segment.books.page;
        let count = u64::from(image.half_in(entry, SLICE_COUNT).filter(|_| at < entries)?);
        // What a huge page's table has no entries for belongs to it.
        let fits = count > 0 && (count <= entries - at || segment.slices > entries);
        let begin = at;
        at = (begin + count.max(1)).min(entries);
        fits.then_some((entry, begin..at))
    })
}

fn number(image: &Image, at: u64, (offset, bytes): Number) -> u64 {
    let word = image.word_in(at, offset).unwrap_or(0);
    if bytes == 8 { word } else { word & ((1 << (8 * bytes)) - 1) }
}

/// Hands out a list of free blocks; a block that is met twice may end it, as `most` does.
fn chain(image: &Image, first: u64, most: usize) -> impl Iterator<Item = u64> + '_ {
    let mut at = first;
    std::iter::from_fn(move || {
        let block = Some(at).filter(|at| *at != 0)?;
        at = image.word(at).unwrap_or(0);
        Some(block)
    })
    .take(most)
}

/// Blocks that one thread freed and their owner has not taken back yet.
fn delayed(image: &Image, segments: &[Segment]) -> FxHashSet<u64> {
    let heaps: FxHashSet<(u64, u64)> = segments
        .iter()
        .flat_map(|s| {
            pages(image, s).filter_map(|(entry, _)| {
                let heap = image.word_in(entry, s.books.heap).filter(|h| *h != 0)?;
                Some((heap, s.books.delayed))
            })
        })
        .collect();
    let first = heaps.iter().filter_map(|(heap, delayed)| image.word_in(*heap, *delayed));
    first.flat_map(|first| chain(image, first, MOST_DELAYED)).collect()
}

struct Walk<'a> {
    image: &'a Image,
    free_threaded: bool,
    delayed: FxHashSet<u64>,
}

impl Walk<'_> {
    fn segment(&self, segment: &Segment) -> Vec<Region> {
        let mut out: Vec<Region> = Vec::new();
        let end = segment.address + segment.slices * SLICE;
        for (entry, slices) in pages(self.image, segment) {
            let start = segment.address + slices.start * SLICE;
            // What lies behind the last entry is a huge page's.
            let reaches = segment.address + slices.end * SLICE;
            let last =
                slices.end == self.image.word_in(segment.address, segment.books.slice_entries).unwrap_or(0);
            let range = start..if last { end } else { reaches };
            let books = slices.start == 0;
            let page = (!books).then(|| self.page(segment.books, entry, range.clone())).flatten();
            let unused = !books && number(self.image, entry, segment.books.block_size) < SMALLEST;
            let free = unused.then(|| Chunk::new(range.start, range.end - range.start, true));
            out.push(
                page.unwrap_or_else(|| region(RegionKind::Span, range.clone(), free.into_iter().collect())),
            );
        }
        out
    }

    fn page(&self, books: &'static Books, entry: u64, range: Range<u64>) -> Option<Region> {
        let image = self.image;
        let page = Page::read(image, books, entry, range.clone())?;
        let Page { start, size, capacity, .. } = page;
        let mut free = vec![false; capacity as usize];
        let mut release = |block: u64| {
            if let Some(slot) = page.slot(block).and_then(|slot| free.get_mut(slot)) {
                *slot = true;
            }
        };
        let lists = page.lists(image).into_iter();
        lists.flat_map(|first| chain(image, first, capacity as usize)).for_each(&mut release);
        if !self.delayed.is_empty() {
            let blocks = (0..capacity).map(|i| start + i * size);
            blocks.filter(|block| self.delayed.contains(block)).for_each(&mut release);
        }
        let mut chunks = Vec::with_capacity(free.len());
        for (i, run) in runs(&free) {
            let count = if run.free { 1 } else { run.length };
            let bytes = if run.free { run.length * size } else { size };
            chunks.extend((0..count).map(|n| Chunk::new(start + (i + n) * size, bytes, run.free)));
        }
        // Blocks that it has never handed out, of which an earlier page of the same slices may have left memory.
        let behind = start + capacity * size;
        if range.end > behind {
            chunks.push(Chunk::new(behind, range.end - behind, true));
        }
        let (at, bit) = books.tag;
        let tag = image.byte_in(entry, at).unwrap_or(0) >> bit & 15;
        Some(region(RegionKind::Page(self.holds(tag)), range, chunks))
    }

    fn holds(&self, tag: u8) -> Holds {
        match tag {
            _ if !self.free_threaded => Holds::Any,
            0 => Holds::Buffers,
            1 => Holds::Plain,
            2 => Holds::Collected,
            _ => Holds::Managed,
        }
    }
}

/// Neighbours that are all free or all in use.
struct Neighbours {
    free: bool,
    length: u64,
}

fn runs(free: &[bool]) -> impl Iterator<Item = (u64, Neighbours)> + '_ {
    let mut at = 0;
    free.chunk_by(|a, b| a == b).map(move |run| {
        let length = run.len() as u64;
        let begin = at;
        at += length;
        (begin, Neighbours { free: run.first().copied().unwrap_or(false), length })
    })
}

fn region(kind: RegionKind, range: Range<u64>, chunks: Vec<Chunk>) -> Region {
    Region { kind, start: range.start, end: range.end, broken: false, chunks, top: None }
}
