//! Which objects a set of roots reaches, and whose reference counts are explained.

use crate::census::count::{self, Count};
use crate::graph::edges::Walker;
use crate::graph::model::HeapGraph;
use rayon::prelude::*;

/// Objects that a set of roots reaches; a bit for each, so that all of them fit into a cache.
#[derive(Debug)]
pub(crate) struct Reached {
    seen: Vec<u64>,
    len: usize,
    count: usize,
}

impl Reached {
    pub(crate) fn new(len: usize) -> Self {
        Self { seen: vec![0; len.div_ceil(64)], len, count: 0 }
    }

    /// Whether an object was reached.
    pub(crate) fn has(&self, object: u32) -> bool {
        self.seen.get(object as usize >> 6).is_some_and(|word| word >> (object & 63) & 1 != 0)
    }

    /// Number of objects reached.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether it is reached for the first time.
    fn mark(&mut self, object: u32) -> bool {
        if object as usize >= self.len {
            return false;
        }
        let Some(word) = self.seen.get_mut(object as usize >> 6) else { return false };
        let bit = 1u64 << (object & 63);
        let fresh = *word & bit == 0;
        *word |= bit;
        self.count += usize::from(fresh);
        fresh
    }

    /// Marks an object and all that it leads to.
    pub(crate) fn spread(&mut self, graph: &HeapGraph, from: u32) {
        if !self.mark(from) {
            return;
        }
        let mut stack = vec![from];
        while let Some(object) = stack.pop() {
            stack.extend(graph.edges(object).iter().copied().filter(|to| self.mark(*to)));
        }
    }
}

/// Reference counts against the references found.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Objects with a count (those that live forever have none).
    pub(crate) counted: u64,
    /// Of these, the ones whose count equals the references found.
    pub(crate) exact: u64,
    /// Objects with references left to explain, ascending, and how many.
    pub(crate) excess: Vec<(u32, u32)>,
}

impl Counts {
    pub(crate) fn of(walker: &Walker<'_>, degrees: &[u32]) -> Self {
        const BATCH: usize = 1 << 15;
        let batch = |(batch, degrees): (usize, &[u32])| {
            let mut counts = Self::default();
            for (i, found) in degrees.iter().enumerate() {
                counts.add(walker, (batch * BATCH + i) as u32, *found);
            }
            counts
        };
        let parts: Vec<Self> = degrees.par_chunks(BATCH).enumerate().map(batch).collect();
        parts.into_iter().fold(Self::default(), Self::merge)
    }

    fn add(&mut self, walker: &Walker<'_>, object: u32, found: u32) {
        let Some(excess) = excess(walker, object, found) else { return };
        self.counted += 1;
        self.exact += u64::from(excess == 0);
        if excess > 0 {
            self.excess.push((object, u32::try_from(excess).unwrap_or(u32::MAX)));
        }
    }

    fn merge(mut self, mut other: Self) -> Self {
        self.counted += other.counted;
        self.exact += other.exact;
        self.excess.append(&mut other.excess);
        self
    }
}

/// By how much the reference count of an object exceeds the references found; `None` where it lives forever.
pub(crate) fn excess(walker: &Walker<'_>, object: u32, found: u32) -> Option<i64> {
    /// A count that says "forever"; no program has so many references to anything.
    const FOREVER: u64 = 500_000_000;
    let at = *walker.census.address.get(object as usize)?;
    if walker.anchor.layout.free_threaded {
        let Count::Of(count) = count::of(walker.image, at)? else { return None };
        let desc = walker.census.desc(object)?;
        let count = count.cast_signed().saturating_add(walker.census.by_thread.to(walker.image, at, desc));
        return Some(count.saturating_sub(found.into()));
    }
    let count = walker.image.word(at)?;
    if walker.anchor.layout.immortal && (count as i32) < 0 || count & 0xffff_ffff > FOREVER {
        return None;
    }
    Some((count & 0xffff_ffff) as i64 - i64::from(found))
}
