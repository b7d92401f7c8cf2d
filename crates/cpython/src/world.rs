//! How a build without the GIL stops all its threads.

use crate::{Interpreter, Result};
use m5_process::Memory;

/// Bytes at the beginning of an interpreter's state that are looked through.
const LOOKED_AT: usize = 32 << 10;
/// The state of a stop of all threads, right before what `threads_at` finds.
const STOP_STATE: u64 = 24;
/// In it: that threads are asked to stop, and that all stand.
const REQUESTED: u64 = 1;
const STANDING: u64 = 2;
/// Bytes of an entry in the table of threads, and of its pointer back.
const ENTRY: usize = 64;
const BACK: usize = 8;
/// Threads of a process at the most.
const MOST_THREADS: u64 = 1 << 15;

/// The two words of one interpreter, a byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopWords {
    /// Threads are asked to stop.
    pub requested: u64,
    /// All stand.
    pub standing: u64,
}

impl<M: Memory + Clone> Interpreter<M> {
    /// The words that say that all threads are to stop and that they stand; `None` in a build with a GIL, and where they
    /// were not found. Their place is not published and moves between releases: it is told by what follows it, two odd
    /// numbers of which the second is no larger, and a table of threads whose entries point back.
    ///
    /// # Errors
    /// [`crate::Error::Target`] where the process has ended, executed another program, or may not be read any more.
    pub fn stop_words(&self) -> Result<Option<StopWords>> {
        if !self.layout().free_threaded {
            return Ok(None);
        }
        let (memory, state) = (self.memory(), self.address());
        let mut bytes = vec![0; LOOKED_AT];
        memory.read(state, &mut bytes)?;
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let found = words.windows(5).enumerate().find_map(|(i, of)| {
            let at = state + 8 * i as u64;
            (odd(of[0]) && odd(of[1]) && of[1] <= of[0] && points_back(&memory, of, at)).then_some(at)
        });
        Ok(found
            .and_then(|at| at.checked_sub(STOP_STATE))
            .filter(|at| sound(&memory, *at))
            .map(|at| StopWords { requested: at + REQUESTED, standing: at + STANDING }))
    }
}

fn odd(number: u64) -> bool {
    number % 2 == 1
}

/// Whether a table of threads follows the two numbers, and an entry of it points back to them. From 3.14 on a second
/// pointer may stand before its length.
fn points_back(memory: &impl Memory, words: &[u64], at: u64) -> bool {
    let sensible = |n: &&u64| (1..=MOST_THREADS).contains(*n);
    let Some(length) = words[3..].iter().find(sensible) else { return false };
    let mut table = vec![0; *length as usize * ENTRY];
    words[2].is_multiple_of(8)
        && memory.read(words[2], &mut table).is_ok()
        && table.chunks_exact(ENTRY).any(|entry| entry[BACK..].first_chunk() == Some(&at.to_le_bytes()))
}

/// Whether the bytes can be those of a stop: flags are 0 or 1.
fn sound(memory: &impl Memory, at: u64) -> bool {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).is_ok() && bytes[1..].iter().all(|flag| *flag <= 1)
}
