//! Heaps in other tools' formats.

pub(crate) mod folded;
pub(crate) mod heapsnapshot;
pub(crate) mod html;
pub(crate) mod pprof;
pub(crate) mod stacks;
