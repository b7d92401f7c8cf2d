//! Objects as they are found, stretch by stretch, and as columns in order of address.

use super::pymalloc::PoolStats;
use crate::image::huge;
use rayon::prelude::*;

/// Objects of one stretch of memory, in order of address.
#[derive(Debug, Default)]
pub(super) struct Run {
    base: u64,
    /// Units of eight bytes from the base, and the type.
    near: Vec<(u32, u32)>,
    /// Objects that lie too far from the base for that.
    far: Vec<(u64, u32)>,
    pub(super) stats: PoolStats,
    pub(super) block_bytes: u64,
}

impl Run {
    /// A stretch that begins at `base`, a multiple of eight.
    pub(super) fn new(base: u64) -> Self {
        Self { base: base & !7, ..Self::default() }
    }

    /// Adds an object; addresses ascend and are multiples of eight.
    pub(super) fn push(&mut self, address: u64, number: u32) {
        let units = address.checked_sub(self.base).and_then(|d| u32::try_from(d >> 3).ok());
        match units.filter(|_| self.far.is_empty()) {
            Some(units) => self.near.push((units, number)),
            None => self.far.push((address, number)),
        }
    }

    fn len(&self) -> usize {
        self.near.len() + self.far.len()
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let near = self.near.iter().map(|(units, number)| (self.base + (u64::from(*units) << 3), *number));
        near.chain(self.far.iter().copied())
    }

    fn first(&self) -> Option<u64> {
        self.iter().next().map(|(at, _)| at)
    }

    fn last(&self) -> Option<u64> {
        let near = || self.near.last().map(|(units, _)| self.base + (u64::from(*units) << 3));
        self.far.last().map(|(at, _)| *at).or_else(near)
    }
}

/// All objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// Address of each, ascending.
    pub(super) address: Vec<u64>,
    /// Type of each.
    pub(super) type_of: Vec<u32>,
}

impl Columns {
    /// Puts runs in order.
    pub(super) fn of(mut runs: Vec<Run>) -> Self {
        runs.retain(|r| r.len() > 0);
        runs.sort_by_key(Run::first);
        let disjoint = runs.windows(2).all(|w| match w {
            [a, b] => a.last() < b.first(),
            _ => true,
        });
        if disjoint { Self::joined(runs) } else { Self::sorted(&runs) }
    }

    fn joined(runs: Vec<Run>) -> Self {
        let total = runs.iter().map(Run::len).sum();
        let mut columns = Self { address: huge::zeroed(total), type_of: huge::zeroed(total) };
        let (mut address, mut type_of) = (columns.address.as_mut_slice(), columns.type_of.as_mut_slice());
        let mut work = Vec::with_capacity(runs.len());
        for run in runs {
            let ((a, rest), (t, others)) = (address.split_at_mut(run.len()), type_of.split_at_mut(run.len()));
            (address, type_of) = (rest, others);
            work.push((run, a, t));
        }
        // Each run goes as soon as it is copied.
        work.into_par_iter().for_each(|(run, address, type_of)| {
            for ((at, number), (a, t)) in run.iter().zip(address.iter_mut().zip(type_of)) {
                (*a, *t) = (at, number);
            }
        });
        columns
    }

    /// Of a torn image: stretches that overlap.
    fn sorted(runs: &[Run]) -> Self {
        let mut all: Vec<(u64, u32)> = runs.iter().flat_map(Run::iter).collect();
        all.par_sort_unstable();
        all.dedup_by_key(|f| f.0);
        Self { address: all.iter().map(|f| f.0).collect(), type_of: all.iter().map(|f| f.1).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn columns_hold_what_was_found(
            runs in prop::collection::vec((0u64..1 << 40, prop::collection::btree_map(0u64..1 << 35, 0u32..9, 0..8)), 0..6),
        ) {
            let mut all = BTreeMap::new();
            let built = runs.iter().map(|(base, objects)| {
                let mut run = Run::new(*base);
                for (units, number) in objects {
                    run.push((base & !7) + units * 8, *number);
                    all.entry((base & !7) + units * 8).or_insert(*number);
                }
                run
            });
            let columns = Columns::of(built.collect());
            prop_assert_eq!(columns.address, all.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(columns.type_of.len(), all.len());
        }
    }
}
