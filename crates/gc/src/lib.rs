//! Pause tracing: every collection of a live interpreter, seen from outside, with what was missed counted.
//!
//! A [`PauseSource`] is a stream of pauses plus its coverage. The [`Tracer`] picks the best source that the
//! build and the machine allow and says which and why.

mod budget;
mod choice;
mod counts;
mod descendants;
mod error;
mod obstacle;
mod pause;
mod perf;
mod poll;
mod ring;
mod stacks;
mod told;
mod tracer;
pub mod tune;
mod watch;

pub use choice::Choice;
pub use error::{Error, Result};
pub use obstacle::{Obstacle, errno_name};
pub use pause::{
    CERTAIN, Coverage, Detail, GenerationCoverage, InterpreterCollections, Pause, PauseSource, SourceKind,
    WorldStops,
};
pub use told::{Teller, ToldPause};
pub use tracer::{TraceOptions, Tracer};
