//! Fresh processes of a command: `m5 bench-run`, `m5 leaks`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;
