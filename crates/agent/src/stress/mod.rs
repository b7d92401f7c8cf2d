//! The soak test: hours of samples, a check each hour, and a document that it can be resumed from.

mod clock;
mod judge;
mod run;

pub use clock::Clock;
pub use judge::{check, finish};
pub use run::{Event, Options, SoakError, run};
