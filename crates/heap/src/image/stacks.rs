//! Which memory is a thread's stack. Most have a guard of their own in front of them. From 2.42 on the C library
//! guards a stack without cutting its mapping, so that the kernel joins it with its neighbours; but on top of each lies
//! the thread's descriptor.

use crate::image::arch::{MARK, REACH, STEP, is_descriptor};
use crate::image::pages::Pages;
use crate::image::{Image, Segment};
use m5_process::{Mapping, page_size};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of a descriptor in which it may say where its stack is.
const DESCRIPTOR: u64 = 2304;
/// Bytes from a descriptor to the top of its stack, at the most.
const ABOVE: u64 = 64 << 10;

/// Memory behind a guard page is a stack, but for the heaps of thread arenas.
pub(crate) fn is_guarded(guard: &Mapping, map: &Mapping) -> bool {
    let guards = !guard.readable && !guard.writable && guard.inode == 0;
    guards && map.path.is_empty() && map.writable && !map.start.is_multiple_of(64 << 20)
}

/// The stacks behind guards, in order. The kernel joins a stack with what is mapped right above it: where the thread's
/// descriptor says how far its stack goes, the rest is none.
pub(crate) fn guarded(image: &Image) -> Vec<Range<u64>> {
    let maps = image.maps();
    let pairs = maps.iter().zip(maps.iter().skip(1));
    let behind = pairs.filter(|(guard, map)| guard.end == map.start && is_guarded(guard, map));
    behind.map(|(_, map)| map.start..top(image, map)).collect()
}

/// The tops of stacks, where threads have their descriptors and the variables that libraries keep for each.
pub(crate) fn descriptors(image: &Image) -> Vec<Range<u64>> {
    guarded(image).into_iter().map(|s| s.start.max(s.end.saturating_sub(REACH))..s.end).collect()
}

/// Where the stack at the beginning of a mapping ends.
pub(crate) fn top(image: &Image, map: &Mapping) -> u64 {
    let inside = |segment: &Segment| {
        let part = segment.start.max(map.start)..segment.end().min(map.end);
        described_in(image, part.start / STEP * STEP..part.end).into_iter().find(|s| s.contains(&map.start))
    };
    let stack = image.segments_of(map.start..map.end).find_map(inside);
    stack.map_or(map.end, |s| s.end.min(map.end))
}

/// The stacks in a range of anonymous memory, in order. The page above one is another's guard, which is never in
/// memory: so each ends where a run of pages does.
pub(crate) fn within(image: &Image, pages: &Pages, range: &Range<u64>) -> Vec<Range<u64>> {
    let last = |run: Range<u64>| run.end - REACH.max(page_size()).min(run.end - run.start)..run.end;
    let tops = pages.runs(range.clone()).map(last);
    ordered(tops.flat_map(|top| described_in(image, top)).collect(), range)
}

/// The same where it is not known which pages were in memory.
pub(crate) fn among(image: &Image, range: &Range<u64>) -> Vec<Range<u64>> {
    const BATCH: u64 = 1 << 20;
    let batches = (range.end - range.start).div_ceil(BATCH);
    let batch = |i: u64| range.start + i * BATCH..range.end.min(range.start + (i + 1) * BATCH);
    let found = (0..batches).into_par_iter().flat_map_iter(|i| described_in(image, batch(i)));
    ordered(found.collect(), range)
}

fn ordered(mut found: Vec<Range<u64>>, range: &Range<u64>) -> Vec<Range<u64>> {
    found.retain(|s| s.end > range.start && s.start < range.end);
    found.sort_by_key(|s| s.start);
    found.dedup_by(|later, earlier| later.start < earlier.end);
    found
}

fn described_in(image: &Image, range: Range<u64>) -> Vec<Range<u64>> {
    let places = (0..(range.end - range.start) / STEP).map(|i| range.start + i * STEP + MARK % STEP);
    places.filter_map(|at| described(image, at)).collect()
}

/// The stack of the thread whose descriptor has its mark there: it names the block that it lies on top of.
fn described(image: &Image, at: u64) -> Option<Range<u64>> {
    let word = |offset: u64| image.word(at + offset);
    is_descriptor(at, word).then_some(())?;
    let page = page_size();
    (24..DESCRIPTOR).step_by(8).find_map(|offset| {
        let (start, size) = (word(offset)?, word(offset + 8)?);
        let end = start.checked_add(size)?;
        let fits = start < at && at < end && end - at < ABOVE && start % page == 0 && end % page == 0;
        fits.then_some(start..end)
    })
}
