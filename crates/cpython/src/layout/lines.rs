//! The instruction that a frame is at, and the table that gives it a line.

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

impl LineFields {
    /// An index into the code, in steps of so many bytes (up to 3.10).
    pub(super) const fn index(at: u64, step: i64, form: LineTable) -> Self {
        Self { instruction: Instruction::Index { at, step }, table: 120, form, copies: None, shim: None }
    }

    /// A pointer into the code, which begins at `code` (3.11 on).
    pub(super) const fn pointer(code: u64, shim: Option<(u64, u8)>) -> Self {
        let instruction = Instruction::Pointer { at: 56, code };
        Self { instruction, table: 136, form: LineTable::Locations, copies: None, shim }
    }

    /// The same where threads run copies of the code: the pointer to them stands right before it.
    pub(super) const fn copied(code: u64, shim: Option<(u64, u8)>) -> Self {
        Self { copies: Some(code - 8), ..Self::pointer(code, shim) }
    }
}
