//! Turns of an event loop.

mod program;
mod watch;

pub use watch::{LoopWatch, Turn};
