//! From raw samples to figures, and the objectives held against them. Pure: a stored recording gives the same
//! figures for ever.

mod columns;
mod criteria;
mod figures;
mod gc;
mod growth;
mod interpreters;
mod leaks;
mod pause_totals;
mod restarts;
mod waiting;

pub(crate) use columns::floats;
pub use criteria::{judge_all, judge_watched};
pub use figures::{complete, derive};
pub use growth::layers;
