//! Whether a collector of a layout is at an address, by what its memory says.

use super::confidence::Confidence;
use crate::decode::word;
use crate::gcstate::{GC_SIZE_MAX, Generation, decode_gc};
use crate::layout::{Collector, GENERATION_SIZE, GcAt, Layout, Stats};
use m5_process::Memory;

/// Looks at an interpreter until a doubt is taken to last. A collection begins in some of them, hardly in all.
const TRIES: usize = 20;

/// What speaks against a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing yet: a collection runs.
    Busy,
    /// This does.
    Wrong(String),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("it is busy collecting"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

/// Address of an interpreter's collector.
pub(crate) fn gc_of(runtime: u64, interpreter: u64, layout: &Layout) -> u64 {
    match layout.gc {
        GcAt::Runtime(offset) => runtime.wrapping_add(offset),
        GcAt::Interpreter(offset) => interpreter.wrapping_add(offset),
    }
}

/// Whether a collector of this layout is at this address. A list that is read while a collection begins does not
/// link back for that moment, so only a doubt that lasts counts.
pub(crate) fn collects(memory: &impl Memory, gc: u64, layout: &Layout) -> bool {
    (0..TRIES).any(|_| matches!(doubt_of_gc(memory, gc, layout, Confidence::Exact), Ok(None)))
}

/// What speaks against a collector of this layout at this address.
pub(crate) fn doubt_of_gc(
    memory: &impl Memory,
    gc: u64,
    layout: &Layout,
    confidence: Confidence,
) -> m5_process::Result<Option<Doubt>> {
    let bytes = bytes_of(memory, gc, layout)?;
    let get = |at: u64| word(&bytes, at as usize);
    if let Some(at) = layout.generation0.filter(|_| !layout.free_threaded) {
        let distance = get(at).wrapping_sub(gc);
        if distance != layout.generations {
            return wrong(format!("generation0 lies {distance:#x} from gc, not {:#x}", layout.generations));
        }
    }
    let state = decode_gc(&bytes, layout);
    let flag = |at: u64| get(at) as u32 <= 1;
    let sane = |g: &Generation| g.threshold >= 0 && g.count >= -1_000_000 && g.collections < 1 << 48;
    if !(flag(layout.enabled) && flag(layout.collecting) && state.generations.iter().all(sane)) {
        return wrong("implausible flags or counters");
    }
    if layout.free_threaded {
        // It keeps no lists.
        let unused = |generation: u64| layout.generations + GENERATION_SIZE * generation;
        let heads = (0..3).map(unused).chain([layout.permanent]).flat_map(|head| [head, head + 8]);
        if heads.map(get).any(|word| word != 0) {
            return wrong("the lists that a free-threaded build does not use are in use");
        }
    } else if confidence != Confidence::Exact && state.collecting {
        return Ok(Some(Doubt::Busy));
    }
    if let Stats::Ring { pointer, sizes } = layout.stats {
        memory.read(get(pointer), &mut vec![0; sizes.bytes()])?;
    }
    // 3.8 makes these lists when `gc` is first imported.
    let lists = [get(layout.garbage), get(layout.callbacks)];
    if !lists.contains(&0) {
        let [garbage, callbacks] = lists.map(|list| memory.u64(list.wrapping_add(layout.object_type())));
        if garbage? != callbacks? {
            return wrong("gc.garbage and gc.callbacks are not of one type");
        }
    }
    if !state.collecting && layout.collector == Collector::Generational {
        let oldest = layout.generations + 2 * GENERATION_SIZE;
        if !links_back(memory, gc.wrapping_add(oldest))? {
            return wrong("the list of generation 2 does not link back");
        }
    }
    match layout.free_threaded || links_back(memory, gc.wrapping_add(layout.permanent))? {
        true => Ok(None),
        false => wrong("the list of the permanent generation does not link back"),
    }
}

fn wrong(what: impl Into<String>) -> m5_process::Result<Option<Doubt>> {
    Ok(Some(Doubt::Wrong(what.into())))
}

/// What speaks against writing into this collector: stricter than for reading, since a wrong offset would
/// change something else. Whether the tables know the size of the build does not matter; the process has to say
/// itself where its collector is. Where it has no field that points at generation 0, or its size is not known,
/// all three lists must link back; a free-threaded build has none, and must leave their places empty.
pub(crate) fn doubt_before_write(
    memory: &impl Memory,
    gc: u64,
    layout: &Layout,
    confidence: Confidence,
) -> m5_process::Result<Option<Doubt>> {
    let doubt = doubt_of_gc(memory, gc, layout, Confidence::Exact)?;
    let sure = layout.generation0.is_some() && confidence == Confidence::Exact;
    if doubt.is_some() || sure || layout.free_threaded {
        return Ok(doubt);
    }
    // A young object may come or go between the two reads; of many tries one must be quiet.
    for generation in 0..3 {
        let head = gc.wrapping_add(layout.generations + GENERATION_SIZE * generation);
        if !(0..1000).any(|_| links_back(memory, head).unwrap_or(false)) {
            let busy = decode_gc(&bytes_of(memory, gc, layout)?, layout).collecting;
            return match busy {
                true => Ok(Some(Doubt::Busy)),
                false => wrong(format!("the list of generation {generation} does not link back")),
            };
        }
    }
    Ok(None)
}

fn bytes_of(memory: &impl Memory, gc: u64, layout: &Layout) -> m5_process::Result<Vec<u8>> {
    let mut bytes = vec![0; (layout.gc_size as usize).min(GC_SIZE_MAX)];
    memory.read(gc, &mut bytes)?;
    Ok(bytes)
}

/// Whether the first object of a list names the list's head as the one before it. The low bits hold flags.
fn links_back(memory: &impl Memory, head: u64) -> m5_process::Result<bool> {
    let first = memory.u64(head)? & !3;
    Ok(memory.u64(first.wrapping_add(8))? & !3 == head)
}
