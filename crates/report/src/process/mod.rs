//! One process at one moment.

pub(crate) mod doc;
pub(crate) mod executed_text;
pub(crate) mod text;
pub(crate) mod words;
