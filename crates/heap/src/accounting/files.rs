//! Libraries and other files with their data, and shared memory.

use super::anonymous::Rest;
use super::counter::Counter;
use crate::accounting::tree::MemoryTree;
use std::collections::BTreeMap;

impl Counter<'_> {
    pub(super) fn files(&self, rest: &Rest) -> Vec<MemoryTree> {
        let mut libraries: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut shared, mut kernel) = (0, 0);
        for (i, map) in self.image.maps().iter().enumerate() {
            let private = if map.inode == 0 { 0 } else { self.pages.private(map.start..map.end) };
            let bytes = self.pages.file(i) + private;
            if map.path.starts_with("[v") {
                kernel += bytes;
            } else if map.shared {
                shared += bytes;
            } else if map.inode != 0 {
                *libraries.entry(last_part(&map.path)).or_default() += bytes;
            }
        }
        for (path, bytes) in &rest.zeroed {
            *libraries.entry(last_part(path)).or_default() += bytes;
        }
        let mut leaves: Vec<MemoryTree> = libraries
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(name, bytes)| MemoryTree::leaf(name, bytes))
            .collect();
        leaves.sort_by_key(|l| std::cmp::Reverse(l.bytes));
        vec![
            MemoryTree::sum("libraries", leaves),
            MemoryTree::leaf("shared_memory", shared),
            MemoryTree::leaf("kernel_pages", kernel),
        ]
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
