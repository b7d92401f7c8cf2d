//! What tracing must know of a processor: registers, code that makes a system call, the frames that lead back, what
//! the kernel restarts, how far addresses reach. One file an architecture, all with the same names; nothing of it lies
//! elsewhere in this crate.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;
#[cfg(target_arch = "aarch64")]
pub use aarch64::{ADDRESS_BITS, OWN_WAITS, address_of, interrupted};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{ADDRESS_BITS, OWN_WAITS, address_of, interrupted};

use std::sync::LazyLock;

/// Code of the target that every injected call goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gadgets {
    /// A system call and a return.
    pub(crate) call: u64,
    /// What a signal handler returns to.
    pub(crate) sigreturn: u64,
}

/// What is written below a thread's stack before it makes a call: the way back, and the end of a copy let loose.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Address of the thread's own frame, the lowest of all.
    pub(crate) own: u64,
    /// Address of the frame for a copy.
    pub(crate) child: u64,
    /// Where all of it ends.
    pub(crate) top: u64,
    /// Pieces with their addresses.
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
}

/// Whether the head of an ELF file is of a program for this architecture.
pub(crate) fn is_native(head: &[u8; 20]) -> bool {
    const CLASS_64: u8 = 2;
    head.starts_with(b"\x7fELF") && head[4] == CLASS_64 && head[18..20] == MACHINE.to_le_bytes()
}

/// Bytes of a page of memory, as the kernel that runs has it.
#[must_use]
pub fn page_size() -> u64 {
    static SIZE: LazyLock<u64> = LazyLock::new(|| rustix::param::page_size() as u64);
    *SIZE
}

/// Reads a register set of a stopped thread; `None` where the machine has no such set.
pub(crate) type ReadSet<'a> = &'a dyn Fn(usize) -> Option<Vec<u8>>;
