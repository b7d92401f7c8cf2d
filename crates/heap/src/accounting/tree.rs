//! Bytes with a name, divided into parts: how RSS is accounted for.

use serde::{Deserialize, Serialize};

/// One part of memory and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryTree {
    /// Stable identifier in snake case (`pymalloc_free_blocks`) or, for leaves that carry names of the
    /// process, that name (`libssl.so.3`, `numpy.ndarray`).
    pub name: String,
    /// Bytes of this part, children included.
    pub bytes: u64,
    /// Its parts; they add up to at most `bytes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<MemoryTree>,
}

impl MemoryTree {
    /// A part without parts of its own.
    #[must_use]
    pub fn leaf(name: impl Into<String>, bytes: u64) -> Self {
        Self { name: name.into(), bytes, children: Vec::new() }
    }

    /// A part that is the sum of its parts.
    #[must_use]
    pub fn sum(name: impl Into<String>, children: Vec<Self>) -> Self {
        let bytes = children.iter().map(|c| c.bytes).sum();
        Self { name: name.into(), bytes, children }
    }

    /// The part at this path of names below this one.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.children.iter().find(|c| c.name == *name))
    }

    /// Bytes of this part that none of its children names.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.bytes.saturating_sub(self.children.iter().map(|c| c.bytes).sum())
    }
}
