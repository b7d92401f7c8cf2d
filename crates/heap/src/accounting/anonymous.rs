//! Memory without a file that is no arena and no heap: stacks, zeroed data of libraries, and what is left.

use super::{Counter, pages_of, stacks};
use crate::pages::Pages;
use m5_target::Mapping;
use std::collections::BTreeMap;
use std::ops::Range;

/// What neither arenas nor heaps claim of the memory without a file.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) main_stack: u64,
    pub(super) thread_stacks: u64,
    /// Zeroed data by the path of the file that it belongs to.
    pub(super) zeroed: BTreeMap<String, u64>,
    /// Ranges that nothing is known of, in order.
    pub(super) other: Vec<Range<u64>>,
}

impl Rest {
    pub(super) fn other_bytes(&self, pages: &Pages) -> u64 {
        self.other.iter().map(|r| pages.private(r.clone())).sum()
    }
}

impl Counter<'_> {
    pub(super) fn anonymous(&self) -> Rest {
        let census = &self.analysis.census;
        let arenas = census.arenas.iter().map(|a| self.arena(a.address));
        let mut taken: Vec<Range<u64>> = arenas.chain(census.heaps.regions.iter().map(pages_of)).collect();
        taken.sort_by_key(|r| r.start);
        let maps = self.image.maps();
        let mut rest = Rest::default();
        for (i, map) in maps.iter().enumerate().filter(|(_, m)| m.inode == 0 && !m.path.starts_with("[v")) {
            let before = i.checked_sub(1).and_then(|b| maps.get(b)).filter(|b| b.end == map.start);
            let free = without(map.start..map.end, &taken);
            let bytes = || free.iter().map(|r| self.pages.private(r.clone())).sum::<u64>();
            match before {
                _ if map.path == "[stack]" => rest.main_stack += bytes(),
                Some(file) if is_zeroed(file, map) => {
                    *rest.zeroed.entry(file.path.clone()).or_default() += bytes();
                }
                Some(guard) if is_stack(guard, map) => rest.thread_stacks += bytes(),
                _ => {
                    for range in free {
                        let stacks = stacks::within(self.image, self.pages, &range);
                        rest.thread_stacks +=
                            stacks.iter().map(|r| self.pages.private(r.clone())).sum::<u64>();
                        rest.other.extend(without(range, &stacks));
                    }
                }
            }
        }
        rest
    }
}

/// Memory behind the written data of a file is its zeroed data.
fn is_zeroed(file: &Mapping, map: &Mapping) -> bool {
    file.inode != 0 && file.writable && !file.shared && map.path.is_empty() && map.writable
}

/// Memory behind a guard page is a stack, but for the heaps of thread arenas.
fn is_stack(guard: &Mapping, map: &Mapping) -> bool {
    let guards = !guard.readable && !guard.writable && guard.inode == 0;
    guards && map.path.is_empty() && map.writable && !map.start.is_multiple_of(64 << 20)
}

/// A range without the parts that are taken, which are in order and may overlap.
fn without(range: Range<u64>, taken: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out = Vec::new();
    let mut at = range.start;
    let first = taken.partition_point(|t| t.end <= range.start);
    for part in taken.iter().skip(first).take_while(|t| t.start < range.end) {
        if part.start > at {
            out.push(at..part.start);
        }
        at = at.max(part.end);
    }
    if at < range.end {
        out.push(at..range.end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_cut_out() {
        let taken = [5..10, 8..12, 20..30, 40..50];
        assert_eq!(without(0..45, &taken), [0..5, 12..20, 30..40]);
        assert_eq!(without(21..29, &taken), []);
        assert_eq!(without(60..70, &taken), std::iter::once(60..70).collect::<Vec<_>>());
    }
}
