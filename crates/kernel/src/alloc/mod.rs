//! Where a process allocates, by line, and how much of it survives.
//!
//! An execution breakpoint on the object allocator runs a program in the kernel, in the thread, at the call; it
//! is open for random short windows, as many as the budget bears.

mod allocator;
mod classes;
mod follow;
mod pools;
mod profile;
mod program;
mod record;
mod sampler;

pub use follow::{LOOKS_S, Survival};
pub use profile::{AllocProfile, AllocSite, AllocStack, Survivor};
pub use sampler::AllocSampler;
