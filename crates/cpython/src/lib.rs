//! What the interpreter says: find CPython in a process, know its layout, read its collector's state.
//!
//! A wrong offset gives plausible numbers and no crash, so a layout is used only after the live process has
//! confirmed it; a build that fits none is refused with what was found.

mod allocators;
mod confirm;
mod decode;
mod dict;
pub mod elf;
mod error;
mod find;
mod gcstate;
mod gil;
mod interpreter;
pub mod layout;
mod lines;
mod pages;
mod pools;
mod rings;
mod runners;
mod stack;
mod symbols;
mod tasks;
mod threads;
mod values;
mod version;
mod version_text;
mod world;

pub use allocators::Allocators;
pub use confirm::{Confidence, Origin};
pub use dict::{KEYS_HEAD, KeyTable};
pub use error::{Error, Result};
pub use find::{Found, Instead, find, find_in};
pub use gcstate::{GC_SIZE_MAX, GcState, Generation, Population, decode_gc, decode_population};
pub use gil::Gil;
pub use interpreter::{Interpreter, Thread};
pub use lines::LineTable;
pub use pools::PoolUse;
pub use rings::{RING_BLOCK, RingItem, RingSizes, decode_rings};
pub use runners::PythonThreads;
pub use stack::{PyFrame, ThreadStack, current_line, living_threads};
pub use symbols::symbols;
pub use tasks::{AsyncTask, Awaited, Gathers, TaskState, Tasks};
pub use threads::Stacks;
pub use version::Version;
pub use world::StopWords;
