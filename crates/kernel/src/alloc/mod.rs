//! Where a process allocates, by line, and how much of it survives.
//!
//! An execution breakpoint on the object allocator runs a program in the kernel, in the thread, at the call; it
//! is open for random short windows, as many as the budget bears. Where that is not allowed, the stacks at the starts of
//! young collections are read instead.

mod allocator;
mod classes;
mod collections;
mod contents;
mod cost;
mod follow;
mod gathering;
mod heaps;
mod later;
mod own_time;
mod pace;
mod pools;
mod profile;
mod program;
mod rates;
mod record;
mod returns;
mod sampler;
#[cfg(test)]
mod simulated;
mod spending;
mod supply;
mod threads;

pub use collections::CollectionSampler;
pub use follow::{LOOKS_S, Survival};
pub use profile::{
    AllocProfile, AllocSite, AllocSource, AllocStack, CollectionsSeen, Rate, Survivor, Survivors,
};
pub use sampler::AllocSampler;
