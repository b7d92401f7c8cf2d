//! Leaves out of an image what refers to nothing and what nobody reads: the insides of large blocks of plain data
//! (arrays of numbers, texts, bytes). Their beginnings stay, and so does all of every block that holds a single word
//! which may be an address.

use crate::census::glibc::heads;
use crate::image::Segment;
use crate::image::leads::Leads;
use crate::image::packed::{Assembly, Packer};
use std::ops::Range;

/// What of a block stays: the allocator's words, a debug allocator's, the collector's, and an object's own.
const HEAD: u64 = 192;
/// Smaller blocks stay whole: a name may be read of them.
const SMALLEST: u64 = 2 << 10;
/// Blocks up to this size may be tables of a code object's lines: the first ones stay whole, which lie where modules
/// were loaded.
const MEDIUM: u64 = 64 << 10;
const MEDIUM_KEPT: u64 = 24 << 20;
/// So much of a block's inside is searched for addresses at odd places too: fields of packed structs come again in
/// every element.
const ANYWHERE: u64 = 16 << 10;
/// The main heap of an allocator that is not the C library's shows few blocks.
const SURE: u32 = 16;
/// So much of what was left out comes back at a time.
const SMALL: usize = 1 << 20;

/// What a stretch of memory is to the C library's allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// No memory of the allocator's: all of it stays.
    Other,
    /// The heap grown by brk.
    Main,
    /// Anonymous memory: chunks mapped by themselves and heaps of thread arenas.
    Anonymous,
}

/// Where the walk over a stretch is.
#[derive(Debug, Clone)]
enum Place {
    /// All that follows stays.
    Lost,
    /// Before the head of a chunk of a heap that ends there.
    Heap(u64),
    /// Before a page that may begin anything.
    Page,
    /// In a chunk.
    Chunk(Chunk),
}

#[derive(Debug, Clone)]
struct Chunk {
    end: u64,
    /// Its inside begins here; none where it stays whole.
    inside: Option<u64>,
    /// What of its inside was left out so far.
    out: Range<u64>,
    /// End of the heap that it is in; none where it was mapped by itself.
    heap: Option<u64>,
}

/// Takes the bytes of a mapping in order and makes segments of them.
pub(crate) struct Lean<'a, S> {
    leads: &'a Leads,
    /// Reads again what was left out too early.
    source: S,
    mapping: u32,
    /// Where the mapping ends.
    end: u64,
    /// Where the stretch ends that is at hand.
    stretch: u64,
    at: u64,
    place: Place,
    chunks: u32,
    medium: &'a mut u64,
    open_at: u64,
    open: Assembly<'a>,
    out: Vec<Segment>,
}

impl<'a, S: Fn(u64, &mut [u8])> Lean<'a, S> {
    /// `medium` counts the bytes of medium blocks that stayed, over all mappings of an image; `packer` compresses large
    /// segments.
    pub(crate) fn new(
        range: Range<u64>,
        mapping: u32,
        ground: Ground,
        leads: &'a Leads,
        medium: &'a mut u64,
        packer: Option<&'a mut Packer>,
        source: S,
    ) -> Self {
        let place = match ground {
            Ground::Other => Place::Lost,
            Ground::Main => Place::Heap(range.end),
            Ground::Anonymous => Place::Page,
        };
        Self {
            leads,
            source,
            mapping,
            end: range.end,
            stretch: range.start,
            at: range.start,
            place,
            chunks: 0,
            medium,
            open_at: range.start,
            open: Assembly::new(packer),
            out: Vec::new(),
        }
    }

    /// On to the next stretch of pages that are in memory.
    pub(crate) fn stretch(&mut self, range: &Range<u64>) {
        if range.start > self.at {
            let left_out = self.leave_chunk(range.start);
            self.close(left_out, range.start);
            self.at = range.start;
        }
        self.stretch = range.end;
    }

    /// What is in memory of a chunk behind a gap stays.
    fn leave_chunk(&mut self, to: u64) -> bool {
        match &mut self.place {
            Place::Chunk(chunk) => {
                let left_out = chunk.out.end > chunk.out.start;
                let (end, heap) = (chunk.end, chunk.heap);
                self.place = match heap {
                    _ if to < end => Place::Chunk(Chunk { end, inside: None, out: end..end, heap }),
                    None => Place::Page,
                    Some(_) => Place::Lost,
                };
                left_out
            }
            Place::Heap(_) => {
                self.place = Place::Lost;
                false
            }
            Place::Lost | Place::Page => false,
        }
    }

    /// The next bytes, whole pages of them.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match &self.place {
                Place::Lost => self.keep(bytes),
                Place::Heap(end) => self.head(bytes, *end),
                Place::Page => self.page(bytes),
                Place::Chunk(_) => self.chunk(bytes),
            };
            self.at += used as u64;
            bytes = bytes.get(used..).unwrap_or(&[]);
        }
    }

    /// Pages that are not in memory.
    pub(crate) fn push_zeroes(&mut self, mut len: u64) {
        const ZEROES: [u8; 4096] = [0; 4096];
        while len > 0 {
            let part = len.min(ZEROES.len() as u64);
            self.push(ZEROES.get(..part as usize).unwrap_or(&ZEROES));
            len -= part;
        }
    }

    /// The segments.
    pub(crate) fn end(mut self) -> Vec<Segment> {
        let left_out = self.leave_chunk(u64::MAX);
        self.close(left_out, self.at);
        self.out
    }

    /// A chunk's head, which is all in these bytes or begins behind them: chunks begin at multiples of 16.
    fn head(&mut self, bytes: &[u8], heap: u64) -> usize {
        let Some(end) = heads::next(self.at, bytes, heap) else {
            self.place = if heap == self.end { Place::Lost } else { Place::Page };
            return if heap == self.end { 0 } else { self.keep_to(bytes, self.at.next_multiple_of(4096)) };
        };
        self.chunks += 1;
        let sure = self.chunks > SURE;
        self.enter(end, Some(heap), sure);
        0
    }

    /// A page of anonymous memory, of which nothing is known.
    fn page(&mut self, bytes: &[u8]) -> usize {
        if let Some(size) = heads::mapped(bytes, self.end - self.at) {
            self.enter(self.at + size, None, true);
            return 0;
        }
        if let Some((first, end)) = heads::thread_heap(self.at, bytes, self.end) {
            self.place = Place::Heap(end);
            return self.keep_to(bytes, first);
        }
        self.keep_to(bytes, self.at + 4096)
    }

    fn enter(&mut self, end: u64, heap: Option<u64>, sure: bool) {
        let size = end - self.at;
        let mut inside = (sure && size >= SMALLEST).then_some(self.at + HEAD);
        if size < MEDIUM && inside.is_some() && *self.medium < MEDIUM_KEPT {
            *self.medium += size;
            inside = None;
        }
        let from = inside.unwrap_or(end);
        self.place = Place::Chunk(Chunk { end, inside, out: from..from, heap });
    }

    fn chunk(&mut self, bytes: &[u8]) -> usize {
        let Place::Chunk(mut chunk) = std::mem::replace(&mut self.place, Place::Lost) else { return 0 };
        let here = bytes.get(..bytes.len().min((chunk.end - self.at) as usize)).unwrap_or(bytes);
        let head = chunk.inside.map_or(here.len() as u64, |inside| inside.saturating_sub(self.at));
        let (head, body) = here.split_at((head as usize).min(here.len()));
        self.keep(head);
        if !body.is_empty() {
            self.body(&mut chunk, self.at + head.len() as u64, body);
        }
        let after = self.at + here.len() as u64;
        if after < chunk.end {
            self.place = Place::Chunk(chunk);
            return here.len();
        }
        if chunk.out.end > chunk.out.start {
            self.close(true, after);
        }
        self.place = match chunk.heap {
            Some(end) if after < end => Place::Heap(end),
            Some(end) if end == self.end => Place::Lost,
            _ => Place::Page,
        };
        here.len()
    }

    /// A part of a chunk's inside: left out unless it may refer to something; then what was left out comes back.
    fn body(&mut self, chunk: &mut Chunk, at: u64, body: &[u8]) {
        let first = chunk.inside.unwrap_or(at) + ANYWHERE;
        let odd = body.get(..body.len().min(first.saturating_sub(at) as usize)).unwrap_or(&[]);
        if !self.leads.any(body) && !self.leads.anywhere(odd) {
            chunk.out.end = at + body.len() as u64;
            return;
        }
        while chunk.out.start < chunk.out.end {
            let part = (chunk.out.end - chunk.out.start).min(SMALL as u64);
            let mut again = vec![0; part as usize];
            (self.source)(chunk.out.start, &mut again);
            self.keep(&again);
            chunk.out.start += part;
        }
        chunk.inside = None;
        self.keep(body);
    }

    fn keep_to(&mut self, bytes: &[u8], end: u64) -> usize {
        self.keep(bytes.get(..(end.max(self.at) - self.at) as usize).unwrap_or(bytes))
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.open.extend(bytes, self.stretch.saturating_sub(self.open_at) as usize);
        bytes.len()
    }

    /// Makes a segment of what was kept; the next one begins at `next`.
    fn close(&mut self, left_out: bool, next: u64) {
        if !self.open.is_empty() {
            let bytes = self.open.take();
            self.out.push(Segment { start: self.open_at, bytes, mapping: self.mapping, left_out });
        }
        self.open_at = next;
    }
}
