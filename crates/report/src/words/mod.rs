//! Words of commands that have no document of their own.

pub(crate) mod fault;
pub(crate) mod say;
pub(crate) mod serve;
pub(crate) mod top;
pub(crate) mod usage;
pub(crate) mod watch;
