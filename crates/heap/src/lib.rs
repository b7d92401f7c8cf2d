//! What is in memory, who holds it, and where every byte of RSS went.
//!
//! Capture gives an image; the census turns the image into objects and edges ([`HeapGraph`]); everything
//! after that (retained sizes, holders, diffs, files, exports) works on the graph alone and touches no process.

mod accounting;
mod census;
mod descriptors;
mod diff;
mod dominators;
mod graph;
mod holders;
mod image;
mod names;
mod prefork;
mod snapfile;
mod summary;
mod take;
#[cfg(test)]
mod testing;
pub mod trim;

pub use accounting::blocks::{BlockGroup, BlockSource, NativeMemory};
pub use accounting::tree::MemoryTree;
pub use accounting::{Accounting, Pinning};
pub use census::Census;
pub use census::anchor::{Anchor, HeapError};
pub use descriptors::holders::FdHolder;
pub use diff::{
    Account, Births, BlockGrowth, Born, Culprit, Diff, Made, MadeAt, MadeWithin, PartGrowth, TypeGrowth,
    Unnamed, diff, diff_with_births, lines_of,
};
pub use dominators::retained::Retained;
pub use dominators::{Dominators, Keeping};
pub use graph::column::Column;
pub use graph::model::{HeapGraph, Root, RootKind, TypeInfo};
pub use holders::{
    ByType, Cause, Class, Describer, Held, Holder, HolderGroup, PathTree, TypeHolders, cause, classes,
    display_type, group_holders,
};
pub use image::capture::{Capture, CaptureOptions, CaptureReport, Method, capture};
pub use image::need::{OwnNeed, own_need};
pub use image::pages::{BesideRss, Pages};
pub use image::{Bytes, Image, NothingElse, ReadOnly, Segment, pack_images_from};
pub use names::namer::ImageNamer;
pub use names::redact::{Redaction, is_plain_name};
pub use names::stored::StoredNames;
pub use names::{EdgeName, EdgeNamer, NoNames};
pub use prefork::{Inherited, Member, ProcessTree};
pub use snapfile::{SnapfileError, read_snapshot, read_snapshot_from, save_snapshot, write_snapshot};
pub use summary::{Holding, Loose, Summary, SummaryOptions, TypeRow, summarize};
pub use take::analysis::{Analysis, SelfCheck};
pub use take::core::{CorePlaces, take_core};
pub use take::live::{take_snapshot, take_tree};
pub use take::snapshot::{Coverage, Fragmentation, OwnerState, QueuedFor, Snapshot, SnapshotInfo};
pub use take::stage_times::{StageTime, Stopwatch};
