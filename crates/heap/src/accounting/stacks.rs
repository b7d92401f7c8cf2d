//! Stacks of threads that no mapping of their own marks: from 2.42 on the C library guards a stack without cutting
//! its mapping, so that the kernel joins it with its neighbours. On top of each lies the thread's descriptor.

use crate::image::Image;
use crate::pages::Pages;
use std::ops::Range;

/// The descriptor lies in the last page of its stack, at a multiple of this.
const ALIGN: u64 = 64;
const PAGE: u64 = 4096;
/// Bytes of a descriptor in which it may say where its stack is.
const DESCRIPTOR: u64 = 2304;

/// The stacks in a range of anonymous memory, in order. The page above one is another's guard, which is never in
/// memory: so each ends where a run of pages does.
pub(super) fn within(image: &Image, pages: &Pages, range: &Range<u64>) -> Vec<Range<u64>> {
    let mut found: Vec<Range<u64>> = Vec::new();
    for run in pages.runs(range.clone()) {
        let places = (1..=PAGE / ALIGN).map(|i| run.end - i * ALIGN);
        let stack = places.filter_map(|at| described(image, at, run.end)).find(|s| s.start >= range.start);
        found.extend(stack.filter(|s| found.last().is_none_or(|last| last.end <= s.start)));
    }
    found
}

/// The stack of the thread whose descriptor is there: it begins with two words that are its own address, around
/// the vector of its libraries' variables, and names the block that it lies on top of.
fn described(image: &Image, at: u64, end: u64) -> Option<Range<u64>> {
    let word = |offset: u64| image.word(at + offset);
    (word(0)? == at && word(16)? == at).then_some(())?;
    (24..DESCRIPTOR).step_by(8).find_map(|offset| {
        let (start, size) = (word(offset)?, word(offset + 8)?);
        let fits = start < at && start % PAGE == 0 && start.checked_add(size) == Some(end);
        fits.then_some(start..end)
    })
}
