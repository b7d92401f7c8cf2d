//! What stalls an event loop: `m5 stalls`.

mod divide;
pub(crate) mod doc;
pub(crate) mod export;
mod gather;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{
    Call, Collection, Collections, Division, Line, STALLS_SCHEMA, Stalls, TURN_BOUNDS, ThreadTurns, Turn,
};
pub use export::{chrome, prometheus};
pub use gather::{Gathering, Look, Seeing};
pub use text::text;
