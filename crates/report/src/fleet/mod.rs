//! Services and versions of a fleet: `m5 fleet`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;
