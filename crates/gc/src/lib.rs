//! Pause tracing: every collection of a live interpreter, seen from outside, with what was missed counted.
//!
//! A [`PauseSource`] is a stream of pauses plus its coverage. The [`Tracer`] picks the best source that the
//! build and the machine allow and says which and why.

mod choice;
mod error;
mod pause;
mod perf;
mod poll;
mod ring;
mod tracer;
mod watch;

pub use choice::{Choice, Obstacle};
pub use error::{Error, Result};
pub use pause::{Coverage, GenerationCoverage, Pause, PauseSource, SourceKind};
pub use tracer::{TraceOptions, Tracer};
