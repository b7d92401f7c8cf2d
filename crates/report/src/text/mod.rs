//! Text for a terminal: values and a language in, lines out.

mod list;
mod style;
mod table;

pub use list::list;
pub use style::Style;
pub use table::{Align, Table};
