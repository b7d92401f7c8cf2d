//! The lists of free chunks in an arena's bins. Of a running process a list is a guess; of one that stands still, with
//! nobody inside the allocator, it is followed link by link from the bin, so that what is on it is free.

use crate::trim::error::TrimError;
use m5_process::{LiveMemory, page_size};
use rustc_hash::FxHashMap;
use std::time::Instant;

/// Low bits of a size that tell other things.
const FLAGS: u64 = 7;
/// The chunk before is in use.
const BEFORE_IN_USE: u64 = 1;
/// What the allocator keeps in a free chunk: its size and four links.
const KEPT: u64 = 48;
/// Nodes that are followed of a process that runs: a list may have become a circle under our eyes.
const MOST: usize = 4 << 20;

/// A free chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Free {
    /// Its header.
    pub(super) at: u64,
    /// Bytes, header included.
    pub(super) size: u64,
}

impl Free {
    /// Its whole pages that hold nothing of the allocator's.
    pub(super) fn pages(self) -> std::ops::Range<u64> {
        let page = page_size();
        let start = self.at.saturating_add(KEPT).next_multiple_of(page);
        start..(self.at.saturating_add(self.size) & !(page - 1)).max(start)
    }
}

/// The four words of a chunk in a list.
struct Node {
    size: u64,
    next: u64,
    before: u64,
}

fn node(bytes: [u8; 32]) -> Node {
    let word =
        |i: usize| bytes.get(i * 8..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
    Node { size: word(1) & !FLAGS, next: word(2), before: word(3) }
}

/// Both ends of a bin's list.
fn ends(memory: &LiveMemory, head: u64) -> Result<Option<(u64, u64)>, TrimError> {
    let read = memory.each::<32>(&[head]).map_err(TrimError::from)?;
    Ok(read.first().copied().flatten().map(node).map(|n| (n.next, n.before)))
}

/// What is on a list now, or a moment ago: up to the first contradiction.
pub(super) fn guess(memory: &LiveMemory, head: u64) -> Result<Vec<Free>, TrimError> {
    let mut found = Vec::new();
    let Some((mut at, _)) = ends(memory, head)? else { return Ok(found) };
    let mut before = head;
    while at != head && found.len() < MOST {
        let Some(bytes) = memory.each::<32>(&[at]).map_err(TrimError::from)?.first().copied().flatten()
        else {
            break;
        };
        let node = node(bytes);
        if node.before != before {
            break;
        }
        found.push(Free { at, size: node.size });
        (before, at) = (at, node.next);
    }
    Ok(found)
}

/// A list as it was guessed, for reading many of its chunks at once.
#[derive(Debug, Default)]
pub(super) struct Guessed {
    order: Vec<u64>,
    places: FxHashMap<u64, usize>,
}

impl Guessed {
    pub(super) fn new(list: &[Free]) -> Self {
        let order: Vec<u64> = list.iter().map(|c| c.at).collect();
        let places = order.iter().enumerate().map(|(i, at)| (*at, i)).collect();
        Self { order, places }
    }

    fn from(&self, at: u64, most: usize) -> &[u64] {
        let place = self.places.get(&at).copied().unwrap_or(usize::MAX);
        let rest = self.order.get(place..).unwrap_or_default();
        rest.get(..most.min(rest.len())).unwrap_or_default()
    }
}

/// Follows a list of a process that stands still, until `until`; each chunk is handed to `each`. Whether it came to the
/// end.
///
/// # Errors
/// [`TrimError::Inconsistent`] where two links contradict each other.
pub(super) fn follow(
    memory: &LiveMemory,
    head: u64,
    guessed: &Guessed,
    until: Instant,
    mut each: impl FnMut(Free),
) -> Result<bool, TrimError> {
    const STEPS: std::ops::RangeInclusive<usize> = 16..=512;
    let broken =
        |at: u64| TrimError::Inconsistent(format!("a free chunk at {at:#x} is not linked both ways"));
    let (first, last) = ends(memory, head)?.ok_or_else(|| broken(head))?;
    let (mut at, mut before) = (first, head);
    let mut step = *STEPS.start();
    while at != head {
        if Instant::now() >= until {
            return Ok(false);
        }
        let single = [at];
        let batch = match guessed.from(at, step) {
            [] => single.as_slice(),
            some => some,
        };
        for (place, bytes) in batch.iter().zip(memory.each::<32>(batch).map_err(TrimError::from)?) {
            if *place != at {
                step = *STEPS.start();
                break;
            }
            let node = bytes.map(node).filter(|n| n.before == before && n.size >= 32 && n.size % 16 == 0);
            let node = node.ok_or_else(|| broken(at))?;
            each(Free { at, size: node.size });
            (before, at) = (at, node.next);
        }
        step = (step * 2).min(*STEPS.end());
    }
    if before == last { Ok(true) } else { Err(broken(head)) }
}

/// Whether each chunk's neighbour agrees that it is free and how long it is.
///
/// # Errors
/// [`TrimError::Inconsistent`] where one does not.
pub(super) fn confirm(memory: &LiveMemory, chunks: &[Free]) -> Result<(), TrimError> {
    let neighbours: Vec<u64> = chunks.iter().map(|c| c.at.wrapping_add(c.size)).collect();
    let read = memory.each::<16>(&neighbours).map_err(TrimError::from)?;
    for (chunk, bytes) in chunks.iter().zip(read) {
        let agrees = bytes.is_some_and(|bytes| {
            let (words, _) = bytes.as_chunks::<8>();
            let word = |i: usize| words.get(i).map_or(0, |w| u64::from_le_bytes(*w));
            word(0) == chunk.size && word(1) & BEFORE_IN_USE == 0
        });
        if !agrees {
            let at = chunk.at;
            return Err(TrimError::Inconsistent(format!(
                "the neighbour of a free chunk at {at:#x} says otherwise"
            )));
        }
    }
    Ok(())
}

/// The unused top of an arena.
///
/// # Errors
/// [`TrimError`] where the process cannot be read any more.
pub(super) fn top(memory: &LiveMemory, place: u64) -> Result<Option<Free>, TrimError> {
    let word = |bytes: Option<[u8; 8]>| bytes.map(u64::from_le_bytes);
    let read = |at: u64| Ok::<_, TrimError>(memory.each::<8>(&[at])?.first().copied().flatten());
    let Some(at) = word(read(place)?).filter(|at| *at != 0 && at % 16 == 0) else { return Ok(None) };
    let Some(size) = word(read(at.saturating_add(8))?).map(|s| s & !FLAGS) else { return Ok(None) };
    Ok(at.checked_add(size).map(|_| Free { at, size }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_lie_inside_and_keep_the_books(at in 0u64..1 << 40, size in 0u64..1 << 24) {
            let chunk = Free { at: at & !15, size: size & !15 };
            let pages = chunk.pages();
            let page = page_size();
            prop_assert!(pages.start.is_multiple_of(page) && pages.end.is_multiple_of(page) && pages.start <= pages.end);
            if !pages.is_empty() {
                prop_assert!(pages.start >= chunk.at + KEPT && pages.end <= chunk.at + chunk.size);
            }
            // No page is left out that could go.
            prop_assert!(pages.start < chunk.at + KEPT + page);
            prop_assert!(pages.end == pages.start || pages.end + page > chunk.at + chunk.size);
        }
    }
}
