//! What keeps threads apart: the GIL where the interpreter has one, and without it a lock in each cell. Nothing else of
//! this crate asks which it is.
//!
//! One rule serves both: inside of [`StateCell::with`] nothing runs Python code, drops a reference that may be the last,
//! or makes an object of Python; so the thread stays attached to the interpreter until the cell is let go. Then no other
//! thread sees the value half changed; who waits for the lock may wait attached, since whoever has it comes to its end
//! without the interpreter's help; and where the interpreter has stopped all threads (to collect, to fork) no cell is
//! in use: the collector may look without the lock, and a forked child finds every lock free.

#[cfg(not(Py_GIL_DISABLED))]
mod gil;
mod memory;
#[cfg(Py_GIL_DISABLED)]
mod parallel;

#[cfg(not(Py_GIL_DISABLED))]
pub(crate) use gil::{Shared, StateCell};
#[cfg(Py_GIL_DISABLED)]
pub(crate) use parallel::{Shared, StateCell};
