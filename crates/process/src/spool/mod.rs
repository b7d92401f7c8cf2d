//! Large buffers of m5 in a file instead of in memory: what a machine, or a container, has no room for. The file has no
//! name, is m5's alone and goes with it, however m5 ends; the kernel writes its pages out where memory is short.

pub(crate) mod allocator;
pub(crate) mod file;
pub(crate) mod place;
