//! What could go back, looked at while the process runs: free chunks with whole pages in memory, by arena.

use crate::trim::arenas::{self, Arena};
use crate::trim::error::TrimError;
use crate::trim::library::Library;
use crate::trim::lists::{self, Free, Guessed};
use crate::trim::others::others;
use crate::trim::stock::Stock;
use m5_process::{LiveMemory, Mapping, Process, own_pages};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;

/// What one page table maps.
const PIECE: u64 = 2 << 20;

/// Free memory of one arena of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FreePart {
    /// Whether it is the first arena, which grows by brk.
    pub main: bool,
    /// Bytes that the arena has from the system.
    pub system_bytes: Option<u64>,
    /// Free chunks that hold a whole page.
    pub chunks: u64,
    /// Bytes of their whole pages that are in memory.
    pub chunk_bytes: u64,
    /// Bytes of the unused top that are in memory.
    pub top_bytes: u64,
    /// Bytes among both that must stay: locked, watched or shared by the program's own wish.
    pub kept_bytes: u64,
}

impl FreePart {
    /// What could go back.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunk_bytes + self.top_bytes
    }
}

/// Memory that may go back at all: private, anonymous, with no wish of the program's on it; in order of address.
pub(super) struct Allowed {
    ranges: Vec<Range<u64>>,
    /// Pages in memory, in order.
    resident: Vec<Range<u64>>,
}

impl Allowed {
    fn of(process: &Process) -> Result<Self, TrimError> {
        let flags = process.mapping_flags()?;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for mapping in flags.into_iter().filter(|m| m.anonymous && !kept(&m.flags)) {
            match ranges.last_mut() {
                Some(last) if last.end == mapping.range.start => last.end = mapping.range.end,
                _ => ranges.push(mapping.range),
            }
        }
        Ok(Self { ranges, resident: Vec::new() })
    }

    /// Reads which pages are in memory around these chunks.
    fn look(&mut self, process: &Process, pages: &[Range<u64>]) -> Result<(), TrimError> {
        let holds = |range: &&Range<u64>| {
            let first = pages.partition_point(|p| p.end <= range.start);
            pages.get(first).is_some_and(|p| p.start < range.end)
        };
        for range in self.ranges.iter().filter(holds) {
            self.resident.extend(own_pages(process.pid(), range.clone())?.runs);
        }
        Ok(())
    }

    /// Whether a range lies in it whole.
    pub(super) fn holds(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|r| r.start <= range.start);
        after.checked_sub(1).and_then(|i| self.ranges.get(i)).is_some_and(|r| range.end <= r.end)
    }

    /// What is in memory of a range, in pieces that end where a page table does.
    fn resident(&self, range: &Range<u64>) -> VecDeque<Range<u64>> {
        let first = self.resident.partition_point(|r| r.end <= range.start);
        let runs = self.resident.iter().skip(first).take_while(|r| r.start < range.end);
        runs.flat_map(|r| pieces(r.start.max(range.start)..r.end.min(range.end))).collect()
    }
}

/// A range in pieces, so that any stop gets on, however large a chunk is.
fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let end = range.end.min((at + 1).next_multiple_of(PIECE));
        (at < end).then(|| std::mem::replace(&mut at, end)..end)
    })
}

/// Bytes of ranges.
pub(super) fn bytes_of<'a>(ranges: impl IntoIterator<Item = &'a Range<u64>>) -> u64 {
    ranges.into_iter().map(|r| r.end - r.start).sum()
}

/// Locked, huge pages of their own, watched by userfaultfd, device memory, shared, not for children (registered with a
/// device), sealed.
fn kept(flags: &str) -> bool {
    const KEPT: [&str; 11] = ["lo", "ht", "um", "uw", "ui", "io", "pf", "mm", "sh", "dc", "sl"];
    flags.split_ascii_whitespace().any(|flag| KEPT.contains(&flag))
}

/// What could go back now.
pub(super) struct Plan {
    pub(super) allowed: Allowed,
    pub(super) stocks: Vec<Stock>,
}

/// An arena as it was a moment ago.
struct Guess {
    arena: Arena,
    /// Lists by their bins.
    lists: Vec<(u64, Vec<Free>)>,
    top: Option<Free>,
}

/// Looks at every arena.
///
/// # Errors
/// [`TrimError`] where they cannot be found or read.
pub(super) fn plan(process: &Process, library: &Library) -> Result<Plan, TrimError> {
    let memory = process.memory();
    let found = match arenas::find(&memory, library) {
        // Where another allocator has all of it, the C library's was never set up.
        Err(TrimError::Unknown(_)) if !others(&process.maps()?).is_empty() => Vec::new(),
        found => found?,
    };
    let mut allowed = Allowed::of(process)?;
    let mut read: Vec<Guess> = Vec::new();
    for arena in found {
        let mut guesses = Vec::new();
        for bin in Arena::bins() {
            let list = lists::guess(&memory, arena.head(bin))?;
            if list.iter().any(|c| !c.pages().is_empty()) {
                guesses.push((bin, list));
            }
        }
        read.push(Guess { arena, lists: guesses, top: lists::top(&memory, arena.top())? });
    }
    let chunks = read.iter().flat_map(|g| g.lists.iter().flat_map(|(_, list)| list).chain(&g.top));
    let mut pages: Vec<Range<u64>> = chunks.map(|c| c.pages()).filter(|p| !p.is_empty()).collect();
    pages.sort_by_key(|p| p.start);
    allowed.look(process, &pages)?;
    let stocks = read.into_iter().map(|guess| stock(&memory, &allowed, guess));
    Ok(Plan { stocks: stocks.collect(), allowed })
}

fn stock(memory: &LiveMemory, allowed: &Allowed, guess: Guess) -> Stock {
    let Guess { arena, lists: guesses, top } = guess;
    let mut part =
        FreePart { main: arena.main, system_bytes: arena.system_bytes(memory), ..FreePart::default() };
    let mut wanted = FxHashMap::default();
    let mut lists = Vec::new();
    for (bin, list) in &guesses {
        let before = wanted.len();
        for chunk in list {
            let pages = chunk.pages();
            part.chunks += u64::from(!pages.is_empty());
            let resident = allowed.resident(&pages);
            if !pages.is_empty() && !allowed.holds(&pages) {
                part.kept_bytes += pages.end - pages.start;
            } else if !resident.is_empty() {
                part.chunk_bytes += bytes_of(&resident);
                wanted.insert(chunk.at, resident);
            }
        }
        if wanted.len() > before {
            lists.push((*bin, Guessed::new(list)));
        }
    }
    let mut unused = VecDeque::new();
    if let Some(pages) = top.map(Free::pages).filter(|p| !p.is_empty()) {
        match allowed.holds(&pages) {
            true => unused = allowed.resident(&pages),
            false => part.kept_bytes += pages.end - pages.start,
        }
    }
    part.top_bytes = bytes_of(&unused);
    Stock { arena, part, lists, wanted, top: unused }
}

/// Mappings whose threads' stacks are looked at.
pub(super) fn stacks(process: &Process) -> Result<Vec<Mapping>, TrimError> {
    Ok(process.maps()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_the_range_without_gaps(start in 0u64..1 << 20, pages in 0u64..5000) {
            let (start, end) = (start << 12, (start + pages) << 12);
            let mut at = start;
            for piece in pieces(start..end) {
                prop_assert!(piece.start == at && piece.end > at && piece.end - piece.start <= PIECE);
                prop_assert_eq!(piece.start / PIECE, (piece.end - 1) / PIECE);
                at = piece.end;
            }
            prop_assert_eq!(at, end);
        }
    }
}
