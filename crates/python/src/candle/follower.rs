//! Objects of Python that follow a buffer. They are called when its change is whole and it can be read, never while it
//! is under way.

use crate::own::Own;
use pyo3::prelude::*;

/// A call that waits.
pub(super) enum Call {
    /// `update` (`new`) or `replace` of a follower.
    Follower { id: u64, new: bool, values: Vec<f64> },
    /// `reset` of a follower, where it has one.
    Reset(u64),
    /// `on_close` of this buffer.
    Closed(u64),
    /// The calls of a coarser buffer.
    Coarser(Py<PyAny>),
}

/// An object of Python with `update(*values)`, and `replace(*values)` where it takes open bars.
pub(super) struct Follower {
    pub(super) id: u64,
    pub(super) object: Own,
}
