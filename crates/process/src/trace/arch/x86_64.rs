//! 64-bit x86.

use super::{Frames, Gadgets, ReadSet};
use std::arch::x86_64::__cpuid_count;

/// What the kernel leaves as the result of a call that it means to restart.
const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;

/// General registers as ptrace gives them.
pub(crate) type Registers = libc::user_regs_struct;

/// Sets of extended registers (`PTRACE_GETREGSET`), the best first.
pub(crate) const EXTENDED: [usize; 1] = [0x202];
/// Largest register set that is asked for: AVX-512 and AMX together are below 11 KiB.
pub(crate) const SET_MOST: usize = 16 << 10;
/// Whether a system call destroys some of the extended state, so that it must be put back.
pub(crate) const CALLS_CLOBBER_STATE: bool = false;

/// `syscall; ret`.
pub(crate) const CALL: &[u8] = &[0x0f, 0x05, 0xc3];
/// `mov $15, %rax; syscall`: what a signal handler returns to.
pub(crate) const SIGRETURN: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];

/// Below the stack pointer the ABI lets a function keep 128 bytes.
const RED_ZONE: u64 = 128;
/// Alignment of the extended state in a signal frame.
const STATE_ALIGN: u64 = 64;
/// `struct ucontext` up to the signal mask, behind the return address.
const UCONTEXT: usize = 304;
/// The return address, the context, and room for the `siginfo` that the kernel checks is addressable.
pub(crate) const FRAME: u64 = 8 + UCONTEXT as u64 + 128;

/// Calls that the kernel restarts without a trace, the best first.
pub(crate) const CALLS_RESTARTED_WELL: &[i64] = &[
    libc::SYS_futex,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_wait4,
];

/// Name of the architecture, for people.
pub(crate) const NAME: &str = "64-bit x86";

/// The architecture's number in an ELF file (`e_machine`).
pub(crate) const MACHINE: u16 = 62;

/// System calls that threads wait in and that not every architecture has: number and name.
pub const OWN_WAITS: &[(i64, &str)] = &[
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_select, "select"),
    (libc::SYS_pause, "pause"),
    (libc::SYS_open, "open"),
    (libc::SYS_stat, "stat"),
    (libc::SYS_lstat, "lstat"),
    (libc::SYS_access, "access"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_readlink, "readlink"),
    (libc::SYS_getdents, "getdents"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_creat, "creat"),
];

/// Where the memory of programs ends. What asks for more (57 bits, by a hint to mmap) is not read.
pub const ADDRESS_BITS: u32 = 47;

/// The address that a pointer means.
#[inline]
#[must_use]
pub const fn address_of(pointer: u64) -> u64 {
    pointer
}

/// What of a thread's state an injected call would break; `None` where nothing stands against it.
pub(crate) fn unfit(_set: ReadSet<'_>) -> Option<&'static str> {
    None
}

/// Whether the text of `/proc/PID/status` tells of a second, protected stack, which an injected return would break.
pub(crate) fn protects_returns(status: &str) -> bool {
    status.lines().any(|l| l.starts_with("x86_Thread_features:") && l.contains("shstk"))
}

/// What must be known of a thread before it is stopped: nothing, the registers tell all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before;

impl Before {
    pub(crate) fn unknown() -> Self {
        Self
    }

    pub(crate) fn look(_tid: i32) -> Self {
        Self
    }

    /// The system call that the thread stands in.
    pub(crate) fn system_call(&self, regs: &Registers, _code: impl Fn(u64) -> Option<u32>) -> Option<i64> {
        in_system_call(regs).then_some(regs.orig_rax as i64)
    }

    /// Whether the thread stands in a system call.
    pub(crate) fn in_system_call(&self, regs: &Registers) -> bool {
        in_system_call(regs)
    }

    /// The registers that a stopped thread gets at once so that the program sees nothing of the stop, even if we die
    /// now; `None` where they are as they should be. ERESTARTNOHAND turns into EINTR again where a handler does run.
    pub(crate) fn restarted(
        &mut self,
        regs: &Registers,
        _code: impl Fn(u64) -> Option<u32>,
        _signalled: impl Fn() -> bool,
    ) -> Option<Registers> {
        restarted_eintr(regs)
    }

    /// The registers that a thread goes on with where they differ from those at its stop: never, since the kernel
    /// itself sees from them what was broken off.
    pub(crate) fn released(
        &self,
        _regs: &Registers,
        _injected: bool,
        _code: impl Fn(u64) -> Option<u32>,
        _signalled: impl Fn() -> bool,
    ) -> Option<Registers> {
        None
    }
}

/// The stack pointer.
pub(crate) fn stack_pointer(regs: &Registers) -> u64 {
    regs.rsp
}

/// An argument of the system call that a thread stands in, the third or the fourth; others are not asked for.
pub(crate) fn argument(regs: &Registers, place: usize) -> u64 {
    if place == 2 { regs.rdx } else { regs.r10 }
}

/// What the thread's own block is found by: the C library keeps it above the thread's stack.
pub(crate) fn thread_pointer(regs: &Registers, _set: ReadSet<'_>) -> Option<u64> {
    (regs.fs_base != 0).then_some(regs.fs_base)
}

/// The registers with the address of their next instruction changed.
pub(crate) fn continuing_at(regs: &Registers, instruction: u64) -> Registers {
    Registers { rip: instruction, ..*regs }
}

/// Address of the next instruction.
pub(crate) fn instruction(regs: &Registers) -> u64 {
    regs.rip
}

/// Whether the thread stands in a system call.
fn in_system_call(regs: &Registers) -> bool {
    regs.orig_rax as i64 >= 0
}

/// Where the instructions lie that signals have interrupted whose frames are among these bytes of a stack; `None` for one
/// of which that cannot be told. A frame begins with the address to which its handler returns.
pub fn interrupted(stack: &[u8], sigreturn: u64) -> Vec<Option<u64>> {
    const INSTRUCTION: usize = 22;
    let words: Vec<u64> = stack.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    let frames = (0..words.len()).filter(|at| words[*at] == sigreturn);
    frames.map(|at| words.get(at + INSTRUCTION).copied()).collect()
}

/// The result of the call that the thread comes from.
pub(crate) fn result(regs: &Registers) -> i64 {
    regs.rax as i64
}

/// Registers that make a call with the stack at `stack`, where the return address lies.
pub(crate) fn calling(
    saved: &Registers,
    gadgets: Gadgets,
    stack: u64,
    number: i64,
    args: [u64; 4],
) -> Registers {
    let mut regs = *saved;
    regs.rip = gadgets.call;
    regs.rsp = stack;
    regs.rax = number as u64;
    regs.orig_rax = u64::MAX;
    [regs.rdi, regs.rsi, regs.rdx, regs.r10] = args;
    (regs.r8, regs.r9) = (0, 0);
    regs
}

/// `epoll_wait`, `recv` with a timeout and their like return EINTR by themselves instead of asking for a restart,
/// although nothing happened: then the registers that ask for one. `close` is never begun anew: its descriptor is gone, and the number may be another thread's.
fn restarted_eintr(regs: &Registers) -> Option<Registers> {
    let closes = [libc::SYS_close, libc::SYS_close_range].contains(&(regs.orig_rax as i64));
    let broken_off = in_system_call(regs) && result(regs) == -i64::from(libc::EINTR);
    (broken_off && !closes).then_some(Registers { rax: (-ERESTARTNOHAND) as u64, ..*regs })
}

/// The frames below the stack of a thread with these registers, this signal mask and this extended state; the copy
/// ends with `exit_code`.
pub(crate) fn frames(saved: &Registers, gadgets: Gadgets, mask: u64, state: &[u8], exit_code: u64) -> Frames {
    let state = signal_state(state);
    let top = saved.rsp.wrapping_sub(RED_ZONE);
    let state_at = top.wrapping_sub(state.len() as u64) & !(STATE_ALIGN - 1);
    // The thread's own frame lies lowest: a handler that runs on it overwrites nothing.
    let child = state_at.wrapping_sub(FRAME) & !15;
    let own = child.wrapping_sub(FRAME) & !15;
    let end = calling(saved, gadgets, child, libc::SYS_exit_group, [exit_code, 0, 0, 0]);
    let pieces = vec![
        (own, signal_frame(gadgets.sigreturn, &as_if_restarted(saved), mask, state_at)),
        (state_at, state),
        (child, signal_frame(gadgets.sigreturn, &end, mask, 0)),
    ];
    Frames { own, child, top, pieces }
}

/// What the kernel does to the registers when a broken-off call is restarted, for the case that we die.
fn as_if_restarted(regs: &Registers) -> Registers {
    let mut out = *regs;
    let restarts = [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK];
    if in_system_call(regs) && restarts.contains(&-result(regs)) {
        out.rax = regs.orig_rax;
        out.rip = regs.rip.wrapping_sub(2);
    }
    out
}

/// The return address and the context of `rt_sigreturn`.
fn signal_frame(sigreturn: u64, regs: &Registers, mask: u64, state: u64) -> Vec<u8> {
    /// The floating point state has its extended form; the stack segment is given and obeyed.
    const FLAGS: u64 = 7;
    /// No mode of an alternate stack, so that the kernel leaves the one it has alone.
    const INVALID_STACK_MODE: u64 = 7;
    let segments =
        (regs.cs & 0xffff) | (regs.gs & 0xffff) << 16 | (regs.fs & 0xffff) << 32 | (regs.ss & 0xffff) << 48;
    let words = [
        sigreturn,
        FLAGS,
        0,
        0,
        INVALID_STACK_MODE,
        0,
        regs.r8,
        regs.r9,
        regs.r10,
        regs.r11,
        regs.r12,
        regs.r13,
        regs.r14,
        regs.r15,
        regs.rdi,
        regs.rsi,
        regs.rbp,
        regs.rbx,
        regs.rdx,
        regs.rax,
        regs.rcx,
        regs.rsp,
        regs.rip,
        regs.eflags,
        segments,
        0,
        0,
        0,
        0,
        state,
    ];
    let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    bytes.resize(8 + UCONTEXT - 8, 0);
    bytes.extend(mask.to_le_bytes());
    bytes
}

/// Where the kernel says in an extended state which features it holds at the most, and which are in use.
const FEATURES_AT: usize = 464;
const IN_USE_AT: usize = 512;
/// The tiles of AMX: a thread has room for them only where it asked for it.
const TILES: u64 = 1 << 18;

/// The extended state with the marks that the kernel puts around it in a signal frame. Where the tiles are not in use
/// they are left out, since the kernel restores nothing but the oldest registers of a thread that may not have them.
fn signal_state(state: &[u8]) -> Vec<u8> {
    const MAGIC1: u32 = 0x4650_5853;
    const MAGIC2: u32 = 0x4650_5845;
    let word =
        |at: usize| state.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    let mut features = word(FEATURES_AT);
    let mut bytes = state.to_vec();
    if word(IN_USE_AT) & TILES == 0 && features & TILES != 0 {
        features &= !TILES;
        bytes.truncate(standard_size(features).min(state.len()));
    }
    let size = bytes.len() as u32;
    let mut marks = Vec::with_capacity(48);
    marks.extend(MAGIC1.to_le_bytes());
    marks.extend((size + 4).to_le_bytes());
    marks.extend(features.to_le_bytes());
    marks.extend(size.to_le_bytes());
    marks.resize(48, 0);
    if let Some(slot) = bytes.get_mut(FEATURES_AT..FEATURES_AT + 48) {
        slot.copy_from_slice(&marks);
    }
    bytes.extend(MAGIC2.to_le_bytes());
    bytes
}

/// Bytes of the standard form of a state with these features, as the processor lays it out.
fn standard_size(features: u64) -> usize {
    const LEGACY_AND_HEADER: usize = 576;
    const LEAF: u32 = 0xd;
    let end = |feature: u32| {
        let layout = __cpuid_count(LEAF, feature);
        layout.eax as usize + layout.ebx as usize
    };
    (2..63).filter(|f| features >> f & 1 == 1).map(end).max().unwrap_or(0).max(LEGACY_AND_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Registers {
        let zero = Registers {
            r15: 0,
            r14: 0,
            r13: 0,
            r12: 0,
            rbp: 0,
            rbx: 0,
            r11: 0,
            r10: 0,
            r9: 0,
            r8: 0,
            rax: 0,
            rcx: 0,
            rdx: 0,
            rsi: 0,
            rdi: 0,
            orig_rax: u64::MAX,
            rip: 0,
            cs: 0x33,
            eflags: 0,
            rsp: 0,
            ss: 0x2b,
            fs_base: 0,
            gs_base: 0,
            ds: 0,
            es: 0,
            fs: 0,
            gs: 0,
        };
        calling(&zero, Gadgets { call: 0x1000, sigreturn: 0x1800 }, 0x2000, libc::SYS_read, [1, 2, 3, 4])
    }

    fn broken_off(call: i64, result: i64) -> Registers {
        Registers { orig_rax: call as u64, rax: result as u64, ..registers() }
    }

    #[test]
    fn what_was_broken_off_for_nothing_begins_anew_but_never_a_close() {
        let eintr = -i64::from(libc::EINTR);
        let again = restarted_eintr(&broken_off(libc::SYS_epoll_wait, eintr)).unwrap();
        assert_eq!(result(&again), -ERESTARTNOHAND);
        for call in [libc::SYS_close, libc::SYS_close_range] {
            assert!(restarted_eintr(&broken_off(call, eintr)).is_none());
        }
        assert!(restarted_eintr(&broken_off(libc::SYS_read, 5)).is_none());
        assert!(restarted_eintr(&registers()).is_none(), "not in a call");
    }

    #[test]
    fn a_state_without_tiles_in_use_is_one_of_a_thread_without_them() {
        let mut state = vec![0u8; 11_008];
        state[FEATURES_AT..FEATURES_AT + 8].copy_from_slice(&(0x7 | TILES).to_le_bytes());
        let framed = signal_state(&state);
        assert!(framed.len() < 4096, "{}", framed.len());
        assert_eq!(u64::from_le_bytes(framed[472..480].try_into().unwrap()), 0x7);
        state[IN_USE_AT..IN_USE_AT + 8].copy_from_slice(&TILES.to_le_bytes());
        assert_eq!(signal_state(&state).len(), state.len() + 4);
    }

    #[test]
    fn the_processor_lays_out_what_the_kernel_saves() {
        assert_eq!(standard_size(0b11), 576);
        assert!(standard_size(0b111) >= 576 + 256);
    }
}
