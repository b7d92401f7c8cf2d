//! Where every byte of RSS went, and what keeps free memory from going back.

mod allocators;
mod anonymous;
mod arrays;
pub(crate) mod blocks;
mod counter;
mod files;
mod free_lists;
mod owned;
mod sparse;
pub(crate) mod tree;

use crate::accounting::blocks::NativeMemory;
use crate::accounting::tree::MemoryTree;
use crate::image::Image;
use crate::image::pages::Pages;
use crate::take::analysis::Analysis;
use counter::Counter;
use serde::{Deserialize, Serialize};

/// A type whose few objects keep arenas that are mostly free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinning {
    /// Module-qualified name of the type.
    pub type_name: String,
    /// Its objects in such arenas.
    pub objects: u64,
    /// Arenas with at least one of them.
    pub arenas: u64,
}

/// RSS accounted for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Accounting {
    /// The parts; the whole is RSS, and what is swapped out where anything is.
    pub tree: MemoryTree,
    /// Share of RSS that has a name.
    pub explained: Option<f64>,
    /// Arenas of the small object allocator that are less than a quarter full.
    pub sparse_arenas: u64,
    /// Free bytes in them that cannot go back to the system.
    pub pinned_bytes: u64,
    /// What keeps them, most objects first.
    pub pinning: Vec<Pinning>,
    /// What allocators beside the C library's hold free, in memory; absent where the books of none of them are read.
    pub free_of_others: Option<u64>,
    /// Whether they hold memory of which nothing says what of it is free: that is not counted.
    pub unread_of_others: bool,
    /// Free bytes in the C library's heaps that are no whole pages of a free chunk.
    pub scattered_bytes: u64,
    /// Native memory in use by its owners.
    pub native: NativeMemory,
}

/// Types that are listed by name; the others are summed.
const LISTED: usize = 30;

impl Accounting {
    /// Accounts for the pages of a capture.
    #[must_use]
    pub fn of(image: &Image, analysis: &Analysis, pages: &Pages) -> Self {
        let counter = Counter { image, analysis, pages };
        let mut accounting = Self::default();
        counter.sparse(&mut accounting);
        (accounting.free_of_others, accounting.unread_of_others) = counter.free_of_others();
        accounting.scattered_bytes = counter.scattered();
        accounting.native = counter.native_memory();
        let parts = counter.parts();
        let named: u64 = parts.iter().map(|p| p.bytes).sum();
        let swapped = pages.beside.swap_bytes.unwrap_or(0);
        let rss = pages.rss_bytes.map_or(named, |rss| rss + swapped);
        // What is swapped out belongs to objects as what is in memory does.
        let mut tree = MemoryTree::sum(if swapped == 0 { "rss" } else { "rss_and_swap" }, parts);
        if rss > named {
            tree.children.push(MemoryTree::leaf("unexplained", rss - named));
        }
        tree.bytes = rss.max(named);
        // Memory that came or went between the capture and the reading of RSS counts against us both ways.
        let unnamed = tree.at(&["other_anonymous"]).map_or(0, |t| t.bytes) + rss.abs_diff(named);
        accounting.explained = (rss > 0).then(|| 1.0 - unnamed as f64 / rss as f64);
        accounting.tree = tree;
        accounting
    }
}

impl Counter<'_> {
    fn parts(&self) -> Vec<MemoryTree> {
        let mut owned = self.owned();
        let rest = self.anonymous();
        owned.add_arrays(&self.arrays(&rest));
        let mut parts = vec![self.objects(&owned), self.buffers(&owned)];
        parts.push(self.pymalloc(owned.small_bytes()));
        parts.push(self.glibc(owned.large_bytes()));
        parts.extend(self.files(&rest));
        parts.push(MemoryTree::sum(
            "stacks",
            vec![
                MemoryTree::leaf("main_stack", rest.main_stack),
                MemoryTree::leaf("thread_stacks", rest.thread_stacks),
                MemoryTree::leaf("python_frames", rest.frames),
            ],
        ));
        parts.push(MemoryTree::leaf("generated_code", rest.generated));
        parts.push(MemoryTree::leaf(
            "other_anonymous",
            rest.other_bytes(self.pages).saturating_sub(owned.mapped),
        ));
        parts.retain(|p| p.bytes > 0);
        parts
    }
}
