//! Blocks in use by the counts that mimalloc's pages keep: in a free-threaded build all that Python holds, those of
//! threads that ended among it. Nothing is stopped, so the figures are those of about one moment.
//!
//! A segment of 32 MiB says all of itself in some 50 KiB: a gigabyte is read in a few milliseconds.

use crate::decode::{half, word};
use crate::layout::mimalloc::{BOOKS, Books, CAPACITY, HUGE, Number, SLICE, SLICE_COUNT};
use crate::pools::PoolUse;
use crate::{Interpreter, Result};
use m5_process::{ADDRESS_BITS, Memory, Process};

/// How many of the books are those of builds without the GIL, and as many more those of builds with it.
const OWN: usize = 2;

/// The interpreter's mimalloc.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    process: Process,
    books: &'static Books,
    /// Mixed into the cookie of each of its segments; another copy of the library in the process has another.
    secret: u64,
}

/// The head of a segment with its table.
struct Head {
    bytes: Vec<u8>,
    secret: u64,
    slices: u64,
    entries: u64,
}

impl Pages {
    /// The allocator that the dictionary of `sys` came from; `None` where that is no mimalloc of a version that m5 knows.
    pub(crate) fn find(process: &Process, interpreter: &Interpreter) -> Option<Self> {
        let layout = interpreter.objects()?;
        let dict = process.memory().u64(interpreter.address() + u64::from(layout.sysdict)).ok()?;
        let first = if layout.free_threaded { 0 } else { OWN };
        BOOKS.iter().skip(first).take(OWN).find_map(|books| {
            let head = head(&process.memory(), books, dict & !(books.segment - 1))?;
            let sound = head.pages(books).all(|page| page.used <= page.capacity);
            sound.then(|| Self { process: process.clone(), books, secret: head.secret })
        })
    }

    /// What it holds now.
    pub(crate) fn read(&self) -> Result<PoolUse> {
        let (memory, books) = (self.process.memory(), self.books);
        let mut used = PoolUse { large_blocks: Some(0), ..PoolUse::default() };
        let mut covered = 0;
        for map in self.process.maps()?.iter().filter(|m| m.writable && m.inode == 0) {
            let first = map.start.checked_next_multiple_of(books.segment).unwrap_or(u64::MAX);
            for at in (first..map.end.min(1 << ADDRESS_BITS)).step_by(books.segment as usize) {
                // What looks like a segment inside a huge one is somebody's data.
                if at < covered {
                    continue;
                }
                let Some(head) = head(&memory, books, at).filter(|h| h.secret == self.secret) else {
                    continue;
                };
                covered = at + head.slices * SLICE;
                for page in head.pages(books).filter(|page| page.used > 0 && page.used <= page.capacity) {
                    used.arena_bytes += page.slices * SLICE;
                    used.blocks += page.used;
                    used.block_bytes += page.used * page.size;
                }
            }
        }
        Ok(used)
    }
}

/// The head of a segment, if one begins there: its table leads from page to page to its very end.
fn head(memory: &impl Memory, books: &Books, at: u64) -> Option<Head> {
    let most = books.segment / SLICE + 1;
    let fixed = memory.u64(at.wrapping_add(books.slice_entries)).ok()?;
    if !(1..=most).contains(&fixed) {
        return None;
    }
    let mut bytes = vec![0; (books.slices + fixed * books.page) as usize];
    memory.read(at, &mut bytes).ok()?;
    let field = |offset: u64| word(&bytes, offset as usize);
    let (entries, slices, info) =
        (field(books.slice_entries), field(books.segment_slices), field(books.info_slices));
    let secret = field(books.cookie) ^ at;
    let sound = secret != 0
        && field(books.kind) as u32 <= 1
        && entries == fixed
        && (entries..(1 << ADDRESS_BITS) / SLICE).contains(&slices)
        && (1..=entries).contains(&info)
        && u64::from(half(&bytes, books.slices as usize) as u32) == info;
    let head = Head { bytes, secret, slices, entries };
    (sound && head.spans(books).last().is_some_and(|(_, begin, count)| begin + count >= entries))
        .then_some(head)
}

/// A page in use.
struct Page {
    slices: u64,
    size: u64,
    used: u64,
    capacity: u64,
}

impl Head {
    /// Where each entry that begins a page or a free stretch lies, its first slice and how many there are; ends where
    /// one makes no sense.
    fn spans<'a>(&'a self, books: &'a Books) -> impl Iterator<Item = (usize, u64, u64)> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            let entry = (books.slices + at * books.page) as usize;
            let count =
                (at < self.entries).then(|| half(&self.bytes, entry + SLICE_COUNT as usize) as u32)?;
            let begin = at;
            at += u64::from(count).max(1);
            (count > 0).then_some((entry, begin, u64::from(count)))
        })
    }

    /// Its pages, but for the one that is the head itself.
    fn pages<'a>(&'a self, books: &'a Books) -> impl Iterator<Item = Page> + 'a {
        let number = |entry: usize, (offset, bytes): Number| {
            let word = word(&self.bytes, entry + offset as usize);
            if bytes == 8 { word } else { word & ((1 << (8 * bytes)) - 1) }
        };
        self.spans(books).filter(|(_, begin, _)| *begin > 0).filter_map(move |(entry, _, slices)| {
            let size = match number(entry, books.block_size) {
                HUGE if books.block_size.1 == 4 => slices * SLICE,
                size => size,
            };
            let (used, capacity) = (number(entry, books.used), number(entry, (CAPACITY, 2)));
            (size >= 8).then_some(Page { slices, size, used, capacity })
        })
    }
}
