//! Heaps as text.

pub(crate) mod diff;
pub(crate) mod fds;
pub(crate) mod snapshot;
pub(crate) mod tree;
