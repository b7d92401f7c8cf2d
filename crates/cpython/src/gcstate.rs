//! The collector's state of a live interpreter, read through a layout that this process has confirmed.

use crate::layout::{COUNT, Collector, GENERATION_SIZE, GcAt, Layout, Stats, THRESHOLD, candidates};
use crate::{Error, Result, find};
use m5_target::{LiveMemory, Memory, Process};
use serde::{Deserialize, Serialize};

/// One generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generation {
    /// Collect when `count` exceeds this; 0 never.
    pub threshold: i32,
    /// Net allocations (generation 0) or collections of the younger one since the last collection.
    pub count: i32,
    /// Collections so far.
    pub collections: u64,
    /// Objects freed so far.
    pub collected: u64,
    /// Objects found that could not be freed.
    pub uncollectable: u64,
}

/// The collector's state at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GcState {
    /// Whether automatic collection is on.
    pub enabled: bool,
    /// Whether a collection ran while this was read.
    pub collecting: bool,
    /// Generations 0, 1 and 2.
    pub generations: [Generation; 3],
}

/// The newest record of a generation's ring (3.15+).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RingItem {
    /// Start, CLOCK_MONOTONIC nanoseconds.
    pub start_ns: u64,
    /// Stop, likewise.
    pub stop_ns: u64,
    /// Number of this collection in its generation.
    pub collections: u64,
    /// Objects freed by this generation so far.
    pub collected: u64,
    /// Objects that could not be freed so far.
    pub uncollectable: u64,
}

/// Records per generation, offset of the records and of the index that names the newest.
const RINGS: [(usize, usize, usize); 3] = [(11, 0, 704), (3, 712, 904), (3, 912, 1104)];
const RING_BLOCK: usize = 1120;
const RING_ITEM: usize = 64;

/// A main interpreter whose layout was confirmed.
#[derive(Debug, Clone)]
pub struct Interpreter {
    memory: LiveMemory,
    layout: &'static Layout,
    gc: u64,
    runtime_size: u64,
    file: String,
}

impl Interpreter {
    /// Finds the interpreter of a process and confirms its layout.
    ///
    /// # Errors
    /// [`Error::NotPython`], [`Error::Unsupported`] with what was found, or what the kernel refused.
    pub fn attach(process: &Process) -> Result<Self> {
        let found = find(process)?;
        let memory = process.memory();
        let mut doubts = Vec::new();
        for layout in candidates(found.runtime_size) {
            match confirm(&memory, found.runtime, layout)? {
                Ok(gc) => {
                    let (runtime_size, file) = (found.runtime_size, found.file);
                    return Ok(Self { memory, layout, gc, runtime_size, file });
                }
                Err(doubt) => doubts.push(format!("layout {}: {doubt}", layout.name)),
            }
        }
        let found =
            format!("sizeof(_PyRuntime) = {} in {}; {}", found.runtime_size, found.file, doubts.join("; "));
        Err(Error::Unsupported { pid: process.pid(), found })
    }

    /// The same interpreter in a process that was forked from this one: every address is the same there.
    #[must_use]
    pub fn in_fork(&self, pid: i32) -> Self {
        Self { memory: LiveMemory::new(pid), ..self.clone() }
    }

    /// The layout in use.
    #[must_use]
    pub fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// `sizeof(_PyRuntime)` of this build.
    #[must_use]
    pub fn runtime_size(&self) -> u64 {
        self.runtime_size
    }

    /// The file that holds the interpreter.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Address of `collecting`, for a watchpoint.
    #[must_use]
    pub fn collecting_address(&self) -> u64 {
        self.gc + self.layout.collecting
    }

    /// Addresses whose change tells the generation of a collection, and how many bytes of each to watch.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn label_addresses(&self) -> Result<([u64; 3], u64)> {
        Ok(match self.layout.stats {
            Stats::Inline { offset } => ([0, 1, 2].map(|g| self.gc + offset + GENERATION_SIZE * g), 4),
            Stats::Ring { pointer } => {
                let block = self.memory.u64(self.gc + pointer)?;
                (RINGS.map(|(_, _, index)| block + index as u64), 1)
            }
        })
    }

    /// Reads the state.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn read(&self) -> Result<GcState> {
        let mut state = read_plain(&self.memory, self.gc, self.layout)?;
        if let Some(rings) = self.rings()? {
            for (generation, ring) in state.generations.iter_mut().zip(&rings) {
                if let Some(newest) = ring.iter().max_by_key(|r| r.collections) {
                    generation.collections = newest.collections;
                    generation.collected = newest.collected;
                    generation.uncollectable = newest.uncollectable;
                }
            }
        }
        Ok(state)
    }

    /// Every record of the three rings (3.15+), in no order; `None` where the build has no rings.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn rings(&self) -> Result<Option<[Vec<RingItem>; 3]>> {
        let Stats::Ring { pointer } = self.layout.stats else { return Ok(None) };
        let block = self.memory.u64(self.gc + pointer)?;
        let bytes: [u8; RING_BLOCK] = self.memory.bytes(block)?;
        Ok(Some(
            RINGS.map(|(items, at, _)| (0..items).map(|i| ring_item(&bytes, at + i * RING_ITEM)).collect()),
        ))
    }
}

fn ring_item(bytes: &[u8], at: usize) -> RingItem {
    RingItem {
        start_ns: word(bytes, at),
        stop_ns: word(bytes, at + 8),
        collections: word(bytes, at + 16),
        collected: word(bytes, at + 24),
        uncollectable: word(bytes, at + 32),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    field.map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> i32 {
    let field = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    field.map_or(0, i32::from_le_bytes)
}

/// Largest collector state of any layout.
const GC_SIZE: usize = 264;

fn read_plain(memory: &impl Memory, gc: u64, layout: &Layout) -> Result<GcState> {
    let bytes: [u8; GC_SIZE] = memory.bytes(gc)?;
    let mut state = GcState {
        enabled: half(&bytes, layout.enabled as usize) != 0,
        collecting: half(&bytes, layout.collecting as usize) != 0,
        ..GcState::default()
    };
    for (i, generation) in state.generations.iter_mut().enumerate() {
        let at = (layout.generations + GENERATION_SIZE * i as u64) as usize;
        generation.threshold = half(&bytes, at + THRESHOLD as usize);
        generation.count = half(&bytes, at + COUNT as usize);
        if let Stats::Inline { offset } = layout.stats {
            let at = offset as usize + 24 * i;
            generation.collections = word(&bytes, at);
            generation.collected = word(&bytes, at + 8);
            generation.uncollectable = word(&bytes, at + 16);
        }
    }
    Ok(state)
}

/// Confirms a layout on the live process: the address of its collector, or why it does not fit.
fn confirm(memory: &impl Memory, runtime: u64, layout: &Layout) -> Result<std::result::Result<u64, String>> {
    let gc = match layout.gc {
        GcAt::Runtime(offset) => runtime + offset,
        GcAt::Interpreter(offset) => match memory.u64(runtime + layout.interpreters_main)? {
            0 => return Ok(Err("no main interpreter yet".to_owned())),
            main => main.wrapping_add(offset),
        },
    };
    if let Some(at) = layout.generation0 {
        let distance = memory.u64(gc + at)?.wrapping_sub(gc);
        if distance != layout.generations {
            return Ok(Err(format!("generation0 lies {distance:#x} from gc, not {}", layout.generations)));
        }
    }
    let state = read_plain(memory, gc, layout)?;
    let sane = |g: &Generation| g.threshold >= 0 && g.count >= -1_000_000 && g.collections < 1 << 48;
    let oldest = layout.generations + 2 * GENERATION_SIZE;
    let back = memory.u64(memory.u64(gc + oldest)? + 8)? & !3;
    Ok(if !state.generations.iter().all(sane) {
        Err("implausible counters".to_owned())
    } else if layout.collector == Collector::Generational && !state.collecting && back != gc + oldest {
        Err("the list of generation 2 does not link back".to_owned())
    } else {
        Ok(gc)
    })
}
