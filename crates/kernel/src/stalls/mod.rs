//! Turns of an event loop.

mod cost;
mod counter;
mod lengths;
mod program;
mod record;
mod tap;
mod watch;

pub use counter::{LoopCounter, Turns};
pub use lengths::{Lengths, TURN_BOUNDS};
pub use record::Spent;
pub use watch::{LoopOptions, LoopWatch, Turn};
