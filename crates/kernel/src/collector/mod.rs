//! Collections as they begin and end: the Python stack at the very start of each, and the collector's own counters.
//!
//! A debug register on the collector's flag runs a program in the kernel, in the thread that collects, at the write itself. The
//! counters tell the generation, so that no other register is needed.

mod program;
mod starts;
mod watch;

pub use starts::CollectionStarts;
pub use watch::{CollectionWatch, CollectorEvent, EndedCollection};
