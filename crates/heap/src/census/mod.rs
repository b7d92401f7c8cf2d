//! Every object of an image, tracked by the collector or not.

pub(crate) mod anchor;
pub(crate) mod arenas;
pub(crate) mod block_owners;
pub(crate) mod blocks;
pub(crate) mod by_thread;
pub(crate) mod count;
pub(crate) mod foreign;
pub(crate) mod glibc;
pub(crate) mod index;
mod jemalloc;
pub(crate) mod kind;
pub(crate) mod mimalloc;
pub(crate) mod outside;
pub(crate) mod pymalloc;
pub(crate) mod runs;
pub(crate) mod sizes;
pub(crate) mod statics;
mod tcmalloc;
pub(crate) mod types;
pub(crate) mod validate;

use crate::census::anchor::Anchor;
use crate::graph::column::Column;
use crate::graph::dict::{Dict, word};
use crate::image::Image;
use crate::names::text;
use crate::take::stage_times::Stopwatch;
use arenas::ArenaIndex;
use by_thread::ByThread;
use glibc::{Chunk, Heaps, Holds, RegionKind};
use index::ObjectIndex;
use m5_process::{ADDRESS_BITS, LOWEST_ADDRESS};
use pymalloc::{Arena, PoolStats};
use rayon::prelude::*;
use runs::{Columns, Run};
use std::ops::Range;
use types::{TypeDesc, TypeTable};

/// Chunks that one task looks at.
const CHUNKS: usize = 1 << 15;

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Census {
    /// Types.
    pub types: TypeTable,
    /// Address of each object, ascending.
    pub address: Column<u64>,
    /// Type of each object.
    pub type_of: Column<u32>,
    /// From an address to a number.
    pub index: ObjectIndex,
    /// Arenas of the small object allocator.
    pub arenas: Vec<Arena>,
    /// From where to where each arena goes, ascending.
    pub(crate) taken: Vec<(u64, u64)>,
    /// From an address to its arena and its block.
    pub(crate) small: ArenaIndex,
    /// Its figures.
    pub pools: PoolStats,
    /// Bytes of its blocks that hold objects.
    pub object_block_bytes: u64,
    /// The C library's heaps.
    pub heaps: Heaps,
    /// Small blocks in use that hold no object: buffers of objects, and what nobody is known to own.
    pub(crate) loose: Vec<u64>,
    /// What of each segment is data of files.
    data: Vec<Range<u64>>,
    /// The interpreter's table of interned strings, which holds them without being counted.
    pub interned: Option<u32>,
    /// References that threads count by themselves.
    pub(crate) by_thread: ByThread,
    /// Whether there is memory of mimalloc.
    pub(crate) mimalloc: bool,
}

impl Census {
    /// Finds all objects.
    #[must_use]
    pub fn take(image: &Image, anchor: &Anchor, watch: &mut Stopwatch) -> Self {
        let arenas = pymalloc::arenas(image, anchor);
        let size = 1u64 << anchor.layout.arena_bits;
        let taken: Vec<(u64, u64)> =
            arenas.iter().map(|a| (a.address, a.address.saturating_add(size))).collect();
        let small = ArenaIndex::new(&arenas, anchor.layout.arena_bits, anchor.layout.pool_bits);
        let free_threaded = anchor.layout.free_threaded;
        let mimalloc = mimalloc::walk(image, free_threaded);
        let data = statics::ranges(image);
        let tcmalloc = tcmalloc::walk(image, &statics::data(image, &data, &taken));
        let has_mimalloc = !mimalloc.segments.is_empty();
        let spans: Vec<(u64, u64)> = tcmalloc.iter().map(|r| (r.start, r.end)).collect();
        let mut known = [taken.as_slice(), &mimalloc.segments, &spans].concat();
        known.sort_unstable();
        let mut heaps = glibc::walk(image, &known);
        heaps.add(mimalloc.regions);
        heaps.add(tcmalloc);
        let jemalloc = jemalloc::walk(image, &foreign::unclaimed(image, &taken, &heaps, &data));
        heaps.add(jemalloc);
        watch.lap("allocators");
        // A free-threaded build keeps all its objects where its collector can find them.
        let foreign = if free_threaded { Vec::new() } else { foreign::pieces(image, &taken, &heaps, &data) };
        let mut candidates = statics::type_candidates(image, anchor, &heaps, &data);
        candidates.extend(foreign::type_candidates(image, anchor, &foreign));
        let types = TypeTable::find(image, anchor, &candidates);
        watch.lap("types");
        let finder = Finder { image, anchor, types: &types };
        let (mut runs, loose): (Vec<Run>, Vec<Vec<u64>>) = arenas.par_iter().map(|a| finder.arena(a)).unzip();
        let chunks = heaps.regions.par_iter().flat_map(|r| r.chunks.par_chunks(CHUNKS).map(|c| (r.kind, c)));
        runs.par_extend(chunks.map(|(kind, chunks)| finder.chunks(kind, chunks)));
        runs.extend(statics::objects(image, &types, &finder, statics::data(image, &data, &taken)));
        runs.extend(foreign::objects(&finder, &foreign));
        let mut census =
            Self { types, arenas, taken, small, heaps, data, loose: loose.concat(), ..Self::default() };
        census.by_thread = ByThread::read(image, anchor);
        census.mimalloc = has_mimalloc;
        census.gather(image, runs);
        let regions = foreign::regions(image, anchor, &census, &foreign);
        census.heaps.add(regions);
        census.interned = census.find_interned(image, anchor);
        watch.lap("objects");
        census
    }

    fn gather(&mut self, image: &Image, runs: Vec<Run>) {
        for run in &runs {
            self.pools.add(&run.stats);
            self.object_block_bytes += run.block_bytes;
        }
        let columns = Columns::of(runs);
        (self.address, self.type_of) = (columns.address.into(), columns.type_of.into());
        self.index = ObjectIndex::new(image, &self.address);
    }

    /// The largest dictionary whose first keys are interned strings that are their own values: texts that a program has
    /// made one by a dictionary of its own are not interned.
    fn find_interned(&self, image: &Image, anchor: &Anchor) -> Option<u32> {
        const SMALLEST: u64 = 64;
        const LOOK: usize = 64;
        let mut best: Option<(u64, u32)> = None;
        for object in 0..self.len() as u32 {
            if self.desc(object).is_none_or(|d| d.kind != kind::Kind::Dict) {
                continue;
            }
            let at = self.address.get(object as usize).copied().unwrap_or(0);
            let used = image.word_at(at, 16).unwrap_or(0);
            if used < SMALLEST || best.is_some_and(|(most, _)| most >= used) {
                continue;
            }
            let Some(dict) = Dict::read(image, anchor.layout, at) else { continue };
            let items = dict.items(image).filter(|(_, value)| *value != 0).take(LOOK);
            let same = items
                .take_while(|(key, value)| key == value && text::interned(image, anchor.layout, *key))
                .count();
            if same == LOOK {
                best = Some((used, object));
            }
        }
        best.map(|(_, object)| object)
    }

    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.address.len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.address.is_empty()
    }

    /// Static data without what allocators put into the same mappings.
    pub(crate) fn static_data<'a>(&self, image: &'a Image) -> Vec<statics::Piece<'a>> {
        statics::data(image, &self.data, &self.taken)
    }

    /// Type of an object.
    #[must_use]
    pub fn desc(&self, object: u32) -> Option<&TypeDesc> {
        self.types.get(*self.type_of.get(object as usize)?)
    }
}

/// Decides what is an object.
#[derive(Debug, Clone, Copy)]
struct Finder<'a> {
    image: &'a Image,
    anchor: &'a Anchor,
    types: &'a TypeTable,
}

impl Finder<'_> {
    /// Objects of an arena, and its blocks in use that hold none.
    fn arena(&self, arena: &Arena) -> (Run, Vec<u64>) {
        let mut run = Run::new(arena.address);
        let (mut block_bytes, mut loose) = (0, Vec::new());
        run.stats = pymalloc::walk(self.image, self.anchor, arena, |at, bytes| {
            if let Some((offset, number)) = self.object(at, bytes, bytes.len() as u64) {
                run.push(at + offset, number);
                block_bytes += bytes.len() as u64;
            } else {
                loose.push(at);
            }
        });
        run.block_bytes = block_bytes;
        (run, loose)
    }

    fn chunks(&self, kind: RegionKind, chunks: &[Chunk]) -> Run {
        let mut run = Run::new(chunks.first().map_or(0, |c| c.address));
        for chunk in chunks.iter().filter(|c| !c.free()) {
            let found = match self.anchor.layout.free_threaded {
                true => self.unlocked(kind, chunk),
                false => self.chunk(chunk),
            };
            if let Some((offset, number)) = found {
                run.push(chunk.address + offset, number);
            }
        }
        run
    }

    /// The object in a chunk of a free-threaded build: pages say whether there is one, and where in its block.
    fn unlocked(&self, kind: RegionKind, chunk: &Chunk) -> Option<(u64, u32)> {
        let offset = match kind {
            RegionKind::Page(Holds::Plain | Holds::Collected) => 0,
            RegionKind::Page(Holds::Managed) => 16,
            // NumPy takes memory for its classes from the C library.
            RegionKind::Main | RegionKind::Thread | RegionKind::Mapped => {
                return self.types.number(chunk.address).map(|_| 0).zip(self.type_of(chunk.address));
            }
            _ => return None,
        };
        let own = chunk.address + offset;
        let number = self.type_of(own)?;
        let desc = self.types.get(number).filter(|d| d.prefix == offset)?;
        let (image, layout) = (self.image, self.anchor.layout);
        let size = sizes::inline(image, layout, own, desc)?;
        let fits =
            size <= chunk.usable() - offset + desc.slack && sizes::consistent(image, layout, own, desc.kind);
        (fits && count::living(image, own)).then_some((offset, number))
    }

    /// The type that an object at this address would have.
    fn type_of(&self, own: u64) -> Option<u32> {
        self.types.number(self.image.word_at(own, 8)?)
    }

    fn chunk(&self, chunk: &Chunk) -> Option<(u64, u32)> {
        let tail = self.image.tail(chunk.address)?;
        let bytes = tail.get(..tail.len().min(chunk.usable() as usize))?;
        self.object(chunk.address, bytes, chunk.usable())
    }

    /// Whether a block of that many bytes, of which these were in memory, is an object: at which offset, of which
    /// type.
    fn object(&self, at: u64, bytes: &[u8], room: u64) -> Option<(u64, u32)> {
        let pads = pads(bytes);
        let (offset, number) = self.bare(at + pads as u64, bytes.get(pads..)?, room - pads as u64)?;
        Some((offset + pads as u64, number))
    }

    fn bare(&self, at: u64, bytes: &[u8], room: u64) -> Option<(u64, u32)> {
        const OFFSETS: [usize; 3] = [0, 16, 32];
        OFFSETS.iter().find_map(|offset| {
            let number = self.types.number(word(bytes, offset + 8))?;
            let desc = self.types.get(number)?;
            let headed = desc.prefix == *offset as u64 && (!desc.gc() || collector_head(bytes, *offset));
            // A class that a library allocated by itself has no head.
            let class = *offset == 0 && desc.meta() && self.types.number(at).is_some();
            let sane = (headed || class) && bytes.len() >= offset + 16 && self.living(word(bytes, *offset));
            if !sane {
                return None;
            }
            let own = at + *offset as u64;
            let size = sizes::inline(self.image, self.anchor.layout, own, desc)?;
            sizes::consistent(self.image, self.anchor.layout, own, desc.kind).then_some(())?;
            (size <= room - *offset as u64 + desc.slack).then_some((*offset as u64, number))
        })
    }

    /// A reference count of something that lives: 32 bits, counts that mean "forever" included. Above them lie what
    /// overflowed, which is nothing, and in some versions flags. Where the heap follows an executable at a low address,
    /// addresses are no large numbers: what Python keeps for reuse has that of the next one there, and two words of a
    /// buffer one of an object and one of a type.
    fn living(&self, count: u64) -> bool {
        const LOW: u64 = 1 << 16;
        let count = if self.anchor.layout.flagged_counts { count & 0x0000_ffff_ffff_ffff } else { count };
        let address = || count > LOW && count.is_multiple_of(8) && self.type_of(count).is_some();
        count != 0 && count < 1 << 32 && !address()
    }
}

/// What `PYTHONMALLOC=debug` puts before the caller's memory: its size, a letter for the kind, a fence.
pub(crate) const PAD: usize = 16;

/// A large block has it twice: Python's allocator of objects hands it on to the one of raw memory.
const MOST_PADS: usize = 2;

/// How much of it a block begins with, in bytes.
pub(crate) fn pads(bytes: &[u8]) -> usize {
    bytes.chunks(PAD).take(MOST_PADS).take_while(|chunk| padded(chunk)).count() * PAD
}

/// Whether a block begins with that.
pub(crate) fn padded(bytes: &[u8]) -> bool {
    matches!(bytes.get(8..PAD), Some([b'o' | b'm' | b'r', fence @ ..]) if fence == [0xfd; 7])
}

/// The two words of the collector's header: unset but for marks, or a link with marks in it and another; in the
/// middle of a collection the second is a count of references. The ends of the lists may lie at any address.
fn collector_head(bytes: &[u8], offset: usize) -> bool {
    let (next, previous) = (word(bytes, offset - 16), word(bytes, offset - 8));
    match next {
        0 => previous < 8,
        _ => next >> ADDRESS_BITS == 0 && next >= LOWEST_ADDRESS && previous >> ADDRESS_BITS == 0,
    }
}
