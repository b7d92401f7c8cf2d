//! What small programs in the kernel see of a Python process: where it allocates, and what stalls its loop.
//!
//! The programs are put together here for the very layout of the interpreter, are checked by the kernel's
//! verifier, only read, and are gone with the descriptors that hold them: when m5 ends, however it ends.

mod alloc;
mod arch;
mod bpf;
mod collector;
mod duty;
mod error;
mod frames;
mod stalls;

pub use alloc::{
    AllocProfile, AllocSampler, AllocSite, AllocSource, AllocStack, CollectionSampler, CollectionsSeen,
    LOOKS_S, Rate, Survival, Survivor, Survivors,
};
pub use collector::{CollectionStarts, CollectionWatch, CollectorEvent, EndedCollection};
pub use error::{Error, Result};
pub use stalls::Lengths as TurnLengths;
pub use stalls::{LoopCounter, LoopOptions, LoopWatch, Spent, TURN_BOUNDS, Turn, Turns};
