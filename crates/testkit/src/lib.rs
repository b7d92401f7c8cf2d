//! For tests only: every CPython of this machine, and real targets that say through a pipe when they are ready.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod corefile;
mod program;
mod pythons;
mod target;

pub use corefile::write_core;
pub use program::{LARGE_BLOCKS, SLOW_COLLECTION, copy_program};
pub use pythons::{
    Python, all_pythons, ends, free_threaded_pythons, minor_versions, pythons, side_by_side, static_pythons,
};
pub use target::{Target, nothing_starts};
