//! What a watchpoint must know of a processor: how many there are, where the code of the store lies that trapped, what
//! that code says, and whether a trap can keep it from ever succeeding. One file an architecture, all with the same
//! names. Decoding is pure, so that each one's tests run everywhere.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
#[cfg(any(test, target_arch = "x86_64"))]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{LENGTH, REGISTERS, begins, code_at, is_endless, never_ends};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{LENGTH, REGISTERS, begins, code_at, is_endless, never_ends};

/// A stretch of a program's code; `None` where it could not be read.
pub(crate) type Code = Option<Vec<u8>>;
