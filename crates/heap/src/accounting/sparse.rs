//! Arenas that hold little and cannot go back, and the types of the objects that keep them.

use super::counter::Counter;
use super::{Accounting, LISTED, Pinning};
use std::collections::BTreeMap;

/// An arena with a smaller share of used bytes is sparse.
const SPARSE: f64 = 0.25;

impl Counter<'_> {
    /// Arenas that hold little, and what holds them.
    pub(super) fn sparse(&self, accounting: &mut Accounting) {
        let census = &self.analysis.census;
        let mut by_type: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for arena in &census.arenas {
            let range = self.arena(arena.address);
            let size = range.end - range.start;
            let from = census.address.partition_point(|a| *a < range.start);
            let to = census.address.partition_point(|a| *a < range.end);
            let used: u64 = (from..to)
                .filter_map(|i| {
                    let desc = census.desc(i as u32)?;
                    let at = *census.address.get(i)?;
                    census.small.block(self.image, at.wrapping_sub(desc.prefix))
                })
                .sum();
            if used as f64 >= size as f64 * SPARSE {
                continue;
            }
            accounting.sparse_arenas += 1;
            accounting.pinned_bytes += self.pages.private(range).saturating_sub(used);
            let mut here: BTreeMap<u32, u64> = BTreeMap::new();
            for number in census.type_of.get(from..to).unwrap_or(&[]) {
                *here.entry(*number).or_default() += 1;
            }
            for (number, objects) in here {
                let entry = by_type.entry(number).or_default();
                *entry = (entry.0 + objects, entry.1 + 1);
            }
        }
        let named = by_type.into_iter().filter_map(|(number, (objects, arenas))| {
            Some(Pinning { type_name: census.types.get(number)?.name.clone(), objects, arenas })
        });
        accounting.pinning = named.collect();
        accounting.pinning.sort_by_key(|p| std::cmp::Reverse((p.arenas, p.objects)));
        accounting.pinning.truncate(LISTED);
    }
}
