//! Live tuning: the collector's settings read, changed and put back from outside, and the decision which change
//! is worth it.
//!
//! What decides ([`model`], [`propose`], [`judge`]) is pure; what writes ([`Tuner`]) is apart from it.
//! Nothing is written on any doubt about the layout, each write is read back, and the old values are on disk
//! before the first byte changes, so that they can be put back also after m5 died.

mod error;
mod journal;
mod judge;
mod model;
mod propose;
mod remote;
mod settings;
mod tuner;
mod writing;

pub use error::TuneError;
pub use journal::{Journal, Kept, journal_dir};
pub use judge::{Judgement, Limits, Outcome, Reject, judge};
pub use model::{GenerationModel, Model, Window};
pub use propose::{Finding, Proposal, findings, propose};
pub use remote::Frozen;
pub use settings::Settings;
pub use tuner::{InterpreterSettings, Tuner, Undone};
