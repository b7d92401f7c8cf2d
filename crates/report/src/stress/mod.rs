//! Soak tests: `m5 stress`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;
