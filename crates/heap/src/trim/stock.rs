//! What is still to go back of an arena, chunk by chunk, in pieces of which a stop takes as many as it has time for.

use crate::trim::allowed::Allowed;
use crate::trim::arenas::Arena;
use crate::trim::lists::{Free, Guessed};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;

/// Free memory of one arena of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FreePart {
    /// Whether it is the first arena, which grows by brk.
    pub main: bool,
    /// Bytes that the arena has from the system.
    pub system_bytes: Option<u64>,
    /// Free chunks that hold a whole page.
    pub chunks: u64,
    /// Bytes of their whole pages that are in memory.
    pub chunk_bytes: u64,
    /// Bytes of the unused top that are in memory.
    pub top_bytes: u64,
    /// Bytes among both that must stay: locked, watched or shared by the program's own wish.
    pub kept_bytes: u64,
}

impl FreePart {
    /// What could go back.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunk_bytes + self.top_bytes
    }
}

/// What is given.
#[derive(Clone, Copy)]
pub(super) enum What {
    Chunk(u64),
    Top,
}

pub(super) struct Chosen {
    what: What,
    pub(super) pages: Range<u64>,
}

/// One arena and what of it could go back.
pub(super) struct Stock {
    pub(super) arena: Arena,
    pub(super) part: FreePart,
    /// Lists with something to give, by their bins.
    pub(super) lists: Vec<(u64, Guessed)>,
    /// What is in memory of each such chunk, in pieces of which a stop takes as many as it has time for.
    pub(super) wanted: FxHashMap<u64, VecDeque<Range<u64>>>,
    /// The same of the unused top.
    pub(super) top: VecDeque<Range<u64>>,
}

impl Stock {
    /// What is wanted of a chunk as it is now; the rest is forgotten: it may have been divided since.
    pub(super) fn still_free(&mut self, what: What, chunk: Option<Free>, allowed: &Allowed) -> Vec<Chosen> {
        let pages = chunk.map_or(0..0, Free::pages);
        let inside = |r: &Range<u64>| pages.start <= r.start && r.end <= pages.end && allowed.holds(r);
        let wanted = match what {
            What::Top => Some(&mut self.top),
            What::Chunk(at) => self.wanted.get_mut(&at),
        };
        let Some(wanted) = wanted else { return Vec::new() };
        wanted.retain(inside);
        let chosen = wanted.iter().map(|pages| Chosen { what, pages: pages.clone() }).collect();
        self.forget_empty(what);
        chosen
    }

    /// A range was dealt with.
    pub(super) fn done(&mut self, chosen: &Chosen) {
        let wanted = match chosen.what {
            What::Top => Some(&mut self.top),
            What::Chunk(at) => self.wanted.get_mut(&at),
        };
        // Ranges are dealt with in their order.
        if let Some(wanted) = wanted.filter(|w| w.front() == Some(&chosen.pages)) {
            wanted.pop_front();
        }
        self.forget_empty(chosen.what);
    }

    fn forget_empty(&mut self, what: What) {
        if let What::Chunk(at) = what
            && self.wanted.get(&at).is_some_and(VecDeque::is_empty)
        {
            self.wanted.remove(&at);
        }
    }
}
