//! Memory read at once into buffers that were made ready, while the process stands still.

use crate::image::Segment;
use crate::image::fill::fill;
use crate::image::huge::{touched, zeroed};
use crate::image::packed::{Bytes, Packer};
use crate::image::wanted::{Extent, Plan, Wanted};
use m5_process::{TraceError, TraceResult, spool_lacks};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Gives up where the file of `--spool` is full: what it cannot take would use up the memory that it was to spare.
pub(crate) fn check_spool() -> TraceResult<()> {
    const SPARED: u64 = 16 << 20;
    match spool_lacks() {
        lacks if lacks > SPARED => {
            Err(TraceError::Refused(format!("the file of --spool has no room for {} MiB", lacks >> 20)))
        }
        _ => Ok(()),
    }
}

/// Buffers for what a process holds, made and touched before it is stopped: the first touch of our own memory
/// takes longer than the copying. What came or grew since finds no room and gets some while the target waits.
#[derive(Default)]
pub(crate) struct Room(FxHashMap<Range<u64>, Vec<u8>>);

impl Room {
    /// For what it holds now.
    pub(crate) fn for_memory_of(pid: i32) -> Self {
        let plan = Plan::of(pid, Extent::Whole, || Ok(())).unwrap_or_default();
        let ranges: Vec<Range<u64>> = plan.stretches().cloned().collect();
        let made = ranges.into_par_iter().map(|range| {
            let bytes = touched((range.end - range.start) as usize);
            (range, bytes)
        });
        Self(made.collect())
    }

    /// Reads all that is wanted.
    pub(crate) fn read(
        &mut self,
        read: &(impl Fn(u64, &mut [u8]) -> bool + Sync),
        wanted: &[Wanted],
        check: &(impl Fn() -> TraceResult<()> + Sync),
    ) -> TraceResult<Vec<Segment>> {
        let (mut segments, mut runs) = (Vec::new(), Vec::new());
        for part in wanted {
            for (stretch, inside) in &part.stretches {
                let bytes = self.0.remove(stretch);
                let bytes = bytes.unwrap_or_else(|| zeroed((stretch.end - stretch.start) as usize));
                let start = stretch.start;
                segments.push(Segment { start, bytes: bytes.into(), mapping: part.mapping, left_out: false });
                runs.extend(inside.iter().cloned());
            }
        }
        self.0.clear();
        fill(read, &mut segments, &runs, check)?;
        Ok(segments)
    }
}

/// Compresses what was read, as it is when it is read piece by piece; also where buffers lie in a file, for these do not.
pub(crate) fn packed(mut segments: Vec<Segment>) -> Vec<Segment> {
    let bytes = segments.iter().map(|s| s.bytes.len() as u64).sum();
    if let Some(mut packer) = Packer::of_held(bytes, segments.len()) {
        for segment in &mut segments {
            if let Bytes::Held(bytes) = std::mem::take(&mut segment.bytes) {
                segment.bytes = packer.pack(bytes);
            }
        }
    }
    segments
}
