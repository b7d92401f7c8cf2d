//! Which pages were in memory: what the bytes of RSS are counted by.

use m5_process::{Mapping, OwnPages, Process, file_bytes};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Pages in memory, and the process's own that are swapped out.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// Runs of private pages, in memory or swapped out, in order of address.
    runs: Vec<Range<u64>>,
    /// Bytes before each run.
    before: Vec<u64>,
    /// Bytes of file or shared pages by mapping; absent where the kernel did not say.
    files: Vec<Option<u64>>,
    /// RSS of the moment of the capture: what the pages come to, as far as that lies between RSS right before, then and
    /// right after (a target that allocates has another one each time); else the nearest of those.
    pub rss_bytes: Option<u64>,
    /// What RSS leaves out.
    pub beside: BesideRss,
}

/// Memory of a process that its RSS does not count, right after the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BesideRss {
    /// The kernel's page tables for it, which the memory limit of a container counts.
    pub page_table_bytes: Option<u64>,
    /// Its own pages that are swapped out.
    pub swap_bytes: Option<u64>,
}

impl Pages {
    /// `rss_before`: RSS right before the capture. `anon_then`: its anonymous part at the moment of it.
    pub(crate) fn of(
        process: &Process,
        maps: &[Mapping],
        own: OwnPages,
        rss_before: Option<u64>,
        anon_then: Option<u64>,
    ) -> Self {
        let files: Vec<Option<u64>> = maps.iter().map(|m| file_pages(process.pid(), m)).collect();
        let status = process.status().unwrap_or_default();
        let beside = BesideRss {
            page_table_bytes: status.page_table_bytes,
            swap_bytes: status.swap_bytes.map(|_| own.swapped_bytes),
        };
        let private: u64 = own.runs.iter().map(|r| r.end - r.start).sum();
        let seen = private.saturating_sub(own.swapped_bytes) + files.iter().flatten().sum::<u64>();
        // What is of files hardly changes; a copy has little of it.
        let of_files = status.file_bytes.zip(status.shmem_bytes).map(|(files, shared)| files + shared);
        let then = anon_then.zip(of_files).map(|(anon, of_files)| anon + of_files);
        let read: Vec<u64> = [rss_before, then, status.rss_bytes].into_iter().flatten().collect();
        let rss = status.rss_bytes.map(|_| at_the_moment(seen, &read));
        Self { beside, ..Self::from_runs(own.runs, files, rss) }
    }

    /// `files` has an entry for every mapping.
    pub(crate) fn from_runs(
        mut runs: Vec<Range<u64>>,
        files: Vec<Option<u64>>,
        rss_bytes: Option<u64>,
    ) -> Self {
        runs.sort_by_key(|r| r.start);
        let mut before = Vec::with_capacity(runs.len());
        let mut sum = 0;
        for run in &runs {
            before.push(sum);
            sum += run.end - run.start;
        }
        Self { runs, before, files, rss_bytes, beside: BesideRss::default() }
    }

    /// Private bytes below an address.
    fn below(&self, addr: u64) -> u64 {
        let Some(index) = self.runs.partition_point(|r| r.start < addr).checked_sub(1) else { return 0 };
        let (Some(run), Some(before)) = (self.runs.get(index), self.before.get(index)) else { return 0 };
        before + addr.min(run.end) - run.start
    }

    /// Private bytes of a range, those that are swapped out included.
    #[must_use]
    pub fn private(&self, range: Range<u64>) -> u64 {
        self.below(range.end.max(range.start)) - self.below(range.start)
    }

    /// Runs of private pages in a range, cut to it.
    pub(crate) fn runs(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let from = self.runs.partition_point(|r| r.end <= range.start);
        let inside = self.runs.iter().skip(from).take_while(move |r| r.start < range.end);
        inside.map(move |r| r.start.max(range.start)..r.end.min(range.end))
    }

    /// File or shared bytes in memory of a mapping.
    #[must_use]
    pub fn file(&self, mapping: usize) -> u64 {
        self.files.get(mapping).copied().flatten().unwrap_or(0)
    }
}

/// RSS when `seen` bytes of pages were found: between the readings of it. Those are not exact on every kernel: it counts
/// in batches for each processor.
fn at_the_moment(seen: u64, readings: &[u64]) -> u64 {
    let (least, most) = (readings.iter().min(), readings.iter().max());
    least.zip(most).map_or(seen, |(least, most)| seen.clamp(*least, *most))
}

/// Private anonymous memory has no file pages; special mappings cannot be asked.
fn file_pages(pid: i32, map: &Mapping) -> Option<u64> {
    if map.inode == 0 && !map.shared && !map.path.starts_with("[v") {
        return Some(0);
    }
    file_bytes(pid, map.start..map.end).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_while_rss_was_read_is_not_without_a_name() {
        assert_eq!(at_the_moment(15, &[10, 20]), 15);
        assert_eq!(at_the_moment(15, &[20, 10]), 15);
        // It rose and fell again between the two.
        assert_eq!(at_the_moment(15, &[10, 15, 10]), 15);
        assert_eq!(at_the_moment(25, &[10, 20]), 20, "pages that RSS never held are told");
        assert_eq!(at_the_moment(5, &[10, 10]), 10, "pages that were not found are told");
    }

    #[test]
    fn ranges_cut_runs() {
        let pages = Pages::from_runs(vec![100..200, 300..400], Vec::new(), None);
        assert_eq!(pages.private(0..1000), 200);
        assert_eq!(pages.private(150..350), 100);
        assert_eq!(pages.private(200..300), 0);
        assert_eq!(pages.private(0..100), 0);
    }
}
