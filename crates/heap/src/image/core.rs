//! The image of a core file. Which pages were in memory it does not say: a page counts that holds anything but
//! zeroes.

use crate::image::fill::{empty, fill};
use crate::image::pages::Pages;
use crate::image::wanted::{WHOLE_FILE, may_hold};
use crate::image::{Image, ReadOnly, Segment};
use m5_process::{CoreFile, Mapping, Memory, TraceResult, page_size};
use std::ops::Range;
use std::sync::Arc;

impl ReadOnly for Arc<CoreFile> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> m5_process::Result<()> {
        Memory::read(self, addr, buf)
    }
}

/// Reads all that a core file holds of memory that may change, and the first values of what was not dumped.
pub(crate) fn load(core: &Arc<CoreFile>) -> TraceResult<(Image, Pages)> {
    let maps = core.maps().to_vec();
    let mut segments: Vec<Segment> = Vec::new();
    let (mut runs, mut dumped) = (Vec::new(), Vec::new());
    for (i, map) in maps.iter().enumerate().filter(|(_, m)| may_hold(m)) {
        let found = private(core, map);
        dumped.extend(found.iter().cloned());
        let whole = map.inode != 0 && map.writable && map.end - map.start <= WHOLE_FILE;
        let wanted = if whole { std::iter::once(map.start..map.end).collect() } else { found };
        segments.extend(empty(&wanted, i));
        runs.extend(wanted);
    }
    fill(&|addr, buf: &mut [u8]| Memory::read(core, addr, buf).is_ok(), &mut segments, &runs, &|| Ok(()))?;
    let image = Image::new(segments, maps, Box::new(Arc::clone(core)));
    let held = dumped.iter().flat_map(|range| written(&image, range)).collect();
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

/// Runs of pages that hold anything.
fn written(image: &Image, range: &Range<u64>) -> Vec<Range<u64>> {
    let page = page_size();
    let mut out: Vec<Range<u64>> = Vec::new();
    for at in (range.start..range.end).step_by(page as usize) {
        let empty = image.slice(at, page as usize).is_none_or(|bytes| bytes.iter().all(|b| *b == 0));
        match out.last_mut() {
            _ if empty => {}
            Some(last) if last.end == at => last.end = at + page,
            _ => out.push(at..at + page),
        }
    }
    out
}
