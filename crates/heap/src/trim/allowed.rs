//! Memory that may go back at all, and what of it is in memory.

use crate::trim::error::TrimError;
use m5_process::{Process, own_pages};
use std::collections::VecDeque;
use std::ops::Range;

/// What one page table maps.
const PIECE: u64 = 2 << 20;

/// Memory that may go back at all: private, anonymous, with no wish of the program's on it; in order of address.
pub(super) struct Allowed {
    ranges: Vec<Range<u64>>,
    /// Pages in memory, in order.
    resident: Vec<Range<u64>>,
}

impl Allowed {
    pub(super) fn of(process: &Process) -> Result<Self, TrimError> {
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
    pub(super) fn look(&mut self, process: &Process, pages: &[Range<u64>]) -> Result<(), TrimError> {
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
    pub(super) fn resident(&self, range: &Range<u64>) -> VecDeque<Range<u64>> {
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
