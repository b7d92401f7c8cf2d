//! What is in memory, who holds it, and where every byte of RSS went.
//!
//! Capture gives an image; the census turns the image into objects and edges ([`HeapGraph`]); everything
//! after that (retained sizes, holders, diffs, files, exports) works on the graph alone and touches no process.

mod accounting;
mod analysis;
mod anchor;
mod blocks;
mod capture;
mod census;
mod claims;
mod core_image;
mod dict;
mod diff;
mod dominators;
mod edges;
mod fd_holders;
mod fd_owners;
mod fill;
mod frames;
mod graph;
mod holders;
mod huge;
mod image;
mod laps;
mod model;
mod namer;
mod names;
mod native;
mod pages;
mod polite;
mod prefork;
mod reached;
mod redact;
mod retained;
mod roots;
mod snapfile;
mod snapshot;
mod stacks;
mod stored_names;
mod summary;
mod take;
mod take_core;
#[cfg(test)]
mod testing;
mod text;
mod tree;

pub use accounting::{Accounting, Pinning};
pub use analysis::{Analysis, SelfCheck};
pub use anchor::{Anchor, HeapError};
pub use capture::{Capture, CaptureOptions, CaptureReport, Method, capture};
pub use census::Census;
pub use diff::{Culprit, Diff, TypeGrowth, diff};
pub use dominators::{Dominators, Keeping};
pub use fd_holders::FdHolder;
pub use holders::{
    ByType, Cause, Class, Describer, Held, Holder, HolderGroup, PathTree, TypeHolders, cause, classes,
    display_type, group_holders,
};
pub use image::{Image, NothingElse, ReadOnly, Segment};
pub use laps::{Lap, Stopwatch};
pub use model::{HeapGraph, Root, RootKind, TypeInfo};
pub use namer::ImageNamer;
pub use names::{EdgeName, EdgeNamer, NoNames};
pub use pages::{BesideRss, Pages};
pub use prefork::{Inherited, Member, ProcessTree};
pub use redact::{Redaction, is_plain_name};
pub use retained::Retained;
pub use snapfile::{SnapfileError, read_snapshot, read_snapshot_from, save_snapshot, write_snapshot};
pub use snapshot::{Coverage, Fragmentation, Snapshot, SnapshotInfo};
pub use stored_names::StoredNames;
pub use summary::{Holding, Loose, Summary, SummaryOptions, TypeRow, summarize};
pub use take::{take_snapshot, take_tree};
pub use take_core::{CorePlaces, take_core};
pub use tree::MemoryTree;
