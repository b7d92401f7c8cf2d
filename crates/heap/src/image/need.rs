//! How much memory m5 itself comes to hold, before anything is captured: told from a sample of the target's pages.
//!
//! What a byte of the target costs depends on what it is: a page of objects stays in the image and makes columns of
//! objects, references and dominators; a page of numbers costs nothing.

use crate::image::leads::Leads;
use crate::image::packed;
use crate::image::stream::leads;
use crate::image::wanted::{Extent, Plan};
use m5_process::{Headroom, Process, TraceResult, open_live, spooling};
use std::os::unix::fs::FileExt;

/// The program itself, its threads, what every interpreter has, medium blocks that stay.
pub(crate) const BASE: u64 = 64 << 20;
/// Bytes of graph, indices and dominators for each byte of references: 3.2 and less were measured.
const PER_REFERENCE: f64 = 3.6;
/// A page with this share of references is one of objects and stays whole.
const OBJECTS: f64 = 1.0 / 16.0;
/// What stays of a page with fewer: the beginnings of its blocks.
const BEGINNINGS: f64 = 0.15;
const PAGE: usize = 4096;
const SAMPLE: usize = 1024;

/// What pages were found to be, as shares of all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mixture {
    /// Pages of objects.
    objects: f64,
    /// Pages that refer to something, but rarely.
    blocks: f64,
    /// Bytes of references among all bytes.
    references: f64,
    /// What pages of objects come to when they are compressed one by one; many at once become less.
    packed: f64,
}

impl Mixture {
    /// What stays of all bytes in an image, as a share.
    fn stays(&self) -> f64 {
        self.objects + self.blocks * BEGINNINGS
    }
}

/// What m5 itself comes to take for a capture of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnNeed {
    /// Bytes of its memory where nothing lies in a file.
    pub held: u64,
    /// Bytes of the file where large buffers lie in one (`m5_process::spool`).
    pub spooled: u64,
    /// Whether the pages of such a file have room beside the target's below every limit that it shares with m5: they can be
    /// written out, but the target waits where that has to be done for it.
    pub beside_target: bool,
}

/// Looks at what the process holds, while it runs.
///
/// # Errors
/// Where it is gone or may not be looked at.
pub fn own_need(process: &Process) -> TraceResult<OwnNeed> {
    let plan = Plan::of(process.pid(), Extent::Whole, || Ok(()))?;
    let mixture = sampled(process, &plan)?;
    let bytes = plan.bytes() as f64;
    let spooled = (bytes * (mixture.stays() + mixture.references * PER_REFERENCE)) as u64;
    let beside_target = Headroom::of(process.pid()).fits_beside(spooled);
    Ok(OwnNeed { held: held(plan.bytes(), mixture, Extent::Lean, false), spooled, beside_target })
}

/// Bytes that m5 comes to hold for a capture; `whole` where all is read before anything is left out, which is done in memory
/// even where large buffers lie in a file.
pub(crate) fn own(process: &Process, extent: Extent, whole: bool) -> TraceResult<u64> {
    if spooling() && !whole {
        return Ok(BASE);
    }
    let plan = Plan::of(process.pid(), Extent::Whole, || Ok(()))?;
    if spooling() {
        return Ok(BASE + plan.bytes());
    }
    let mixture = sampled(process, &plan)?;
    let own = held(plan.bytes(), mixture, extent, whole);
    tracing::debug!(pid = process.pid(), ?mixture, read = plan.bytes(), own, "what m5 itself may need");
    Ok(own)
}

fn held(read: u64, mixture: Mixture, extent: Extent, whole: bool) -> u64 {
    let bytes = read as f64;
    let image = match (extent, packed::cache(read)) {
        (Extent::Whole, _) => bytes,
        (_, None) => bytes * mixture.stays(),
        (_, Some(cache)) => {
            bytes * (mixture.packed + mixture.blocks * BEGINNINGS)
                + (cache as f64).min(bytes * mixture.stays())
        }
    };
    let analysed = image + bytes * mixture.references * PER_REFERENCE;
    BASE + if whole { analysed.max(bytes) } else { analysed } as u64
}

/// Looks at pages all over what is to be read, while the target runs.
fn sampled(process: &Process, plan: &Plan) -> TraceResult<Mixture> {
    let leads = leads(&plan.wanted);
    let memory = open_live(process.pid())?;
    let pages = plan.bytes() / PAGE as u64;
    let step = (pages / SAMPLE as u64).max(1);
    let mut page = vec![0; PAGE];
    let (mut sum, mut seen, mut before) = (Mixture::default(), 0u64, 0u64);
    for stretch in plan.stretches() {
        let count = (stretch.end - stretch.start) / PAGE as u64;
        let first = before.next_multiple_of(step);
        for number in (first..before + count).step_by(step as usize) {
            let at = stretch.start + (number - before) * PAGE as u64;
            // A page of a file that the target never touched would be mapped into it by the look.
            if !present(&plan.own.runs, at) {
                continue;
            }
            // What went away meanwhile is not asked for.
            if memory.read_exact_at(&mut page, at).is_ok() {
                add(&mut sum, &leads, &page);
                seen += 1;
            }
        }
        before += count;
    }
    let share = |sum: f64| sum / seen.max(1) as f64;
    Ok(Mixture {
        objects: share(sum.objects),
        blocks: share(sum.blocks),
        references: share(sum.references),
        packed: share(sum.packed),
    })
}

/// Whether one of these runs, which are in order, holds the page.
fn present(runs: &[std::ops::Range<u64>], at: u64) -> bool {
    runs.get(runs.partition_point(|run| run.end <= at)).is_some_and(|run| run.start <= at)
}

fn add(sum: &mut Mixture, leads: &Leads, page: &[u8]) {
    let references = leads.count(page) as f64 * 8.0 / PAGE as f64;
    sum.references += references;
    match references {
        0.0 => {}
        few if few < OBJECTS => sum.blocks += 1.0,
        _ => {
            sum.objects += 1.0;
            sum.packed += packed::packed_len(page) as f64 / PAGE as f64;
        }
    }
}
