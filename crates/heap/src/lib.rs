//! What is in memory, who holds it, and where every byte of RSS went.
//!
//! Capture gives an image; the census turns the image into objects and edges ([`HeapGraph`]); everything
//! after that (retained sizes, holders, diffs, files, exports) works on the graph alone and touches no process.

mod dominators;
mod model;
mod names;
mod retained;
#[cfg(test)]
mod testing;
mod tree;

pub use dominators::Dominators;
pub use model::{HeapGraph, Root, RootKind, TypeInfo};
pub use names::{EdgeName, EdgeNamer, NoNames};
pub use retained::Retained;
pub use tree::MemoryTree;
