//! Heaps as documents: text, JSON, HTML, folded stacks, pprof, and Chrome's `.heapsnapshot`.

mod doc;
mod folded;
mod heapsnapshot;
mod html;
mod pprof;
mod stacks;
mod strings;
mod text_diff;
mod text_fds;
mod text_snapshot;
mod text_tree;
mod verdict;
mod words;

pub use doc::{
    DIFF_SCHEMA, DiffDoc, GuideSummary, LeakFinding, MemoryStats, SNAPSHOT_SCHEMA, Sample, SnapshotDoc,
};
pub use folded::folded;
pub use heapsnapshot::heapsnapshot;
pub use html::html;
pub use pprof::pprof;
pub use text_diff::diff_text;
pub use text_snapshot::{continuous_text, snapshot_text};
pub use verdict::{MemoryKind, MemoryVerdict};

#[cfg(test)]
mod testing;
