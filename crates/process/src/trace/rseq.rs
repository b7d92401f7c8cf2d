//! Restartable sequences (`rseq`): short stretches of code that the kernel leads to an exit of their own when it
//! interrupts the thread within one. An allocator may keep its lists for each processor that way.
//!
//! A thread that is stopped within one was interrupted. The kernel would lead it to that exit when it runs again, by the
//! address of its next instruction; but an injected call shows it another address, and it forgets the sequence. So the
//! thread is led to the exit by hand.
#![allow(unsafe_code)]

use crate::trace::arch::{self, Registers};
use crate::trace::ptrace::{TraceError, TraceResult, Tracee};
use std::fs::File;
use std::os::unix::fs::FileExt;

const GET_RSEQ_CONFIGURATION: u32 = 0x420f;
/// `struct ptrace_rseq_configuration`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Configuration {
    area: u64,
    size: u32,
    signature: u32,
    flags: u32,
    pad: u32,
}

/// Where the area of a thread says which sequence it is in.
const SEQUENCE_AT: u64 = 8;
/// `struct rseq_cs`: version, flags, first instruction, length, exit.
const SEQUENCE_LEN: usize = 32;

/// The registers with which a stopped thread goes on: at the exit of the sequence that it was interrupted in, if it was
/// in one. Where the kernel does not tell (before 5.13), nothing is known and nothing changed.
///
/// # Errors
/// [`TraceError::Refused`] where the sequence contradicts itself: nothing may be called in that thread.
pub(crate) fn left(tracee: &Tracee, memory: &File, regs: Registers) -> TraceResult<Registers> {
    let Some(area) = area(tracee.tid) else { return Ok(regs) };
    let word = |at: u64| {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, at).ok().map(|()| u64::from_le_bytes(bytes))
    };
    let Some(at) = word(area + SEQUENCE_AT).filter(|at| *at != 0) else { return Ok(regs) };
    let mut bytes = [0; SEQUENCE_LEN];
    let contradicts =
        || TraceError::Refused("a thread of the target stands in a restartable sequence".into());
    memory.read_exact_at(&mut bytes, at).map_err(|_| contradicts())?;
    match exit(&bytes, arch::instruction(&regs)) {
        Exit::Outside => Ok(regs),
        Exit::At(exit) => Ok(arch::continuing_at(&regs, exit)),
        Exit::Unknown => Err(contradicts()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Exit {
    Outside,
    At(u64),
    Unknown,
}

/// Where a thread with this next instruction leaves a sequence.
fn exit(sequence: &[u8; SEQUENCE_LEN], instruction: u64) -> Exit {
    let word = |at: usize| {
        sequence.get(at..at + 8).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
    };
    let (version_and_flags, start, len, exit) = (word(0), word(8), word(16), word(24));
    if instruction.wrapping_sub(start) >= len {
        return Exit::Outside;
    }
    // An exit within the sequence, an unknown version, or flags that ask for no exit.
    if version_and_flags != 0 || exit.wrapping_sub(start) < len {
        return Exit::Unknown;
    }
    Exit::At(exit)
}

/// The area that a stopped thread registered.
fn area(tid: i32) -> Option<u64> {
    let mut found = Configuration::default();
    let data = (&raw mut found) as usize;
    // SAFETY: the kernel writes no more than the size that it is given into a live local.
    let got = unsafe { libc::ptrace(GET_RSEQ_CONFIGURATION as _, tid, size_of::<Configuration>(), data) };
    (got >= 0 && found.area != 0).then_some(found.area)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(words: [u64; 4]) -> [u8; SEQUENCE_LEN] {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.try_into().unwrap()
    }

    #[test]
    fn who_is_inside_leaves_by_the_exit() {
        let plain = sequence([0, 1000, 50, 2000]);
        assert_eq!(exit(&plain, 999), Exit::Outside);
        assert_eq!(exit(&plain, 1000), Exit::At(2000));
        assert_eq!(exit(&plain, 1049), Exit::At(2000));
        assert_eq!(exit(&plain, 1050), Exit::Outside);
        assert_eq!(exit(&sequence([1, 1000, 50, 2000]), 1010), Exit::Unknown);
        assert_eq!(exit(&sequence([0, 1000, 50, 1020]), 1010), Exit::Unknown);
    }
}
