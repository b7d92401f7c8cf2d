//! What stalls an event loop: `m5 stalls`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{STALLS_SCHEMA, Stalls, ThreadTurns, Turn};
pub use text::text;
