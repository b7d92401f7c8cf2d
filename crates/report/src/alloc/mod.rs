//! Where a process allocates: `m5 alloc`.

mod collections;
pub(crate) mod doc;
pub(crate) mod export;
mod place;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{ALLOC_SCHEMA, AllocDoc};
pub use export::{folded, html, pprof, speedscope};
pub use text::text;
