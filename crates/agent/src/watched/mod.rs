//! One watched process, as recordings and the pool of an exporter both see it.

mod interpreters;
mod process;
mod verdict;

use interpreters::Interpreters;
pub(crate) use process::{WatchedProcess, established};
pub(crate) use verdict::MemoryVerdict;
