//! Two sides compared: `m5 compare` and the faces of a CI gate.

pub(crate) mod doc;
pub mod gate;
pub(crate) mod text;
pub(crate) mod words;
