//! What is still to go back of an arena, chunk by chunk, in pieces of which a stop takes as many as it has time for.

use crate::trim::arenas::Arena;
use crate::trim::lists::{Free, Guessed};
use crate::trim::plan::{Allowed, FreePart};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::Range;

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
