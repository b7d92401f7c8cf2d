//! Memory read at once into buffers that were made ready, while the process stands still.

use crate::image::Segment;
use crate::image::fill::{Second, fill};
use crate::image::huge::{touched, zeroed};
use crate::image::leads::Leads;
use crate::image::lean::Lean;
use crate::image::stream::leads;
use crate::image::wanted::{Extent, Plan, Wanted};
use m5_process::TraceResult;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::ops::Range;

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
                segments.push(Segment { start, bytes, mapping: part.mapping, left_out: false });
                runs.extend(inside.iter().cloned());
            }
        }
        self.0.clear();
        fill(Second::Hurries, read, &mut segments, &runs, check)?;
        Ok(segments)
    }
}

/// The same without what refers to nothing, mapping by mapping, where that is most of one.
pub(crate) fn thinned(segments: Vec<Segment>, wanted: &[Wanted]) -> Vec<Segment> {
    let leads = leads(wanted);
    let mut medium = 0;
    let mut rest = segments.into_iter().peekable();
    let mut out = Vec::new();
    for part in wanted {
        let mine = std::iter::from_fn(|| rest.next_if(|s| s.mapping == part.mapping)).collect();
        out.append(&mut thinner(mine, part, &leads, &mut medium));
    }
    out
}

fn thinner(whole: Vec<Segment>, part: &Wanted, leads: &Leads, medium: &mut u64) -> Vec<Segment> {
    let held: u64 = whole.iter().map(|s| s.bytes.len() as u64).sum();
    let again = |at: u64, buf: &mut [u8]| {
        let segment = whole.iter().find(|s| (s.start..s.end()).contains(&at));
        let bytes = segment.and_then(|s| s.bytes.get((at - s.start) as usize..)).unwrap_or(&[]);
        let len = bytes.len().min(buf.len());
        buf.iter_mut().zip(bytes.get(..len).unwrap_or(&[])).for_each(|(to, from)| *to = *from);
    };
    let mut counted = *medium;
    let part_of = |medium| Lean::new(part.range.clone(), part.mapping, part.ground, leads, medium, again);
    let push = |lean: &mut Lean<'_, _>| {
        for segment in &whole {
            lean.stretch(&(segment.start..segment.end()));
            lean.push(&segment.bytes);
        }
    };
    let mut count = part_of(&mut counted).counting();
    push(&mut count);
    let kept = count.counted();
    if kept >= held / 2 {
        *medium = counted;
        return whole;
    }
    let mut lean = part_of(medium);
    push(&mut lean);
    lean.end()
}
