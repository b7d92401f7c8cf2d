//! Text for a terminal: values and a language in, lines out.

mod baseline;
pub(crate) mod compare;
mod fleet;
mod gc;
mod growth;
mod health;
mod list;
pub(crate) mod marks;
mod objectives;
mod process;
mod runs;
mod style;
mod table;

pub use baseline::baseline;
pub use compare::compare;
pub use fleet::fleet;
pub use health::{check, health};
pub use list::list;
pub use objectives::{objectives, summary};
pub use process::process;
pub use runs::{FIELDS as RUN_FIELDS, leaks, runs};
pub use style::Style;
pub use table::{Align, Table};
