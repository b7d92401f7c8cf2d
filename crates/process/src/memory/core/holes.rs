//! Which parts of a sparse file hold something: memory that was never touched is a hole in a core file.

use crate::page_size;
use rustix::fs::{SeekFrom, seek};
use std::fs::File;
use std::ops::Range;

/// Parts of a range of the file that are no holes, in whole pages from the range's beginning on.
pub(super) fn data(file: &File, range: Range<u64>) -> Vec<Range<u64>> {
    // Nothing relies on the position of the file.
    let data = |at: u64| seek(file, SeekFrom::Data(at)).ok();
    let hole = |at: u64| seek(file, SeekFrom::Hole(at)).ok();
    let page = page_size();
    let mut out: Vec<Range<u64>> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let Some(from) = data(at) else {
            // Nothing but a hole up to the end, or a file system that does not tell.
            let tells = hole(0).is_some();
            out.extend((!tells).then_some(at..range.end));
            return out;
        };
        let from = (range.start + (from.max(at) - range.start) / page * page).min(range.end);
        let end = hole(from).unwrap_or(range.end).max(from + 1);
        let to = (range.start + (end - range.start).next_multiple_of(page)).min(range.end);
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
