//! Which pages of a mapping hold something of their own: reading the others would fault them in.
#![allow(unsafe_code)]

use crate::{Error, Result, page_size};
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// `struct pm_scan_arg` of the PAGEMAP_SCAN ioctl (Linux 6.7).
#[repr(C)]
#[derive(Default)]
struct ScanArgs {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
/// Read and never written: the kernel shows one page of zeroes, which counts for nobody.
const IS_ZERO: u64 = 1 << 5;
/// A guard that is no mapping (Linux 6.13): it has no memory, and looks like a swapped page.
const IS_GUARD: u64 = 1 << 8;

/// Pages of a process's own, not a file's; runs of them in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPages {
    /// In memory or swapped out.
    pub runs: Vec<Range<u64>>,
    /// How much of it is swapped out.
    pub swapped_bytes: u64,
}

impl OwnPages {
    fn push(&mut self, run: Range<u64>, present: bool) {
        self.swapped_bytes += if present { 0 } else { run.end - run.start };
        push(&mut self.runs, run);
    }

    /// Adds the pages of a later range.
    pub fn append(&mut self, later: Self) {
        self.runs.extend(later.runs);
        self.swapped_bytes += later.swapped_bytes;
    }
}

/// The pages of `range` that the process has of its own.
///
/// # Errors
/// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another user's,
/// or not dumpable); [`Error::Io`] where the range is not the process's.
pub fn own_pages(pid: i32, range: Range<u64>) -> Result<OwnPages> {
    let file = File::open(format!("/proc/{pid}/pagemap")).map_err(|e| Error::from_io(pid, "pagemap", e))?;
    // Older kernels know no guards and refuse to look for them.
    match scan(&file, range.clone(), IS_GUARD).or_else(|| scan(&file, range.clone(), 0)) {
        Some(runs) => Ok(runs),
        None => walk(&file, range).map_err(|e| Error::from_io(pid, "pagemap", e)),
    }
}

/// Anonymous pages in memory by who else has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnonymousPages {
    /// Runs of pages that no other process maps.
    pub own: Vec<Range<u64>>,
    /// Bytes that others map too: a parent, children, siblings.
    pub shared_bytes: u64,
}

/// Sorts the anonymous pages of a range by whether this process alone has them.
///
/// # Errors
/// As [`own_pages`].
pub fn anonymous_pages(pid: i32, range: Range<u64>) -> Result<AnonymousPages> {
    const ALONE: u64 = 1 << 56;
    let mut pages = AnonymousPages::default();
    each_entry(pid, range, |page, entry| {
        if entry & PRESENT == 0 || entry & FILE != 0 {
            return;
        }
        match entry & ALONE {
            0 => pages.shared_bytes += page_size(),
            _ => push(&mut pages.own, page..page + page_size()),
        }
    })?;
    Ok(pages)
}

/// Bytes of a range that are in memory and belong to a file or are shared, which [`resident_runs`] leaves out.
///
/// # Errors
/// As [`own_pages`].
pub fn file_bytes(pid: i32, range: Range<u64>) -> Result<u64> {
    let mut found = 0;
    each_entry(pid, range, |_, entry| found += u64::from(entry & PRESENT != 0 && entry & FILE != 0))?;
    Ok(found * page_size())
}

/// Hands out address and entry of every page of a range.
fn each_entry(pid: i32, range: Range<u64>, mut each: impl FnMut(u64, u64)) -> Result<()> {
    let refused = |e| Error::from_io(pid, "pagemap", e);
    let file = File::open(format!("/proc/{pid}/pagemap")).map_err(refused)?;
    entries(&file, range, &mut each).map_err(refused)
}

fn entries(file: &File, range: Range<u64>, each: &mut impl FnMut(u64, u64)) -> std::io::Result<()> {
    let mut bytes = vec![0u8; BATCH_PAGES as usize * 8];
    let (size, mut at) = (page_size(), range.start);
    while at < range.end {
        let pages = ((range.end - at) / size).clamp(1, BATCH_PAGES);
        let batch = bytes.get_mut(..(pages * 8) as usize).unwrap_or_default();
        file.read_exact_at(batch, at / size * 8)?;
        for (i, entry) in batch.as_chunks::<8>().0.iter().enumerate() {
            each(at + i as u64 * size, u64::from_le_bytes(*entry));
        }
        at += pages * size;
    }
    Ok(())
}

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE: u64 = 1 << 61;
const GUARD: u64 = 1 << 58;

/// Pages whose entries are read at once.
const BATCH_PAGES: u64 = 8192;

/// By the ioctl; `None` where the kernel does not have it.
fn scan(file: &File, range: Range<u64>, more: u64) -> Option<OwnPages> {
    const BATCH: usize = 512;
    let mut regions = [Region::default(); BATCH];
    let mut pages = OwnPages::default();
    let mut at = range.start;
    while at < range.end {
        let mut args = ScanArgs {
            size: size_of::<ScanArgs>() as u64,
            start: at,
            end: range.end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: BATCH as u64,
            category_inverted: IS_FILE | IS_ZERO | more,
            category_mask: IS_FILE | IS_ZERO | more,
            category_anyof_mask: IS_PRESENT | IS_SWAPPED,
            return_mask: IS_PRESENT | IS_SWAPPED,
            ..ScanArgs::default()
        };
        // SAFETY: the arguments are of the size that they state, `vec` points to `BATCH` regions that outlive
        // the call.
        let filled = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, &raw mut args) };
        let filled = usize::try_from(filled).ok()?;
        for region in regions.iter().take(filled) {
            pages.push(region.start..region.end, region.categories & IS_PRESENT != 0);
        }
        if args.walk_end <= at {
            return None;
        }
        at = args.walk_end;
    }
    Some(pages)
}

/// By reading the entry of every page.
fn walk(file: &File, range: Range<u64>) -> std::io::Result<OwnPages> {
    let mut pages = OwnPages::default();
    entries(file, range, &mut |page, entry| {
        if entry & (PRESENT | SWAPPED) != 0
            && entry & GUARD == 0
            && (entry & FILE == 0 || entry & SWAPPED != 0)
        {
            pages.push(page..page + page_size(), entry & PRESENT != 0);
        }
    })?;
    Ok(pages)
}

fn push(runs: &mut Vec<Range<u64>>, run: Range<u64>) {
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree_on_our_own_memory() {
        let (pid, size) = (std::process::id() as i32, page_size());
        let mut block = vec![0u8; 64 * size as usize];
        for page in [3usize, 4, 40] {
            block[page * size as usize + 17] = 1;
        }
        let start = (block.as_ptr() as u64).next_multiple_of(size);
        let range = start..start + 60 * size;
        let file = File::open(format!("/proc/{pid}/pagemap")).unwrap();
        let walked = walk(&file, range.clone()).unwrap();
        assert!(walked.runs.iter().map(|r| r.end - r.start).sum::<u64>() >= 3 * size);
        if let Some(scanned) = scan(&file, range, 0) {
            assert_eq!(scanned, walked);
        }
        assert_eq!(block[17], 0);
    }
}
