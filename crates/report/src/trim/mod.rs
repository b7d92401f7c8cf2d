//! Memory given back: `m5 trim`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{Later, TRIM_SCHEMA, TrimDoc};
pub use text::text;
