//! Small programs in the kernel: put together here, checked by its verifier, gone when m5 goes.

mod assembler;
pub(crate) mod btf;
mod ring;
pub(crate) mod sys;

pub(crate) use assembler::{Assembler, Helper, If, Label, Reg};
pub(crate) use ring::Ring;

/// A word of a record, or of memory; `None` where it is not whole.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
