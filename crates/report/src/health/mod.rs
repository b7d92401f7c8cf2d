//! One line an objective: `m5 health`, `m5 check`.

pub(crate) mod doc;
pub(crate) mod text;
