//! Makes a stopped thread do one system call, so that it finds its way back even if we die on the spot.
//!
//! Between the change of its registers and their restoration the thread is not itself. Should the tracer be
//! killed in that window (a copy of page tables can take 25 ms), the kernel lets the thread run on from where
//! it is. So the call is made through a `syscall; ret` of the C library, with a complete signal frame waiting
//! on the thread's stack: `ret` leads into `rt_sigreturn`, which restores every register, the floating point
//! state and the signal mask. A child gets a stack pointer to another frame, which ends it.

use crate::trace::arch::{self, Gadgets, Registers};
use crate::trace::ptrace::{ExtendedState, TraceError, TraceResult, Tracee, Wait};
use crate::trace::rseq;
use crate::trace::stacks::Stacks;
use crate::{Constants, Mapping, Memory, Process};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

impl Gadgets {
    /// Looks through the code of the C library, then through all other code, the kernel's own library included.
    pub(crate) fn find(process: &Process, memory: &File) -> TraceResult<Self> {
        let maps = process.maps()?;
        let files = Constants::of(process, &maps)?;
        let code = |libc: bool| maps.iter().filter(move |m| m.executable && is_libc(&m.path) == libc);
        let (mut call, mut sigreturn) = (None, None);
        for map in code(true).chain(code(false)) {
            let Some(text) = text(map, &files, memory) else { continue };
            let found = |code: &[u8]| position(&text, code).map(|at| map.start + at as u64);
            call = call.or_else(|| found(arch::CALL).filter(|at| holds(memory, *at, arch::CALL)));
            sigreturn =
                sigreturn.or_else(|| found(arch::SIGRETURN).filter(|at| holds(memory, *at, arch::SIGRETURN)));
            if let (Some(call), Some(sigreturn)) = (call, sigreturn) {
                return Ok(Self { call, sigreturn });
            }
        }
        Err(TraceError::Refused("no code to make a system call through was found in the target".into()))
    }

    /// Whether this memory has that code: it may be another program's by now.
    pub(crate) fn lie_in(&self, memory: &File) -> bool {
        holds(memory, self.call, arch::CALL) && holds(memory, self.sigreturn, arch::SIGRETURN)
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

/// The code of a mapping, from its file; the kernel's own library has none and is read in the process.
fn text(map: &Mapping, files: &Constants, memory: &File) -> Option<Vec<u8>> {
    const MOST: u64 = 64 << 20;
    let len = usize::try_from((map.end - map.start).min(MOST)).ok()?;
    let mut bytes = vec![0; len];
    let read = match map.path.as_str() {
        "[vdso]" => memory.read_exact_at(&mut bytes, map.start).is_ok(),
        _ => files.read(map.start, &mut bytes).is_ok(),
    };
    read.then_some(bytes)
}

fn dispatched() -> TraceError {
    let why =
        "the kernel hands the thread's system calls to the program itself (PR_SET_SYSCALL_USER_DISPATCH)";
    TraceError::Refused(format!("{why}; use --method freeze"))
}

/// Whether a stopped thread can be made to call: it stands on a stack of its own, and its calls reach the kernel.
pub(crate) fn can_call(tracee: &Tracee, stacks: &Stacks) -> bool {
    stacks.of_thread(tracee).is_some() && !tracee.dispatches_calls()
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// What a copy ends with that is let loose because its maker died: by this it is known again.
pub(crate) const LOOSE_COPY: u64 = 213;
/// What a helper is called, which shares the target's memory and is killed at its end: by this it is known again.
pub(crate) const HELPER_NAME: &str = "m5-helper";

/// How long a thread may take to make a call.
pub(crate) struct Patience<'a> {
    /// What to do where it still waits for a processor then; it is done once.
    early: Option<(Instant, &'a mut dyn FnMut())>,
    end: Instant,
}

impl From<Instant> for Patience<'_> {
    fn from(end: Instant) -> Self {
        Self { early: None, end }
    }
}

impl<'a> Patience<'a> {
    pub(crate) fn new(early: Instant, end: Instant, does: &'a mut dyn FnMut()) -> Self {
        Self { early: Some((early, does)), end }
    }

    /// Waits until a thread stops.
    pub(crate) fn wait(&mut self, tracee: &Tracee, what: &'static str) -> TraceResult<Wait> {
        if let Some((at, _)) = &self.early {
            match tracee.wait(*at, what) {
                Err(TraceError::TimedOut(_)) => {}
                other => return other,
            }
        }
        if let Some((_, does)) = self.early.take() {
            does();
        }
        tracee.wait(self.end, what)
    }
}

/// A thread ready to make calls: its stack prepared, its registers noted.
pub(crate) struct Injector<'a> {
    tracee: &'a Tracee,
    memory: &'a File,
    gadgets: Gadgets,
    saved: Registers,
    mask: u64,
    /// The extended state at the stop.
    state: ExtendedState,
    /// What lay below the stack, and where.
    below: (u64, Vec<u8>),
    frame: u64,
    child_frame: u64,
}

impl<'a> Injector<'a> {
    /// Writes the two frames below the thread's stack. `memory` was opened after the thread had stopped, so that it
    /// is that of what it executes now.
    ///
    /// # Errors
    /// [`TraceError::Replaced`] where the code that the call would go through is no longer there.
    /// [`TraceError::Refused`] where the thread does not stand on a stack of its own, with room below, and where its calls
    /// do not reach the kernel.
    pub(crate) fn prepare(
        tracee: &'a Tracee,
        memory: &'a File,
        gadgets: Gadgets,
        stacks: &Stacks,
    ) -> TraceResult<Self> {
        if !gadgets.lie_in(memory) {
            return Err(TraceError::Replaced);
        }
        let Some(stack) = stacks.of_thread(tracee) else {
            return Err(TraceError::Refused(
                "no thread of the target stands on the stack that it was made with; use --method freeze"
                    .into(),
            ));
        };
        if tracee.dispatches_calls() {
            return Err(dispatched());
        }
        let saved = tracee.regs.map_or_else(|| tracee.get_regs(), Ok)?;
        let saved = rseq::left(tracee, memory, saved)?;
        if let Some(why) = arch::unfit(&|set| tracee.register_set(set).ok()) {
            return Err(TraceError::Refused(format!("{why}; use --method freeze")));
        }
        let state = tracee.extended_state()?;
        let mask = tracee.signal_mask()?;
        let frames = arch::frames(&saved, gadgets, mask, &state.bytes, LOOSE_COPY);
        let no_room = || TraceError::Refused("the thread's stack has no room below it".into());
        if !stack.contains(&frames.own) || frames.top > stack.end {
            return Err(no_room());
        }
        let mut old = vec![0; frames.top.wrapping_sub(frames.own) as usize];
        let unusable = |_| no_room();
        memory.read_exact_at(&mut old, frames.own).map_err(unusable)?;
        let mut new = old.clone();
        for (at, bytes) in &frames.pieces {
            let from = (at - frames.own) as usize;
            if let Some(slot) = new.get_mut(from..from + bytes.len()) {
                slot.copy_from_slice(bytes);
            }
        }
        memory.write_all_at(&new, frames.own).map_err(unusable)?;
        let (frame, child_frame) = (frames.own, frames.child);
        Ok(Self { tracee, memory, gadgets, saved, mask, state, below: (frame, old), frame, child_frame })
    }

    /// Where the stack pointer of a child must point so that a child let loose ends at once.
    pub(crate) fn child_stack(&self) -> u64 {
        self.child_frame
    }

    /// The code that calls go through.
    pub(crate) fn gadgets(&self) -> Gadgets {
        self.gadgets
    }

    /// Puts a short name where nothing else lies in the child's frame; its address, until [`Self::restore`].
    pub(crate) fn put_name(&self, name: &str) -> TraceResult<u64> {
        const MOST: usize = 15;
        let at = self.child_frame + arch::FRAME - (MOST as u64 + 1);
        let mut bytes: Vec<u8> = name.bytes().take(MOST).collect();
        bytes.push(0);
        let put = self.memory.write_all_at(&bytes, at);
        put.map_err(|source| TraceError::System { what: "write to the stack", source })?;
        Ok(at)
    }

    /// Makes the call; its result, and the child that clone made as we see it.
    pub(crate) fn call<'p>(
        &self,
        number: i64,
        args: [u64; 4],
        patience: impl Into<Patience<'p>>,
    ) -> TraceResult<(i64, Option<i32>)> {
        let mut patience = patience.into();
        let regs = arch::calling(&self.saved, self.gadgets, self.frame, number, args);
        // From here on the frame is the way back, and it restores the mask too. A SIGSYS of the kernel's own making that
        // is blocked would end the target: it is let in, seen, and taken out.
        self.tracee.set_regs(&regs)?;
        self.tracee.set_signal_mask(!(1 << (libc::SIGSYS - 1)))?;
        let mut child = None;
        let mut entered = false;
        let mut signal = 0;
        loop {
            self.tracee.resume_to_syscall(std::mem::take(&mut signal))?;
            match patience.wait(self.tracee, "an injected system call")? {
                Wait::Gone => return Err(TraceError::Refused("the target ended meanwhile".into())),
                Wait::Cloned => child = Some(self.tracee.event_message()? as i32),
                Wait::Syscall if entered => break,
                Wait::Syscall => entered = true,
                Wait::Signal(libc::SIGSYS) if self.tracee.was_dispatched() => return Err(dispatched()),
                Wait::Signal(n) => signal = n,
                Wait::Interrupted => {}
            }
        }
        Ok((arch::result(&self.tracee.get_regs()?), child))
    }

    /// Puts the stack and the registers back as they were. The thread is brought to the same kind of stop
    /// where it was found, so that the kernel itself restarts what the first stop broke off.
    pub(crate) fn restore<'p>(self, patience: impl Into<Patience<'p>>) -> TraceResult<()> {
        let mut patience = patience.into();
        self.tracee.interrupt()?;
        let mut signal = 0;
        loop {
            self.tracee.resume_to_syscall(std::mem::take(&mut signal))?;
            match patience.wait(self.tracee, "the injected thread to stop again")? {
                Wait::Interrupted => break,
                Wait::Gone => return Err(TraceError::Refused("the target ended meanwhile".into())),
                Wait::Signal(n) => signal = n,
                Wait::Syscall | Wait::Cloned => {}
            }
        }
        self.tracee.set_signal_mask(self.mask)?;
        self.tracee.set_regs(&self.saved)?;
        if arch::CALLS_CLOBBER_STATE {
            self.tracee.set_extended_state(&self.state)?;
        }
        self.tracee.was_injected();
        // Only now: until then the frames are the way back.
        let put_back = self.memory.write_all_at(&self.below.1, self.below.0);
        put_back.map_err(|source| TraceError::System { what: "write to the stack", source })
    }
}
