//! Which objects a set of roots reaches, and whose reference counts are explained.

use crate::edges::Walker;
use crate::model::HeapGraph;
use rayon::prelude::*;
use std::collections::BTreeSet;

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
    /// Objects that nothing reaches although their count says that somebody holds them.
    pub(crate) lost: BTreeSet<u32>,
}

impl Counts {
    pub(crate) fn of(walker: &Walker<'_>, degrees: &[u32], reached: &Reached) -> Self {
        const BATCH: usize = 1 << 15;
        let batches = degrees.par_chunks(BATCH).enumerate();
        batches
            .map(|(batch, degrees)| {
                let mut counts = Self::default();
                for (i, found) in degrees.iter().enumerate() {
                    counts.add(walker, (batch * BATCH + i) as u32, *found, reached);
                }
                counts
            })
            .reduce(Self::default, Self::merge)
    }

    fn add(&mut self, walker: &Walker<'_>, object: u32, found: u32, reached: &Reached) {
        let Some(excess) = excess(walker, object, found) else { return };
        self.counted += 1;
        self.exact += u64::from(excess == 0);
        if excess > 0 && !reached.has(object) {
            self.lost.insert(object);
        }
    }

    fn merge(mut self, mut other: Self) -> Self {
        self.counted += other.counted;
        self.exact += other.exact;
        self.lost.append(&mut other.lost);
        self
    }
}

/// By how much the reference count of an object exceeds the references found; `None` where it lives forever.
fn excess(walker: &Walker<'_>, object: u32, found: u32) -> Option<i64> {
    let at = *walker.census.address.get(object as usize)?;
    let count = walker.image.word(at)?;
    if walker.anchor.layout.immortal && (count as i32) < 0 {
        return None;
    }
    Some((count & 0xffff_ffff) as i64 - i64::from(found))
}
