//! Where each version keeps the instruction that a frame is at, and the table that gives it a line.

use super::objects::ObjectLayout;
use crate::lines::LineTable;

/// How the current instruction is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// An index in the frame, in steps of so many bytes (up to 3.10).
    Index {
        /// Its offset in the frame.
        at: u64,
        /// Bytes a step.
        step: i64,
    },
    /// A pointer in the frame (3.11 on).
    Pointer {
        /// Its offset in the frame.
        at: u64,
        /// Offset of the first instruction in the code object.
        code: u64,
    },
}

/// Where a version keeps lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFields {
    /// Minor version.
    pub minor: u32,
    /// Whether it is that of builds without the GIL; offsets in objects are counted as with it.
    pub free_threaded: bool,
    /// The current instruction.
    pub instruction: Instruction,
    /// Offset of the line table in the code object.
    pub table: u64,
    /// Its form.
    pub form: LineTable,
    /// Offset in the code object of the pointer to the copies of its instructions that threads run, where they have
    /// copies of their own (free-threaded, 3.14 on): their number, then where each begins.
    pub copies: Option<u64>,
    /// Offset in a frame of the byte that names its owner, and the value of those that run no Python.
    pub shim: Option<(u64, u8)>,
}

const fn pointer(minor: u32, code: u64, shim: Option<(u64, u8)>) -> LineFields {
    let instruction = Instruction::Pointer { at: 56, code };
    LineFields {
        minor,
        free_threaded: false,
        instruction,
        table: 136,
        form: LineTable::Locations,
        copies: None,
        shim,
    }
}

const fn free_threaded(minor: u32, code: u64, shim: Option<(u64, u8)>) -> LineFields {
    // The pointer to the copies stands right before the instructions.
    let copies = if minor >= 14 { Some(code - 8) } else { None };
    LineFields { free_threaded: true, copies, ..pointer(minor, code, shim) }
}

const fn index(minor: u32, at: u64, step: i64, form: LineTable) -> LineFields {
    let instruction = Instruction::Index { at, step };
    LineFields { minor, free_threaded: false, instruction, table: 120, form, copies: None, shim: None }
}

/// Taken with `offsetof` from each version's internal headers, oldest first.
pub const LINES: &[LineFields] = &[
    index(8, 104, 1, LineTable::Increments),
    index(9, 104, 1, LineTable::Increments),
    index(10, 96, 2, LineTable::Ranges),
    pointer(11, 184, None),
    pointer(12, 192, Some((70, 3))),
    pointer(13, 200, Some((70, 3))),
    pointer(14, 208, Some((74, 3))),
    pointer(15, 208, Some((74, 3))),
    free_threaded(13, 200, Some((70, 3))),
    free_threaded(14, 216, Some((78, 3))),
    free_threaded(15, 216, Some((78, 3))),
];

/// The fields that go with a layout of objects.
#[must_use]
pub fn lines(objects: &ObjectLayout) -> Option<&'static LineFields> {
    LINES.iter().find(|l| l.minor == objects.minor && l.free_threaded == objects.free_threaded)
}
