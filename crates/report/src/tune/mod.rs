//! Settings tried on fresh processes: `m5 tune`.

pub(crate) mod doc;
pub(crate) mod paste;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{Goal, GoalOutcome, Lack, LeftOut, Stage, TUNE_SCHEMA, Tried, TuneDoc, TuneRun};
pub use text::text;
