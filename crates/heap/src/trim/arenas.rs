//! The arenas of the C library's allocator, read where they lie. None is taken for one that does not close the ring in
//! which all of them are linked.

use crate::trim::error::TrimError;
use crate::trim::library::Library;
use m5_process::{LiveMemory, Memory};

const WORD: u64 = 8;
const BIN_COUNT: u64 = 127;
/// From the bins to the link to the next arena, and to the bytes that the arena has from the system.
const NEXT: u64 = 2048;
const SYSTEM: u64 = 2072;
/// From the bins back to the address of the top chunk.
const TOP: u64 = 16;
/// A process has no more arenas.
const MOST_ARENAS: usize = 1 << 14;
/// Empty bins point to themselves; this many of a main arena are empty at least, also of a busy program's.
const EMPTY: usize = 2;

/// The first bin holds what was freed last, of any size.
pub(super) const UNSORTED: u64 = 1;
/// From this bin on chunks may hold a whole page.
pub(super) const FIRST_OF_PAGES: u64 = 99;

/// An arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arena {
    /// Where it begins, with its lock.
    pub(super) at: u64,
    bins: u64,
    /// Whether it is the first, that grows by brk.
    pub(super) main: bool,
}

impl Arena {
    /// Where the address of its top chunk is kept.
    pub(super) fn top(self) -> u64 {
        self.bins - TOP
    }

    /// A bin as the chunk that its list begins and ends with.
    pub(super) fn head(self, bin: u64) -> u64 {
        self.bins + 16 * bin - 32
    }

    /// The bins that are worth looking into.
    pub(super) fn bins() -> impl Iterator<Item = u64> {
        std::iter::once(UNSORTED).chain(FIRST_OF_PAGES..BIN_COUNT)
    }

    /// Bytes that it has from the system.
    pub(super) fn system_bytes(self, memory: &LiveMemory) -> Option<u64> {
        memory.u64(self.bins + SYSTEM).ok()
    }
}

/// All arenas of a process.
///
/// # Errors
/// [`TrimError::Unknown`] where none is found where they must be.
pub(super) fn find(memory: &LiveMemory, library: &Library) -> Result<Vec<Arena>, TrimError> {
    let mut found: Vec<Arena> = Vec::new();
    for data in &library.data {
        let mut bytes = vec![0; (data.end - data.start) as usize];
        memory.read(data.start, &mut bytes).map_err(TrimError::from)?;
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
        for first in 0..words.len() {
            let at = data.start + first as u64 * WORD;
            if let Some(ring) = ring(memory, library, &words, first, at) {
                found.extend(ring);
            }
        }
    }
    if found.is_empty() {
        return Err(TrimError::Unknown(format!(
            "the arenas of GNU C library 2.{} are not where they should be",
            library.minor
        )));
    }
    Ok(found)
}

/// The ring of arenas whose first has its bins here.
fn ring(
    memory: &LiveMemory,
    library: &Library,
    words: &[u64],
    first: usize,
    bins: u64,
) -> Option<Vec<Arena>> {
    let next = *words.get(first + (NEXT / WORD) as usize)?;
    let main = bins.checked_sub(library.bins)?;
    // What is no pointer to an arena is most of it.
    if next == 0 || !next.is_multiple_of(WORD) || !bins.is_multiple_of(WORD) {
        return None;
    }
    let heads = words.get(first..first + 2 * BIN_COUNT as usize)?.as_chunks::<2>().0;
    let empty = |(i, pair): (usize, &[u64; 2])| pair[0] == pair[1] && pair[0] == bins + 16 * i as u64 - 16;
    if heads.iter().any(|pair| pair.contains(&0))
        || heads.iter().enumerate().filter(|p| empty(*p)).count() < EMPTY
    {
        return None;
    }
    let mut arenas = vec![Arena { at: main, bins, main: true }];
    let mut at = next;
    while at != main {
        if arenas.len() >= MOST_ARENAS || at == 0 {
            return None;
        }
        let bins = at.checked_add(library.bins)?;
        arenas.push(Arena { at, bins, main: false });
        at = memory.u64(bins.checked_add(NEXT)?).ok()?;
    }
    Some(arenas)
}
