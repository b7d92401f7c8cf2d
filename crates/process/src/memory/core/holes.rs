//! Which parts of a sparse file hold something: memory that was never touched is a hole in a core file.
#![allow(unsafe_code)]

use crate::page_size;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Parts of a range of the file that are no holes, in whole pages from the range's beginning on.
pub(super) fn data(file: &File, range: Range<u64>) -> Vec<Range<u64>> {
    let seek = |at: u64, whence: i32| {
        // SAFETY: the descriptor is open for as long as `file`; nothing relies on its position.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at as i64, whence) };
        u64::try_from(found).ok()
    };
    let page = page_size();
    let mut out: Vec<Range<u64>> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let Some(from) = seek(at, libc::SEEK_DATA) else {
            // Nothing but a hole up to the end, or a file system that does not tell.
            let tells = seek(0, libc::SEEK_HOLE).is_some();
            out.extend((!tells).then_some(at..range.end));
            return out;
        };
        let from = (range.start + (from.max(at) - range.start) / page * page).min(range.end);
        let hole = seek(from, libc::SEEK_HOLE).unwrap_or(range.end).max(from + 1);
        let to = (range.start + (hole - range.start).next_multiple_of(page)).min(range.end);
        match out.last_mut() {
            Some(last) if last.end >= from => last.end = to,
            _ if from < to => out.push(from..to),
            _ => {}
        }
        at = to.max(at + page);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 64 << 10;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_was_written_is_found() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"x", 5 * PAGE + 7).unwrap();
        file.set_len(20 * PAGE).unwrap();
        let found = data(&file, PAGE..20 * PAGE);
        assert!(found.iter().any(|r| r.contains(&(5 * PAGE + 7))), "{found:?}");
        assert!(found.iter().all(|r| r.start >= PAGE && r.end <= 20 * PAGE));
        assert!(data(&file, 6 * PAGE..6 * PAGE).is_empty());
    }
}
