//! Heaps as documents: text, JSON, HTML, folded stacks, pprof, and Chrome's `.heapsnapshot`.

mod doc;
pub(crate) mod export;
pub(crate) mod part_words;
pub(crate) mod phrases;
pub(crate) mod text;
mod verdict;
pub(crate) mod words;

pub use doc::{
    Allocations, DIFF_SCHEMA, DiffDoc, GuideSummary, LeakFinding, MemoryStats, SNAPSHOT_SCHEMA, Sample,
    SnapshotDoc,
};
pub use export::folded::folded;
pub use export::heapsnapshot::heapsnapshot;
pub use export::html::html;
pub use export::pprof::pprof;
pub use text::diff::{coarse_line, diff_text, unnamed};
pub use text::snapshot::{continuous_text, holders, snapshot_text};
pub use verdict::{MemoryKind, MemoryVerdict};

#[cfg(test)]
mod testing;
