//! Objectives and whether they were met.

pub(crate) mod doc;
pub(crate) mod settings;
pub(crate) mod text;
pub(crate) mod words;
