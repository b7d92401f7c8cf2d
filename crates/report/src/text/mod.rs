//! Text for a terminal: values and a language in, lines out.

mod baseline;
mod gc;
mod growth;
mod list;
mod marks;
mod objectives;
mod style;
mod table;

pub use baseline::baseline;
pub use list::list;
pub use objectives::{objectives, summary};
pub use style::Style;
pub use table::{Align, Table};
