//! What the interpreter says: find CPython in a process, know its layout, read its collector's state.
//!
//! A wrong offset gives plausible numbers and no crash, so a layout is used only after the live process has
//! confirmed it; a build that fits none is refused with what was found.

mod error;
mod find;
mod gcstate;
pub mod layout;
mod symbols;

pub use error::{Error, Result};
pub use find::{Found, find};
pub use gcstate::{GcState, Generation, Interpreter, RingItem};
pub use symbols::symbols;
