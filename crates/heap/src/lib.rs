//! What is in memory, who holds it, and where every byte of RSS went.
//!
//! Capture gives an image; the census turns the image into objects and edges ([`HeapGraph`]); everything
//! after that (retained sizes, holders, diffs, files, exports) works on the graph alone and touches no process.

mod anchor;
mod capture;
mod census;
mod dict;
mod huge;
mod image;
mod model;
mod text;

pub use anchor::{Anchor, HeapError};
pub use capture::{Capture, CaptureOptions, CaptureReport, Method, capture};
pub use census::Census;
pub use image::{Image, NothingElse, ReadOnly, Segment};
pub use model::{HeapGraph, Root, RootKind, TypeInfo};
