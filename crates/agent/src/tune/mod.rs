//! Settings of the allocator tried on fresh processes of a command, in turns; only what is proved is recommended.

mod candidates;
mod inside;
mod log;
mod measure;
mod race;

pub use candidates::{Collector, Setting, candidates, names};
pub use log::{Header, Log};
pub use measure::{Plan, measure};
pub use race::{Runner, race};
