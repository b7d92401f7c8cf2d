//! The Python processes of a machine: `m5 list`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;
