//! File descriptors and the objects that own and hold them.

pub(crate) mod holders;
pub(crate) mod owners;
