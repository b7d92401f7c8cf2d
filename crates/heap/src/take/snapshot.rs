//! One process at one moment: what was captured, by what means, and what is known about it.

use crate::RootKind;
use crate::trim::FreeElsewhere;
use crate::{BesideRss, FdHolder, HeapGraph, MemoryTree, NativeMemory, Pinning, StoredNames};
use m5_process::Identity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who, when and how; everything of a snapshot but the objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// Whose memory this is.
    pub identity: Identity,
    /// Program and script, without arguments: those may carry secrets.
    pub command: String,
    /// Version of the interpreter (`3.12.1`).
    pub python: String,
    /// When the memory stood so, in seconds of Unix time.
    pub taken_at: f64,
    /// Age of the process at that moment in seconds, where known.
    pub age_seconds: Option<f64>,
    /// How it was captured: `fork`, `freeze`, `live`, `core`.
    pub method: String,
    /// How long the target stood still, in seconds; absent where nobody stopped it or nobody measured.
    pub pause_seconds: Option<f64>,
    /// Time for capture and analysis together, in seconds.
    pub total_seconds: Option<f64>,
    /// Resident memory at that moment in bytes.
    pub rss_bytes: Option<u64>,
    /// How far the picture can be trusted.
    pub coverage: Coverage,
    /// What RSS leaves out, where it was looked for.
    #[serde(default)]
    pub beside_rss: Option<BesideRss>,
    /// Full collections so far, read right after the capture; absent in a core file.
    #[serde(default)]
    pub full_collections: Option<u64>,
    /// What keeps free memory from going back, where it was looked for.
    #[serde(default)]
    pub fragmentation: Option<Fragmentation>,
    /// What allocators beside the C library's hold free, where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_elsewhere: Option<FreeElsewhere>,
    /// Objects of a free-threaded build that wait for the thread that owns them; those that most wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<QueuedFor>,
    /// What the reader should know: refusals, fallbacks, inconsistencies.
    pub notes: Vec<String>,
}

impl SnapshotInfo {
    /// What others than the C library hold free, where that is at least half of so many bytes.
    #[must_use]
    pub fn mostly_elsewhere(&self, free: u64) -> Option<&FreeElsewhere> {
        self.free_elsewhere.as_ref().filter(|e| e.bytes.saturating_mul(2) >= free)
    }
}

/// Objects whose last reference another thread dropped: their owner frees them when it next runs Python code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedFor {
    /// The owner, as the kernel numbers threads.
    pub thread: i32,
    /// What it did when it was looked at; absent where nobody could say.
    pub state: Option<OwnerState>,
    /// How many objects.
    pub objects: u64,
    /// Their own size, without what they hold.
    pub bytes: u64,
}

/// What a thread does that objects wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerState {
    /// It may look at its queue soon.
    Runs,
    /// It does not until something wakes it.
    Sleeps,
    /// It waits in the kernel, for a disk say.
    WaitsInKernel,
    /// It was stopped.
    Stopped,
}

/// Arenas of Python's allocator that few objects keep.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fragmentation {
    /// Arenas that are less than a quarter full.
    pub sparse_arenas: u64,
    /// Free bytes in them.
    pub pinned_bytes: u64,
    /// Types of the objects that keep them, most objects first.
    pub pinning: Vec<Pinning>,
}

/// What was seen of what is there. Shares are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Objects whose reference count is fully explained by the references found.
    pub refcounts_explained: Option<f64>,
    /// Objects that a root reaches.
    pub reachable: Option<f64>,
    /// Bytes of RSS that have a name.
    pub rss_explained: Option<f64>,
    /// References that lead to no object, pools and lists that contradict themselves: what changed while it was read.
    pub inconsistencies: Option<u64>,
}

/// A snapshot: enough to name types, holders and bytes without the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Who, when and how.
    pub info: SnapshotInfo,
    /// Objects and references.
    pub graph: HeapGraph,
    /// Names of the references that holding paths need, already redacted.
    pub names: StoredNames,
    /// Where RSS went.
    pub memory: Option<MemoryTree>,
    /// Descriptors with the objects that own them.
    pub fds: Vec<FdHolder>,
    /// Native memory by its owners.
    pub native: NativeMemory,
}

impl Snapshot {
    /// Types that keep garbage from ever being freed, those with the most cycles first.
    #[must_use]
    pub fn never_freed_through(&self) -> Vec<String> {
        const TOLD: usize = 3;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for root in self.graph.roots.iter().filter(|r| r.kind == RootKind::Uncollectable) {
            *counts.entry(root.name.as_str()).or_default() += 1;
        }
        let mut types: Vec<(&str, u64)> = counts.into_iter().collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        types.into_iter().take(TOLD).map(|(name, _)| name.to_owned()).collect()
    }
}
