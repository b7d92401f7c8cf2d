//! Turns of an event loop.

mod program;
mod record;
mod watch;

pub use record::Spent;
pub use watch::{LoopWatch, Turn};
