//! Text for a terminal: values and a language in, lines out.

mod application;
mod baseline;
pub(crate) mod compare;
mod fleet;
mod gc;
mod gc_report;
mod growth;
mod health;
mod layers;
mod list;
pub(crate) mod marks;
mod objectives;
mod optimization;
mod process;
mod runs;
mod sight;
mod stress;
mod style;
mod table;

pub use baseline::baseline;
pub use compare::compare;
pub use fleet::fleet;
pub use gc_report::gc_report;
pub use health::{check, health};
pub use list::list;
pub use marks::verdict_text;
pub use objectives::{objectives, summary};
use optimization::optimization;
pub(crate) use process::mapped;
pub use process::process;
pub use runs::{FIELDS as RUN_FIELDS, leaks, runs};
pub use sight::{mend, place, why};
pub use stress::{stress, stress_check};
pub use style::Style;
pub use table::{Align, Table};
