//! The function behind `PyObject_Malloc`: inlined callers reach it too.
//!
//! The exported function ends in a call through the allocators' table. It is followed with the values that
//! the process holds now, so no offset of the table is needed, and hooks (`PYTHONMALLOC=debug`) are seen.

use crate::arch::{self, Behind};
use m5_cpython::Interpreter;
use m5_cpython::elf::Image;
use m5_process::Mapping;

/// Where objects are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allocator {
    /// Address of the function.
    pub(super) address: u64,
    /// It is the exported function, which has the allocator's code in itself (builds with profiles): callers
    /// into which that was copied too are not seen, and the size is the first argument.
    pub(super) exported: bool,
}

/// The function that allocates objects now; `None` where it is not found.
pub(super) fn find(interpreter: &Interpreter, maps: &[Mapping]) -> Option<Allocator> {
    let start = exported(interpreter, maps, "PyObject_Malloc")?;
    let memory = interpreter.memory();
    let found = match arch::behind(&memory, start) {
        Behind::Inlined => return Some(Allocator { address: start, exported: true }),
        Behind::Function(found) => found,
        Behind::Unknown => return None,
    };
    let code = maps.iter().any(|m| m.executable && (m.start..m.end).contains(&found));
    code.then_some(Allocator { address: found, exported: false })
}

/// Address of a symbol that the interpreter's file exports.
pub(super) fn exported(interpreter: &Interpreter, maps: &[Mapping], name: &str) -> Option<u64> {
    let base = maps.iter().find(|m| m.offset == 0 && m.path == interpreter.file())?.start;
    let memory = interpreter.memory();
    Some(Image::open(&memory, base).ok()??.symbol(&memory, name).ok()??.address)
}
