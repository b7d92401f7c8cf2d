//! The image of a core file. Which pages were in memory it does not say: a page counts that holds anything but
//! zeroes.

use crate::image::fill::joined_runs;
use crate::image::pages::Pages;
use crate::image::room::check_spool;
use crate::image::stream::{self, Second};
use crate::image::wanted::{Extent, WHOLE_FILE, Wanted, may_hold};
use crate::image::{Image, ReadOnly};
use m5_process::{CoreFile, Mapping, Memory, TraceResult, page_size};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

impl ReadOnly for Arc<CoreFile> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> m5_process::Result<()> {
        Memory::read(self, addr, buf)
    }
}

/// Reads what a core file holds of memory that may change, and the first values of what was not dumped: piece by piece,
/// as a process is read, so that large blocks of plain data are never held.
pub(crate) fn load(core: &Arc<CoreFile>) -> TraceResult<(Image, Pages)> {
    let maps = core.maps().to_vec();
    let (mut wanted, mut dumped) = (Vec::new(), Vec::new());
    for (i, map) in maps.iter().enumerate().filter(|(_, m)| may_hold(m)) {
        let found = private(core, map);
        dumped.extend(found.iter().cloned());
        let whole = map.inode != 0 && map.writable && map.end - map.start <= WHOLE_FILE;
        let runs = if whole { std::iter::once(map.start..map.end).collect() } else { found };
        wanted.extend(Wanted::of(map, i as u32, &runs, Extent::Lean));
    }
    let written = Mutex::new(Vec::new());
    let read = |at: u64, bytes: &mut [u8]| {
        let done = Memory::read(core, at, bytes).is_ok();
        if done {
            written.lock().unwrap_or_else(PoisonError::into_inner).extend(pages_written(at, bytes));
        }
        done
    };
    let segments = stream::read(Second::Hurries, &read, &wanted, &check_spool)?;
    let written = written.into_inner().unwrap_or_else(PoisonError::into_inner);
    let image = Image::new(segments, maps, Box::new(Arc::clone(core)));
    let held = common(&joined_runs(written), &dumped);
    let pages = Pages::from_runs(held, vec![None; image.maps().len()], None);
    Ok((image, pages))
}

/// What was dumped of a mapping, but for the first page of a file, which is there for its name only.
fn private(core: &CoreFile, map: &Mapping) -> Vec<Range<u64>> {
    let found = core.dumped(map);
    let bytes: u64 = found.iter().map(|r| r.end - r.start).sum();
    let header = map.inode != 0 && !map.writable && map.offset == 0 && bytes <= page_size();
    if header { Vec::new() } else { found }
}

/// Runs of whole pages that hold anything.
fn pages_written(at: u64, bytes: &[u8]) -> Vec<Range<u64>> {
    let page = page_size();
    let mut out: Vec<Range<u64>> = Vec::new();
    // What is read once more begins anywhere, and was seen before.
    let whole = if at.is_multiple_of(page) { bytes } else { &[] };
    for (i, bytes) in whole.chunks_exact(page as usize).enumerate() {
        let at = at + i as u64 * page;
        match out.last_mut() {
            _ if bytes.iter().all(|b| *b == 0) => {}
            Some(last) if last.end == at => last.end = at + page,
            _ => out.push(at..at + page),
        }
    }
    out
}

/// What two lists of ranges, each in order and without overlaps, have in common.
fn common(first: &[Range<u64>], second: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out = Vec::new();
    for range in second {
        let from = first.partition_point(|r| r.end <= range.start);
        let inside = first.iter().skip(from).take_while(|r| r.start < range.end);
        out.extend(inside.map(|r| r.start.max(range.start)..r.end.min(range.end)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_zeroes_are_not_in_memory() {
        let page = page_size();
        let mut bytes = vec![0; 5 * page as usize];
        bytes[page as usize] = 1;
        bytes[3 * page as usize - 1] = 1;
        bytes[4 * page as usize] = 1;
        assert_eq!(pages_written(8 * page, &bytes), [9 * page..11 * page, 12 * page..13 * page]);
        assert_eq!(pages_written(8 * page + 8, &bytes), []);
        let runs = joined_runs(vec![20..30, 0..10, 10..12, 25..40]);
        assert_eq!(runs, [0..12, 20..40]);
        assert_eq!(common(&runs, &[5..21, 22..23, 39..50]), [5..12, 20..21, 22..23, 39..40]);
    }
}
