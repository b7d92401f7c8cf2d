//! What could go back, looked at while the process runs: free chunks with whole pages in memory, by arena.

use crate::trim::allowed::{Allowed, bytes_of};
use crate::trim::arenas::{self, Arena};
use crate::trim::error::TrimError;
use crate::trim::library::Library;
use crate::trim::lists::{self, Free, Guessed};
use crate::trim::others::others;
use crate::trim::stock::{FreePart, Stock};
use m5_process::{LiveMemory, Mapping, Process};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::Range;

/// What could go back now.
pub(super) struct Plan {
    pub(super) allowed: Allowed,
    pub(super) stocks: Vec<Stock>,
}

/// An arena as it was a moment ago.
struct Guess {
    arena: Arena,
    /// Lists by their bins.
    lists: Vec<(u64, Vec<Free>)>,
    top: Option<Free>,
}

/// Looks at every arena.
///
/// # Errors
/// [`TrimError`] where they cannot be found or read.
pub(super) fn plan(process: &Process, library: &Library) -> Result<Plan, TrimError> {
    let memory = process.memory();
    let found = match arenas::find(&memory, library) {
        // Where another allocator has all of it, the C library's was never set up.
        Err(TrimError::Unknown(_)) if !others(&process.maps()?, false).is_empty() => Vec::new(),
        found => found?,
    };
    let mut allowed = Allowed::of(process)?;
    let mut read: Vec<Guess> = Vec::new();
    for arena in found {
        let mut guesses = Vec::new();
        for bin in Arena::bins() {
            let list = lists::guess(&memory, arena.head(bin))?;
            if list.iter().any(|c| !c.pages().is_empty()) {
                guesses.push((bin, list));
            }
        }
        read.push(Guess { arena, lists: guesses, top: lists::top(&memory, arena.top())? });
    }
    let chunks = read.iter().flat_map(|g| g.lists.iter().flat_map(|(_, list)| list).chain(&g.top));
    let mut pages: Vec<Range<u64>> = chunks.map(|c| c.pages()).filter(|p| !p.is_empty()).collect();
    pages.sort_by_key(|p| p.start);
    allowed.look(process, &pages)?;
    let stocks = read.into_iter().map(|guess| stock(&memory, &allowed, guess));
    Ok(Plan { stocks: stocks.collect(), allowed })
}

fn stock(memory: &LiveMemory, allowed: &Allowed, guess: Guess) -> Stock {
    let Guess { arena, lists: guesses, top } = guess;
    let mut part =
        FreePart { main: arena.main, system_bytes: arena.system_bytes(memory), ..FreePart::default() };
    let mut wanted = FxHashMap::default();
    let mut lists = Vec::new();
    for (bin, list) in &guesses {
        let before = wanted.len();
        for chunk in list {
            let pages = chunk.pages();
            part.chunks += u64::from(!pages.is_empty());
            let resident = allowed.resident(&pages);
            if !pages.is_empty() && !allowed.holds(&pages) {
                part.kept_bytes += pages.end - pages.start;
            } else if !resident.is_empty() {
                part.chunk_bytes += bytes_of(&resident);
                wanted.insert(chunk.at, resident);
            }
        }
        if wanted.len() > before {
            lists.push((*bin, Guessed::new(list)));
        }
    }
    let mut unused = VecDeque::new();
    if let Some(pages) = top.map(Free::pages).filter(|p| !p.is_empty()) {
        match allowed.holds(&pages) {
            true => unused = allowed.resident(&pages),
            false => part.kept_bytes += pages.end - pages.start,
        }
    }
    part.top_bytes = bytes_of(&unused);
    Stock { arena, part, lists, wanted, top: unused }
}

/// Mappings whose threads' stacks are looked at.
pub(super) fn stacks(process: &Process) -> Result<Vec<Mapping>, TrimError> {
    Ok(process.maps()?)
}
