//! What is wrong with a process, in twelve lines: `m5 why`.

pub(crate) mod doc;
pub(crate) mod judge;
pub(crate) mod text;
pub(crate) mod words;
