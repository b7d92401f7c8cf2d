//! Which pages of a mapping hold something of their own: reading the others would fault them in.
#![allow(unsafe_code)]

use crate::{Error, Result};
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

const PAGE: u64 = 4096;

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

/// Runs of pages of `range` that are in memory or swapped out, and that are not pages of a file.
///
/// # Errors
/// As the kernel says.
pub fn resident_runs(pid: i32, range: Range<u64>) -> Result<Vec<Range<u64>>> {
    let file = File::open(format!("/proc/{pid}/pagemap")).map_err(|e| Error::from_io(pid, "pagemap", e))?;
    match scan(&file, range.clone()) {
        Some(runs) => Ok(runs),
        None => walk(&file, range).map_err(|e| Error::from_io(pid, "pagemap", e)),
    }
}

/// Bytes of a range that are in memory and belong to a file or are shared, which [`resident_runs`] leaves out.
///
/// # Errors
/// As the kernel says.
pub fn file_bytes(pid: i32, range: Range<u64>) -> Result<u64> {
    const PRESENT: u64 = 1 << 63;
    const FILE: u64 = 1 << 61;
    let path = format!("/proc/{pid}/pagemap");
    let refused = |e| Error::from_io(pid, "pagemap", e);
    let file = File::open(path).map_err(refused)?;
    let mut bytes = vec![0u8; BATCH_PAGES as usize * 8];
    let (mut at, mut found) = (range.start, 0);
    while at < range.end {
        let pages = ((range.end - at) / PAGE).clamp(1, BATCH_PAGES);
        let batch = bytes.get_mut(..(pages * 8) as usize).unwrap_or_default();
        file.read_exact_at(batch, at / PAGE * 8).map_err(refused)?;
        let entries = batch.as_chunks::<8>().0.iter().map(|e| u64::from_le_bytes(*e));
        found += entries.filter(|e| e & PRESENT != 0 && e & FILE != 0).count() as u64;
        at += pages * PAGE;
    }
    Ok(found * PAGE)
}

/// Pages whose entries are read at once.
const BATCH_PAGES: u64 = 8192;

/// By the ioctl; `None` where the kernel does not have it.
fn scan(file: &File, range: Range<u64>) -> Option<Vec<Range<u64>>> {
    const BATCH: usize = 512;
    let mut regions = [Region::default(); BATCH];
    let mut runs = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let mut args = ScanArgs {
            size: size_of::<ScanArgs>() as u64,
            start: at,
            end: range.end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: BATCH as u64,
            category_inverted: IS_FILE,
            category_mask: IS_FILE,
            category_anyof_mask: IS_PRESENT | IS_SWAPPED,
            return_mask: IS_PRESENT | IS_SWAPPED,
            ..ScanArgs::default()
        };
        // SAFETY: the arguments are of the size that they state, `vec` points to `BATCH` regions that outlive
        // the call.
        let filled = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, &raw mut args) };
        let filled = usize::try_from(filled).ok()?;
        for region in regions.iter().take(filled) {
            push(&mut runs, region.start..region.end);
        }
        if args.walk_end <= at {
            return None;
        }
        at = args.walk_end;
    }
    Some(runs)
}

/// By reading the entry of every page.
fn walk(file: &File, range: Range<u64>) -> std::io::Result<Vec<Range<u64>>> {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const FILE: u64 = 1 << 61;
    let mut runs = Vec::new();
    let mut bytes = vec![0u8; (BATCH_PAGES * 8) as usize];
    let mut at = range.start;
    while at < range.end {
        let pages = ((range.end - at) / PAGE).clamp(1, BATCH_PAGES);
        let batch = &mut bytes[..(pages * 8) as usize];
        file.read_exact_at(batch, at / PAGE * 8)?;
        for (i, entry) in batch.as_chunks::<8>().0.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            if entry & (PRESENT | SWAPPED) != 0 && (entry & FILE == 0 || entry & SWAPPED != 0) {
                let page = at + i as u64 * PAGE;
                push(&mut runs, page..page + PAGE);
            }
        }
        at += pages * PAGE;
    }
    Ok(runs)
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
        let pid = std::process::id() as i32;
        let mut block = vec![0u8; 64 * PAGE as usize];
        for page in [3usize, 4, 40] {
            block[page * PAGE as usize + 17] = 1;
        }
        let start = (block.as_ptr() as u64).next_multiple_of(PAGE);
        let range = start..start + 60 * PAGE;
        let file = File::open(format!("/proc/{pid}/pagemap")).unwrap();
        let walked = walk(&file, range.clone()).unwrap();
        assert!(walked.iter().map(|r| r.end - r.start).sum::<u64>() >= 3 * PAGE);
        if let Some(scanned) = scan(&file, range) {
            assert_eq!(scanned, walked);
        }
        assert_eq!(block[17], 0);
    }
}
