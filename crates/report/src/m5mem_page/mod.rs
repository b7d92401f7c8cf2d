//! What a process says of itself through the page that `m5mem` publishes.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;
