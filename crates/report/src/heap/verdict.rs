//! What most of RSS is: each answer has another remedy.

use m5_heap::MemoryTree;
use serde::{Deserialize, Serialize};

/// What RSS mostly is, of what somebody can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Live objects and their buffers: a leak or a cache; a diff tells which.
    Objects,
    /// Free blocks among live ones in Python's own allocator.
    PymallocFragmentation,
    /// Free memory that the C library keeps.
    NativeFragmentation,
    /// Memory of extensions in use.
    Native,
    /// Code and data of files.
    Code,
}

/// The answer with its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemoryVerdict {
    /// What it is.
    pub kind: MemoryKind,
    /// Its bytes.
    pub bytes: u64,
    /// Its share of RSS.
    pub share: f64,
}

/// A part from this share on is an answer although another part is larger: fragmentation can be remedied at once.
const MENDABLE: f64 = 0.25;

impl MemoryVerdict {
    /// Judges an account of RSS.
    #[must_use]
    pub fn of(tree: &MemoryTree) -> Option<Self> {
        let at = |paths: &[&[&str]]| paths.iter().filter_map(|p| tree.at(p)).map(|t| t.bytes).sum::<u64>();
        let verdict = |kind, bytes: u64| Self { kind, bytes, share: bytes as f64 / tree.bytes.max(1) as f64 };
        let free = verdict(
            MemoryKind::NativeFragmentation,
            at(&[&["native_heap", "native_free"], &["native_heap", "native_top"]]),
        );
        let blocks = verdict(
            MemoryKind::PymallocFragmentation,
            at(&[&["pymalloc", "pymalloc_free_blocks"], &["pymalloc", "pymalloc_free_pools"]]),
        );
        let others = [
            verdict(MemoryKind::Objects, at(&[&["python_objects"], &["python_buffers"]])),
            verdict(MemoryKind::Native, at(&[&["native_heap", "native_blocks"], &["other_anonymous"]])),
            verdict(MemoryKind::Code, at(&[&["libraries"]])),
        ];
        let larger = if free.bytes >= blocks.bytes { free } else { blocks };
        if larger.share >= MENDABLE {
            return Some(larger);
        }
        others.into_iter().max_by_key(|v| v.bytes).filter(|v| v.bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragmentation_goes_first_where_it_is_large() {
        let part = |name: &str, bytes| MemoryTree::leaf(name, bytes);
        let heap =
            |free| MemoryTree::sum("native_heap", vec![part("native_free", free), part("native_blocks", 10)]);
        let tree = |free| {
            MemoryTree::sum("rss", vec![part("python_objects", 40), heap(free), part("libraries", 20)])
        };
        let kind = |free| MemoryVerdict::of(&tree(free)).map(|v| v.kind);
        assert_eq!(kind(30), Some(MemoryKind::NativeFragmentation));
        assert_eq!(kind(5), Some(MemoryKind::Objects));
        assert_eq!(MemoryVerdict::of(&MemoryTree::leaf("rss", 0)), None);
    }
}
