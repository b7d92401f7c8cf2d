//! Fills the segments of an image from wherever its memory lies.

use crate::image::Segment;
use m5_process::{TraceResult, page_size};
use std::ops::Range;
use std::sync::Mutex;

/// Gaps of non-resident pages up to this size stay inside a segment, as zeroes.
const GAP: u64 = 256 << 10;
const CHUNK: usize = 4 << 20;

/// Runs in order, those that touch or overlap as one.
pub(crate) fn joined_runs(mut runs: Vec<Range<u64>>) -> Vec<Range<u64>> {
    runs.sort_by_key(|r| r.start);
    runs.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    runs
}

/// Runs, those with small gaps between them as one.
pub(crate) fn joined(runs: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(last) if run.start - last.end <= GAP => last.end = run.end,
            _ => out.push(run.clone()),
        }
    }
    out
}

/// Reads the runs into their segments, on two threads.
pub(crate) fn fill(
    read: &(impl Fn(u64, &mut [u8]) -> bool + Sync),
    segments: &mut [Segment],
    runs: &[Range<u64>],
    check: &(impl Fn() -> TraceResult<()> + Sync),
) -> TraceResult<()> {
    let mut work: Vec<(u64, &mut [u8])> = Vec::new();
    let mut runs = runs.iter().peekable();
    for segment in segments.iter_mut() {
        let (mut at, end) = (segment.start, segment.end());
        let mut rest = segment.bytes.held_mut();
        while let Some(run) = runs.next_if(|r| r.start < end) {
            let (_, tail) = std::mem::take(&mut rest).split_at_mut((run.start - at) as usize);
            let (mine, tail) = tail.split_at_mut((run.end - run.start) as usize);
            rest = tail;
            at = run.end;
            let chunks = mine.chunks_mut(CHUNK).enumerate();
            work.extend(chunks.map(|(i, chunk)| (run.start + (i * CHUNK) as u64, chunk)));
        }
    }
    let work = Mutex::new(work);
    let reader = &|| -> TraceResult<()> {
        loop {
            let next = work.lock().map_or(None, |mut w| w.pop());
            let Some((addr, buf)) = next else { return Ok(()) };
            check()?;
            read_chunk(read, addr, buf);
        }
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(reader);
        let first = reader();
        second.join().unwrap_or(Ok(())).and(first)
    })
}

/// A page that went away meanwhile (live) or cannot be read (device, poisoned) stays zero.
pub(crate) fn read_chunk(read: &impl Fn(u64, &mut [u8]) -> bool, addr: u64, buf: &mut [u8]) {
    if read(addr, buf) {
        return;
    }
    for (i, page) in buf.chunks_mut(page_size() as usize).enumerate() {
        if !read(addr + i as u64 * page_size(), page) {
            page.fill(0);
        }
    }
}
