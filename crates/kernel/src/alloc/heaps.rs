//! The heaps of mimalloc that each thread of a build without the GIL has: the page that serves a size tells which block a call
//! will get.
//!
//! Where a thread's state keeps them is not published and moves between releases, but they know themselves: the state points to
//! the heap that serves objects now, each of the four heaps points behind the last, and a heap has a queue of pages for each
//! size, which says that size.

use m5_process::Memory;

/// Heaps of a thread: of memory, of objects, and two of objects that the collector looks after. The first serves no object.
const HEAPS: u64 = 4;
/// Bytes of a thread's state within which they begin.
const STATE: usize = 4096;
/// Bytes of a heap, at least and at most.
const SIZES: std::ops::RangeInclusive<u64> = 2800..=8192;
/// Entries of the table of pages for small sizes, of one word more each, from none on.
const DIRECT: usize = 129;
/// The queues behind it: words of each, of which the last one is the size in bytes; and sizes of the first ones.
const QUEUE: usize = 3;
const QUEUES: [u64; 9] = [8, 8, 16, 24, 32, 40, 48, 56, 64];

/// Where a thread has its heaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heaps {
    /// Offset in a thread's state of the address of the heap that serves objects.
    pub(super) current: i32,
    /// Offset in a heap of the table of pages, by size in words.
    pub(super) direct: i32,
}

/// Where the thread with this state has them; `None` where nothing is like them.
pub(super) fn of(memory: &impl Memory, state: u64) -> Option<Heaps> {
    let words = words(memory, state, STATE)?;
    words.iter().enumerate().find_map(|(number, value)| {
        let current = 8 * number;
        let first = state.checked_add(current as u64 + 8)?;
        let offset = value.checked_sub(first).filter(|offset| *offset <= (HEAPS - 1) * SIZES.end())?;
        // While an object is made that the collector looks after, another heap is the current one.
        let sizes = (1..HEAPS).filter(|which| offset % which == 0).map(|which| offset / which);
        let size = sizes.filter(|size| size % 8 == 0 && SIZES.contains(size)).find(|size| {
            let shared = first + HEAPS * size;
            (0..HEAPS).all(|heap| memory.u64(first + heap * size).ok() == Some(shared))
        })?;
        let heap = self::words(memory, first, size as usize)?;
        let is_table = |at: &usize| {
            let queue = |n: usize| heap.get(at + DIRECT + n * QUEUE + QUEUE - 1).copied();
            QUEUES.iter().enumerate().all(|(n, size)| queue(n) == Some(*size))
        };
        let direct = (0..heap.len()).find(is_table)?;
        Some(Heaps { current: i32::try_from(current).ok()?, direct: i32::try_from(8 * direct).ok()? })
    })
}

fn words(memory: &impl Memory, at: u64, length: usize) -> Option<Vec<u64>> {
    let mut bytes = vec![0; length];
    memory.read(at, &mut bytes).ok()?;
    Some(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
}
