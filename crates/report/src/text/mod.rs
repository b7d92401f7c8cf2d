//! Text for a terminal: values and a language in, lines out.

mod fleet;
mod list;
mod style;
mod table;

pub use fleet::fleet;
pub use list::list;
pub use style::Style;
pub use table::{Align, Table};
