//! Makes a stopped thread do one system call, so that it finds its way back even if we die on the spot.
//!
//! Between the change of its registers and their restoration the thread is not itself. Should the tracer be
//! killed in that window (a copy of page tables can take 25 ms), the kernel lets the thread run on from where
//! it is. So the call is made through a `syscall; ret` of the C library, with a complete signal frame waiting
//! on the thread's stack: `ret` leads into `rt_sigreturn`, which restores every register, the floating point
//! state and the signal mask. A child gets a stack pointer to another frame, which ends it.

use crate::trace::ptrace::{
    ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, TraceError, TraceResult, Tracee, Wait,
};
use crate::{Constants, Mapping, Memory, Process};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

/// Code of the target that every call goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gadgets {
    /// `syscall; ret`.
    call: u64,
    /// `mov $15, %rax; syscall`: what a signal handler returns to.
    sigreturn: u64,
}

const CALL: &[u8] = &[0x0f, 0x05, 0xc3];
const SIGRETURN: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];

impl Gadgets {
    /// Looks through the code of the C library, then through all other code.
    pub(crate) fn find(process: &Process, memory: &File) -> TraceResult<Self> {
        let maps = process.maps()?;
        let files = Constants::of(process, &maps)?;
        let code = |libc: bool| maps.iter().filter(move |m| m.executable && is_libc(&m.path) == libc);
        let (mut call, mut sigreturn) = (None, None);
        for map in code(true).chain(code(false)) {
            let Some(text) = text(map, &files) else { continue };
            let found = |code: &[u8]| position(&text, code).map(|at| map.start + at as u64);
            call = call.or_else(|| found(CALL).filter(|at| holds(memory, *at, CALL)));
            sigreturn = sigreturn.or_else(|| found(SIGRETURN).filter(|at| holds(memory, *at, SIGRETURN)));
            if let (Some(call), Some(sigreturn)) = (call, sigreturn) {
                return Ok(Self { call, sigreturn });
            }
        }
        Err(TraceError::Refused("no code to make a system call through was found in the target".into()))
    }
}

fn is_libc(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("libc.so") || name.starts_with("libc-") || name.starts_with("ld-musl")
}

/// Whether the process itself has this code there: a debugger may have changed it.
fn holds(memory: &File, at: u64, code: &[u8]) -> bool {
    let mut bytes = vec![0; code.len()];
    memory.read_exact_at(&mut bytes, at).is_ok() && bytes == code
}

fn text(map: &Mapping, files: &Constants) -> Option<Vec<u8>> {
    const MOST: u64 = 64 << 20;
    let len = usize::try_from((map.end - map.start).min(MOST)).ok()?;
    let mut bytes = vec![0; len];
    files.read(map.start, &mut bytes).ok()?;
    Some(bytes)
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Below the stack pointer the ABI lets a function keep 128 bytes.
const RED_ZONE: u64 = 128;
/// `struct ucontext` up to the signal mask, behind the return address.
const UCONTEXT: usize = 304;
/// The return address, the context, and room for the `siginfo` that the kernel checks is addressable.
const FRAME: u64 = 8 + UCONTEXT as u64 + 128;

/// A thread ready to make calls: its stack prepared, its registers noted.
pub(crate) struct Injector<'a> {
    tracee: &'a Tracee,
    memory: &'a File,
    gadgets: Gadgets,
    saved: libc::user_regs_struct,
    mask: u64,
    /// What lay below the stack, and where.
    below: (u64, Vec<u8>),
    frame: u64,
    child_frame: u64,
}

impl<'a> Injector<'a> {
    /// Writes the two frames below the thread's stack.
    pub(crate) fn prepare(tracee: &'a Tracee, memory: &'a File, gadgets: Gadgets) -> TraceResult<Self> {
        let saved = tracee.regs.map_or_else(|| tracee.get_regs(), Ok)?;
        let state = tracee.extended_state()?;
        let top = saved.rsp.wrapping_sub(RED_ZONE);
        let state_at = top.wrapping_sub(state.len() as u64 + 4) & !63;
        // The thread's own frame lies lowest: a handler that runs on it overwrites nothing.
        let child_frame = state_at.wrapping_sub(FRAME) & !15;
        let frame = child_frame.wrapping_sub(FRAME) & !15;
        let mut old = vec![0; top.wrapping_sub(frame) as usize];
        let unusable = |_| TraceError::Refused("the thread's stack has no room below it".into());
        memory.read_exact_at(&mut old, frame).map_err(unusable)?;
        let mut new = old.clone();
        let mut put = |at: u64, bytes: &[u8]| {
            let from = (at - frame) as usize;
            if let Some(slot) = new.get_mut(from..from + bytes.len()) {
                slot.copy_from_slice(bytes);
            }
        };
        let mask = tracee.signal_mask()?;
        put(frame, &sigframe(gadgets.sigreturn, &as_if_restarted(&saved), mask, state_at));
        put(state_at, &signal_state(&state));
        let end = libc::user_regs_struct {
            rip: gadgets.call,
            rax: libc::SYS_exit_group as u64,
            rdi: 0,
            rsp: child_frame,
            ..saved
        };
        put(child_frame, &sigframe(gadgets.sigreturn, &end, mask, 0));
        memory.write_all_at(&new, frame).map_err(unusable)?;
        Ok(Self { tracee, memory, gadgets, saved, mask, below: (frame, old), frame, child_frame })
    }

    /// Where the stack pointer of a child must point so that a child let loose ends at once.
    pub(crate) fn child_stack(&self) -> u64 {
        self.child_frame
    }

    /// Makes the call; its result, and the child that clone made as we see it.
    pub(crate) fn call(
        &self,
        number: i64,
        args: [u64; 4],
        deadline: Instant,
    ) -> TraceResult<(i64, Option<i32>)> {
        let mut regs = self.saved;
        regs.rip = self.gadgets.call;
        regs.rsp = self.frame;
        regs.rax = number as u64;
        regs.orig_rax = u64::MAX;
        [regs.rdi, regs.rsi, regs.rdx, regs.r10] = args;
        regs.r8 = 0;
        regs.r9 = 0;
        // From here on the frame is the way back, and it restores the mask too.
        self.tracee.set_regs(&regs)?;
        self.tracee.set_signal_mask(u64::MAX)?;
        let mut child = None;
        let mut entered = false;
        let mut signal = 0;
        loop {
            self.tracee.resume_to_syscall(std::mem::take(&mut signal))?;
            match self.tracee.wait(deadline, "an injected system call")? {
                Wait::Gone => return Err(TraceError::Refused("the target ended meanwhile".into())),
                Wait::Cloned => child = Some(self.tracee.event_message()? as i32),
                Wait::Syscall if entered => break,
                Wait::Syscall => entered = true,
                Wait::Signal(n) => signal = n,
                Wait::Interrupted => {}
            }
        }
        Ok((self.tracee.get_regs()?.rax as i64, child))
    }

    /// Puts the stack and the registers back as they were. The thread is brought to the same kind of stop
    /// where it was found, so that the kernel itself restarts what the first stop broke off.
    pub(crate) fn restore(self, deadline: Instant) -> TraceResult<()> {
        self.tracee.interrupt()?;
        let mut signal = 0;
        loop {
            self.tracee.resume_to_syscall(std::mem::take(&mut signal))?;
            match self.tracee.wait(deadline, "the injected thread to stop again")? {
                Wait::Interrupted => break,
                Wait::Gone => return Err(TraceError::Refused("the target ended meanwhile".into())),
                Wait::Signal(n) => signal = n,
                Wait::Syscall | Wait::Cloned => {}
            }
        }
        self.tracee.set_signal_mask(self.mask)?;
        self.tracee.set_regs(&self.saved)?;
        // Only now: until then the frames are the way back.
        let put_back = self.memory.write_all_at(&self.below.1, self.below.0);
        put_back.map_err(|source| TraceError::System { what: "write to the stack", source })
    }
}

/// What the kernel does to the registers when a broken-off call is restarted, for the case that we die.
fn as_if_restarted(regs: &libc::user_regs_struct) -> libc::user_regs_struct {
    let mut out = *regs;
    let restarts = [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK];
    if regs.orig_rax as i64 >= 0 && restarts.contains(&-(regs.rax as i64)) {
        out.rax = regs.orig_rax;
        out.rip = regs.rip.wrapping_sub(2);
    }
    out
}

/// The return address and the context of `rt_sigreturn`.
fn sigframe(sigreturn: u64, regs: &libc::user_regs_struct, mask: u64, state: u64) -> Vec<u8> {
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

/// The extended state with the marks that the kernel puts around it in a signal frame.
fn signal_state(state: &[u8]) -> Vec<u8> {
    const MAGIC1: u32 = 0x4650_5853;
    const MAGIC2: u32 = 0x4650_5845;
    const MARKS: usize = 464;
    let mut bytes = state.to_vec();
    let features: [u8; 8] = state.get(MARKS..MARKS + 8).and_then(|b| b.try_into().ok()).unwrap_or_default();
    let size = state.len() as u32;
    let mut marks = Vec::with_capacity(48);
    marks.extend(MAGIC1.to_le_bytes());
    marks.extend((size + 4).to_le_bytes());
    marks.extend(features);
    marks.extend(size.to_le_bytes());
    marks.resize(48, 0);
    if let Some(slot) = bytes.get_mut(MARKS..MARKS + 48) {
        slot.copy_from_slice(&marks);
    }
    bytes.extend(MAGIC2.to_le_bytes());
    bytes
}
