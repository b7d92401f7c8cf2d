//! 64-bit Arm.
//!
//! The kernel rewinds a broken-off call before it reports the stop (`do_signal` in arch/arm64/kernel/signal.c): the
//! registers at a stop are those of the restart already and the call's number is forgotten. What the thread was in is
//! therefore looked up before it is stopped ([`Before`]). All of it is plain data, so its tests run everywhere.
#![cfg_attr(not(target_arch = "aarch64"), allow(dead_code, unused_imports, unreachable_pub))]

mod calls;
mod frame;

pub(crate) use calls::Before;
pub(crate) use frame::{FRAME, frames};

use super::{Gadgets, ReadSet};

/// General registers as ptrace gives them (`struct user_pt_regs`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Registers {
    /// `x0` to `x30`; the last is the return address.
    pub(crate) x: [u64; 31],
    pub(crate) sp: u64,
    pub(crate) pc: u64,
    pub(crate) pstate: u64,
}

/// Sets of extended registers (`PTRACE_GETREGSET`), the best first: scalable vectors, vectors of 128 bits.
pub(crate) const EXTENDED: [usize; 2] = [NT_ARM_SVE, NT_PRFPREG];
const NT_PRFPREG: usize = 2;
const NT_ARM_SVE: usize = 0x405;
/// The scalable vectors of streaming mode.
const NT_ARM_SSVE: usize = 0x40b;
/// The guarded control stack.
const NT_ARM_GCS: usize = 0x410;
/// Largest register set that is asked for: 32 vectors of 2048 bits are 8 KiB.
pub(crate) const SET_MOST: usize = 16 << 10;
/// Whether a system call destroys some of the extended state, so that it must be put back: of the scalable vectors it
/// leaves the lowest 128 bits.
pub(crate) const CALLS_CLOBBER_STATE: bool = true;

/// `svc #0; ret`: behind calls that cannot fail, in the C library and in the kernel's own.
pub(crate) const CALL: &[u8] = &[0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6];
/// `mov x8, #139; svc #0`: what a signal handler returns to; with glibc in the kernel's own library only.
pub(crate) const SIGRETURN: &[u8] = &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];

/// Calls that the kernel restarts without a trace, the best first.
pub(crate) const CALLS_RESTARTED_WELL: &[i64] =
    &[libc::SYS_futex, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_ppoll, libc::SYS_wait4];

/// Name of the architecture, for people.
pub(crate) const NAME: &str = "64-bit Arm";
/// The architecture's number in an ELF file (`e_machine`).
pub(crate) const MACHINE: u16 = 183;

/// System calls that threads wait in and that not every architecture has: number and name.
pub const OWN_WAITS: &[(i64, &str)] = &[];

/// Where the memory of programs ends. A kernel for 52 bits gives what is above only to who asks by a hint to mmap.
pub const ADDRESS_BITS: u32 = 48;

/// The address that a pointer means: the highest byte is a tag that the processor ignores.
#[inline]
#[must_use]
pub const fn address_of(pointer: u64) -> u64 {
    pointer & ((1 << 56) - 1)
}

/// Whether the text of `/proc/PID/status` tells of a second, protected stack. It never does here: see [`unfit`].
pub(crate) fn protects_returns(_status: &str) -> bool {
    false
}

/// What of a thread's state an injected call would break; `None` where nothing stands against it.
pub(crate) fn unfit(set: ReadSet<'_>) -> Option<&'static str> {
    const GCS_ENABLED: u8 = 1;
    const HEADER: u32 = 16;
    let guarded = set(NT_ARM_GCS).is_some_and(|s| s.first().is_some_and(|b| b & GCS_ENABLED != 0));
    if guarded {
        return Some("the target runs with a guarded control stack");
    }
    // Outside of streaming mode the set is its header alone.
    let size = |s: Vec<u8>| s.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
    let streaming = set(NT_ARM_SSVE).is_some_and(|s| size(s) > HEADER);
    streaming.then_some("a thread of the target computes in streaming mode")
}

/// The stack pointer.
pub(crate) fn stack_pointer(regs: &Registers) -> u64 {
    regs.sp
}

/// An argument of the system call that a thread stands in, but for the first, in whose place the result lies.
pub(crate) fn argument(regs: &Registers, place: usize) -> u64 {
    regs.x.get(place).copied().unwrap_or(u64::MAX)
}

/// The register that threads keep their pointer in.
const NT_ARM_TLS: usize = 0x401;

/// What the thread's own block is found by: the C library keeps it above the thread's stack.
pub(crate) fn thread_pointer(_regs: &Registers, set: ReadSet<'_>) -> Option<u64> {
    let bytes = set(NT_ARM_TLS)?;
    bytes.first_chunk().map(|b| u64::from_le_bytes(*b)).filter(|pointer| *pointer != 0)
}

/// The registers with the address of their next instruction changed.
pub(crate) fn continuing_at(regs: &Registers, instruction: u64) -> Registers {
    Registers { pc: instruction, ..*regs }
}

/// Address of the next instruction.
pub(crate) fn instruction(regs: &Registers) -> u64 {
    regs.pc
}

/// Where the instructions lie that signals have interrupted whose frames are among these bytes of a stack; `None` for one
/// of which that cannot be told. Where the handler keeps its way back is its own affair, but the record of the vectors
/// comes first in every frame, and right behind the registers.
pub fn interrupted(stack: &[u8], _sigreturn: u64) -> Vec<Option<u64>> {
    const RECORD: u64 = frame::FIRST_RECORD;
    /// In words: the state register, and what brings the records to a multiple of sixteen bytes, lie between.
    const BACK: usize = 3;
    let words: Vec<u64> = stack.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    let records = (0..words.len()).filter(|at| words[*at] == RECORD);
    records.map(|at| at.checked_sub(BACK).and_then(|at| words.get(at)).copied()).collect()
}

/// The result of the call that the thread comes from.
pub(crate) fn result(regs: &Registers) -> i64 {
    regs.x[0] as i64
}

/// Number of a call, and the return address.
const NUMBER: usize = 8;
const LINK: usize = 30;
/// In the state register: the kind of branch that led here. After an indirect one a protected page wants a landing
/// pad, which a system call is not.
const BRANCH_TYPE: u64 = 0b11 << 10;

/// Registers that make a call with the stack at `stack`.
pub(crate) fn calling(
    saved: &Registers,
    gadgets: Gadgets,
    stack: u64,
    number: i64,
    args: [u64; 4],
) -> Registers {
    let mut regs = *saved;
    regs.pc = gadgets.call;
    regs.sp = stack;
    regs.pstate &= !BRANCH_TYPE;
    regs.x[NUMBER] = number as u64;
    regs.x[..4].copy_from_slice(&args);
    regs.x[4..6].fill(0);
    regs.x[LINK] = gadgets.sigreturn;
    regs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_lands_without_a_landing_pad_and_returns_by_the_frame() {
        let saved = Registers { pstate: 0x6000_0c00, x: [9; 31], ..Registers::default() };
        let gadgets = Gadgets { call: 0x1000, sigreturn: 0x2000 };
        let regs = calling(&saved, gadgets, 0x8000, 220, [1, 2, 3, 4]);
        assert_eq!((regs.pc, regs.sp, regs.pstate), (0x1000, 0x8000, 0x6000_0000));
        assert_eq!((regs.x[8], regs.x[30], &regs.x[..6]), (220, 0x2000, &[1, 2, 3, 4, 0, 0][..]));
        assert_eq!(regs.x[9..30], [9; 21], "all others are the thread's own");
    }

    #[test]
    fn a_guarded_stack_and_streaming_mode_are_no_place_for_a_call() {
        let none = |_: usize| None;
        assert_eq!(unfit(&none), None);
        let header = |size: u32| size.to_le_bytes().into_iter().chain([0; 12]).collect::<Vec<u8>>();
        let sets = |gcs: u8, streaming: u32| {
            move |kind: usize| match kind {
                NT_ARM_GCS => Some([&[gcs][..], &[0; 23]].concat()),
                NT_ARM_SSVE => Some(header(streaming)),
                _ => None,
            }
        };
        assert_eq!(unfit(&sets(0, 16)), None);
        assert!(unfit(&sets(1, 16)).unwrap().contains("control stack"));
        assert!(unfit(&sets(0, 560)).unwrap().contains("streaming"));
    }

    #[test]
    fn the_tag_of_a_pointer_is_no_address() {
        assert_eq!(address_of(0x3400_ffff_8000_1230), 0x0000_ffff_8000_1230);
    }
}
