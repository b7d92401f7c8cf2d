//! Memory without a file that is no arena and no heap: stacks, zeroed data of libraries, and what is left.

use super::counter::{Counter, pages_of};
use crate::census::foreign::without;
use crate::census::kind::Kind;
use crate::image::pages::Pages;
use crate::image::stacks;
use m5_process::Mapping;
use std::collections::BTreeMap;
use std::ops::Range;

/// What neither arenas nor heaps claim of the memory without a file.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) main_stack: u64,
    pub(super) thread_stacks: u64,
    /// Stacks of Python frames, of threads and of what waits (3.11 on).
    pub(super) frames: u64,
    /// Code that was made at run time, by a compiler within the process (CPython's own, a library's).
    pub(super) generated: u64,
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
        let frames: Vec<Range<u64>> =
            self.frame_stacks().into_iter().flat_map(|stack| without(stack, &taken)).collect();
        taken.extend(frames.iter().cloned());
        taken.sort_by_key(|r| r.start);
        let maps = self.image.maps();
        let frames = frames.into_iter().map(|r| self.pages.private(r)).sum();
        let mut rest = Rest { frames, ..Rest::default() };
        // Old libraries ask for stacks that may hold code: then executable memory is no sign of it.
        let executable_stacks = maps.iter().any(|m| m.path == "[stack]" && m.executable);
        for (i, map) in maps.iter().enumerate().filter(|(_, m)| m.inode == 0 && !m.path.starts_with("[v")) {
            let before = i.checked_sub(1).and_then(|b| maps.get(b)).filter(|b| b.end == map.start);
            let free = without(map.start..map.end, &taken);
            let bytes = || free.iter().map(|r| self.pages.private(r.clone())).sum::<u64>();
            match before {
                _ if map.path == "[stack]" => rest.main_stack += bytes(),
                _ if map.executable && !executable_stacks => rest.generated += bytes(),
                Some(file) if is_zeroed(file, map) => {
                    *rest.zeroed.entry(file.path.clone()).or_default() += bytes();
                }
                _ => {
                    let guarded = before.is_some_and(|guard| stacks::is_guarded(guard, map));
                    let top = if guarded { stacks::top(self.image, map) } else { map.start };
                    rest.thread_stacks +=
                        free.iter().map(|r| below(r, top)).map(|r| self.pages.private(r)).sum::<u64>();
                    for range in free.iter().map(|r| r.start.max(top)..r.end).filter(|r| !r.is_empty()) {
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

impl Counter<'_> {
    /// Where Python's own stacks lie, in order, each once.
    fn frame_stacks(&self) -> Vec<Range<u64>> {
        let census = &self.analysis.census;
        let walker = self.analysis.walker(self.image);
        let mut stacks = walker.stacks_of_threads();
        let waits = |o: &u32| census.desc(*o).is_some_and(|d| d.kind == Kind::Plain && !d.exact);
        stacks.extend((0..census.len() as u32).filter(waits).flat_map(|o| walker.stacks_of(o)));
        stacks.sort_by_key(|r| (r.start, r.end));
        let mut end = 0;
        stacks.retain(|r| {
            let apart = r.start >= end;
            end = end.max(r.end);
            apart
        });
        stacks
    }
}

/// The part of a range below an address.
fn below(range: &Range<u64>, top: u64) -> Range<u64> {
    range.start..range.end.min(top).max(range.start)
}

/// Memory behind the written data of a file is its zeroed data.
fn is_zeroed(file: &Mapping, map: &Mapping) -> bool {
    file.inode != 0 && file.writable && !file.shared && map.path.is_empty() && map.writable
}
