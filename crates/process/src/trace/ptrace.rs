//! One thread under ptrace: stop it, look at its registers, let it go exactly as it was.
//!
//! Every call must come from the thread that seized (see [`with_tracer`]). When that thread ends, however it
//! ends, the kernel lets go of everything that it held.
#![allow(unsafe_code)]

use crate::priority::AtOnce;
use crate::procfs::threads;
use crate::trace::arch::{self, Before, Registers};
use crate::trace::guard;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Result of stopping a process or making it do something.
pub type TraceResult<T> = Result<T, TraceError>;

/// Why a process could not be stopped or copied. It runs on in every case.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// `/proc` refused or the process is gone.
    #[error(transparent)]
    Process(#[from] crate::Error),
    /// It would not be safe, and why.
    #[error("refused for the target's safety: {0}")]
    Refused(String),
    /// It executed another program meanwhile.
    #[error("the target executed another program meanwhile")]
    Replaced,
    /// A step took longer than its deadline.
    #[error("gave up waiting for {0}")]
    TimedOut(&'static str),
    /// A system call failed.
    #[error("{what} failed: {source}")]
    System {
        /// The call.
        what: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
}

impl TraceError {
    pub(crate) fn last(what: &'static str) -> Self {
        Self::System { what, source: io::Error::last_os_error() }
    }

    /// Whether the kernel said that we may not.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Process(e) => matches!(e, crate::Error::Permission { .. }),
            Self::System { source, .. } => {
                matches!(source.raw_os_error(), Some(libc::EPERM | libc::EACCES))
            }
            _ => false,
        }
    }
}

/// Runs `work` on a thread of its own, whose end makes the kernel detach from everything it traced.
///
/// # Errors
/// What `work` returned; a panic in it becomes [`TraceError::Refused`].
pub fn with_tracer<T: Send>(work: impl FnOnce() -> TraceResult<T> + Send) -> TraceResult<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("m5-tracer".to_owned())
            .spawn_scoped(scope, || {
                wake_on_time();
                work()
            })
            .map_err(|source| TraceError::System { what: "thread for ptrace", source })?;
        thread.join().unwrap_or_else(|_| Err(TraceError::Refused("the tracing thread ended early".into())))
    })
}

/// Lets this thread's short sleeps end when they should: by default the kernel adds 50 µs.
fn wake_on_time() {
    const SLACK_NS: libc::c_ulong = 1000;
    // SAFETY: plain numbers; only this thread is affected. A refusal leaves the default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0) };
}

/// How a wait for a thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Stopped by our interrupt, or with its whole group by a signal.
    Interrupted,
    /// Stopped at the entry to or exit from a system call.
    Syscall,
    /// Stopped inside clone, with the child made.
    Cloned,
    /// Stopped because this signal is on its way.
    Signal(i32),
    /// Gone.
    Gone,
}

/// Calls ptrace; the result is the kernel's.
fn ptrace(what: &'static str, request: u32, tid: i32, addr: usize, data: usize) -> TraceResult<i64> {
    // SAFETY: callers pass, for requests that write through `data`, a pointer to a live local of the size that
    // the request defines; every other request takes plain numbers.
    let result = unsafe { libc::ptrace(request as _, tid, addr, data) };
    if result == -1 { Err(TraceError::last(what)) } else { Ok(result) }
}

const GETSIGMASK: u32 = 0x420a;
const SETSIGMASK: u32 = 0x420b;
const GET_SYSCALL_USER_DISPATCH_CONFIG: u32 = 0x4211;

/// A seized thread. Dropping it does not detach: a running thread cannot be detached, and the end of the
/// tracing thread does it anyway.
#[derive(Debug)]
pub(crate) struct Tracee {
    pub(crate) tid: i32,
    /// Registers at the first stop.
    pub(crate) regs: Option<Registers>,
    /// What was known of it before that.
    before: Before,
    /// Whether it made a call of ours.
    injected: AtomicBool,
}

/// Vectors and their like: a register set.
#[derive(Debug)]
pub(crate) struct ExtendedState {
    set: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Tracee {
    /// Attaches without stopping.
    pub(crate) fn seize(tid: i32) -> TraceResult<Self> {
        ptrace("PTRACE_SEIZE", libc::PTRACE_SEIZE, tid, 0, 0)?;
        // As late as can be: what it begins between this look and the stop is not known.
        Ok(Self { tid, regs: None, before: Before::look(tid), injected: AtomicBool::new(false) })
    }

    /// One that is traced already because one of ours made it.
    pub(crate) fn born(tid: i32) -> Self {
        Self { tid, regs: None, before: Before::unknown(), injected: AtomicBool::new(false) }
    }

    /// Attaches and asks it to stop; `None` where it has ended, as the first thread of a process may long before the others.
    pub(crate) fn interrupted(tid: i32) -> TraceResult<Option<Self>> {
        let seized = Self::seize(tid).and_then(|tracee| tracee.interrupt().map(|()| tracee));
        let has_ended = |error: &io::Error| match error.raw_os_error() {
            Some(libc::ESRCH) => true,
            Some(libc::EPERM) => matches!(threads::state(tid, tid), None | Some('Z' | 'X')),
            _ => false,
        };
        match seized {
            Err(TraceError::System { source, .. }) if has_ended(&source) => Ok(None),
            other => other.map(Some),
        }
    }

    pub(crate) fn interrupt(&self) -> TraceResult<()> {
        ptrace("PTRACE_INTERRUPT", libc::PTRACE_INTERRUPT, self.tid, 0, 0).map(drop)
    }

    pub(crate) fn options(&self, options: i32) -> TraceResult<()> {
        ptrace("PTRACE_SETOPTIONS", libc::PTRACE_SETOPTIONS, self.tid, 0, options as usize).map(drop)
    }

    pub(crate) fn resume(&self, signal: i32) -> TraceResult<()> {
        ptrace("PTRACE_CONT", libc::PTRACE_CONT, self.tid, 0, signal as usize).map(drop)
    }

    pub(crate) fn resume_to_syscall(&self, signal: i32) -> TraceResult<()> {
        ptrace("PTRACE_SYSCALL", libc::PTRACE_SYSCALL, self.tid, 0, signal as usize).map(drop)
    }

    /// Whether it was stopped in a system call.
    pub(crate) fn in_system_call(&self) -> bool {
        self.regs.is_none_or(|regs| self.before.in_system_call(&regs))
    }

    /// The system call that it was stopped in.
    pub(crate) fn system_call(&self) -> Option<i64> {
        self.before.system_call(self.regs.as_ref()?, |at| self.instruction(at))
    }

    /// Notes that it made a call of ours and has its registers back.
    pub(crate) fn was_injected(&self) {
        self.injected.store(true, Relaxed);
    }

    /// Lets it make one step.
    pub(crate) fn step(&self) -> TraceResult<()> {
        ptrace("PTRACE_SINGLESTEP", libc::PTRACE_SINGLESTEP, self.tid, 0, 0).map(drop)
    }

    pub(crate) fn detach(&self) -> TraceResult<()> {
        let (code, signalled) = (|at| self.instruction(at), || self.is_signalled());
        let injected = self.injected.load(Relaxed);
        if let Some(regs) = &self.regs
            && let Some(next) = self.before.released(regs, injected, code, signalled)
        {
            self.set_regs(&next)?;
        }
        ptrace("PTRACE_DETACH", libc::PTRACE_DETACH, self.tid, 0, 0).map(drop)
    }

    pub(crate) fn event_message(&self) -> TraceResult<u64> {
        let mut message: u64 = 0;
        ptrace("PTRACE_GETEVENTMSG", libc::PTRACE_GETEVENTMSG, self.tid, 0, (&raw mut message) as usize)?;
        Ok(message)
    }

    /// The signals that it blocks.
    pub(crate) fn signal_mask(&self) -> TraceResult<u64> {
        let mut mask: u64 = 0;
        ptrace("PTRACE_GETSIGMASK", GETSIGMASK, self.tid, size_of::<u64>(), (&raw mut mask) as usize)?;
        Ok(mask)
    }

    pub(crate) fn set_signal_mask(&self, mask: u64) -> TraceResult<()> {
        let data = (&raw const mask) as usize;
        ptrace("PTRACE_SETSIGMASK", SETSIGMASK, self.tid, size_of::<u64>(), data).map(drop)
    }

    /// Whether the kernel hands its system calls to the program itself (`PR_SET_SYSCALL_USER_DISPATCH`: Wine, sandboxes),
    /// as a SIGSYS that ends who does not expect it. Kernels before 6.4 do not say.
    pub(crate) fn dispatches_calls(&self) -> bool {
        // Mode, selector, offset, length.
        let mut config = [0u64; 4];
        let (size, data) = (size_of_val(&config), (&raw mut config) as usize);
        let asked = ptrace(
            "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
            GET_SYSCALL_USER_DISPATCH_CONFIG,
            self.tid,
            size,
            data,
        );
        asked.is_ok() && config.first() != Some(&0)
    }

    /// Whether the signal that it is stopped with says that the kernel handed a call to the program itself.
    pub(crate) fn was_dispatched(&self) -> bool {
        const SYS_USER_DISPATCH: i32 = 2;
        // SAFETY: all zeroes is a value of the struct, which the kernel fills.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let data = (&raw mut info) as usize;
        let asked = ptrace("PTRACE_GETSIGINFO", libc::PTRACE_GETSIGINFO, self.tid, 0, data);
        asked.is_ok() && info.si_signo == libc::SIGSYS && info.si_code == SYS_USER_DISPATCH
    }

    /// Whether a signal waits that it does not block and that has a handler.
    fn is_signalled(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/status", self.tid)).unwrap_or_default();
        let mask = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok()).unwrap_or(0)
        };
        (mask("SigPnd") | mask("ShdPnd")) & !mask("SigBlk") & mask("SigCgt") != 0
    }

    /// Four bytes of its code.
    fn instruction(&self, at: u64) -> Option<u32> {
        let mut code = [0; 4];
        let memory = fs::File::open(format!("/proc/{}/mem", self.tid)).ok()?;
        memory.read_exact_at(&mut code, at).ok()?;
        Some(u32::from_le_bytes(code))
    }

    pub(crate) fn get_regs(&self) -> TraceResult<Registers> {
        // SAFETY: the registers are plain integers, for which all zeroes is a value.
        let mut regs: Registers = unsafe { std::mem::zeroed() };
        let mut vector = libc::iovec { iov_base: (&raw mut regs).cast(), iov_len: size_of::<Registers>() };
        let data = (&raw mut vector) as usize;
        ptrace("PTRACE_GETREGSET", libc::PTRACE_GETREGSET, self.tid, libc::NT_PRSTATUS as usize, data)?;
        Ok(regs)
    }

    pub(crate) fn set_regs(&self, regs: &Registers) -> TraceResult<()> {
        let base = std::ptr::from_ref(regs).cast_mut().cast();
        let mut vector = libc::iovec { iov_base: base, iov_len: size_of::<Registers>() };
        let data = (&raw mut vector) as usize;
        ptrace("PTRACE_SETREGSET", libc::PTRACE_SETREGSET, self.tid, libc::NT_PRSTATUS as usize, data)
            .map(drop)
    }

    /// A register set as it is.
    pub(crate) fn register_set(&self, set: usize) -> TraceResult<Vec<u8>> {
        let mut bytes = vec![0u8; arch::SET_MOST];
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let data = (&raw mut vector) as usize;
        ptrace("PTRACE_GETREGSET", libc::PTRACE_GETREGSET, self.tid, set, data)?;
        bytes.truncate(vector.iov_len);
        Ok(bytes)
    }

    /// The extended state: the best set of vectors that the machine has.
    pub(crate) fn extended_state(&self) -> TraceResult<ExtendedState> {
        let got = |set| self.register_set(set).map(|bytes| ExtendedState { set, bytes });
        let [best, others @ ..] = arch::EXTENDED;
        others.into_iter().fold(got(best), |found, set| found.or_else(|_| got(set)))
    }

    pub(crate) fn set_extended_state(&self, state: &ExtendedState) -> TraceResult<()> {
        let base = state.bytes.as_ptr().cast_mut().cast();
        let mut vector = libc::iovec { iov_base: base, iov_len: state.bytes.len() };
        let data = (&raw mut vector) as usize;
        ptrace("PTRACE_SETREGSET", libc::PTRACE_SETREGSET, self.tid, state.set, data).map(drop)
    }

    /// Waits until it stops.
    pub(crate) fn wait(&self, deadline: Instant, what: &'static str) -> TraceResult<Wait> {
        let Some(status) = wait_until(self.tid, deadline, what)? else { return Ok(Wait::Gone) };
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return Ok(Wait::Gone);
        }
        Ok(match (libc::WSTOPSIG(status), status >> 16) {
            (_, libc::PTRACE_EVENT_STOP) => Wait::Interrupted,
            (_, libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK) => {
                Wait::Cloned
            }
            (signal, _) if signal == libc::SIGTRAP | 0x80 => Wait::Syscall,
            (signal, _) => Wait::Signal(signal),
        })
    }

    /// Whether it is in a stop within so short a time; the stop is left to be waited for.
    pub(crate) fn stops_within(&self, time: Duration) -> TraceResult<bool> {
        let end = Instant::now() + time;
        loop {
            // SAFETY: all zeroes is a value of the struct, which the kernel fills.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            let options = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
            // SAFETY: `info` is a live local.
            let got = unsafe { libc::waitid(libc::P_PID, self.tid as u32, &raw mut info, options) };
            if got != 0 {
                return Err(TraceError::last("waitid"));
            }
            // SAFETY: `waitid` filled it, or left it zero.
            if unsafe { info.si_pid() } != 0 {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(*NAP.start());
        }
    }

    /// Stops it and notes its registers; `false` where it is gone.
    pub(crate) fn stop(&mut self, deadline: Instant) -> TraceResult<bool> {
        loop {
            match self.wait(deadline, "a thread to stop")? {
                Wait::Gone => return Ok(false),
                Wait::Signal(signal) => self.resume(signal)?,
                _ => break,
            }
        }
        let mut regs = self.get_regs()?;
        // A call that our interrupt broke off is marked to be restarted at once, so that the program sees nothing
        // even if we die now.
        let mut before = self.before;
        if let Some(again) = before.restarted(&regs, |at| self.instruction(at), || self.is_signalled()) {
            regs = again;
            self.set_regs(&regs)?;
        }
        (self.regs, self.before) = (Some(regs), before);
        Ok(true)
    }
}

/// A thread stops within microseconds where it has a processor of its own; on a single one it needs ours.
const SPIN: Duration = Duration::from_micros(60);
/// The same of a thread that goes before all others: while it spins, nobody else gets its processor.
const BRIEF_SPIN: Duration = Duration::from_micros(10);
/// Longer waits are looked at in steps of a thirtieth of the time so far: a tracer that wakes every 20 µs would take
/// half the processor from the thread whose page tables the kernel copies.
const NAP: RangeInclusive<Duration> = Duration::from_micros(20)..=Duration::from_millis(1);
const NAPS: u32 = 30;

/// Waits for one thread without ever blocking for longer than the deadline; `None` where it is no tracee.
pub(crate) fn wait_until(tid: i32, deadline: Instant, what: &'static str) -> TraceResult<Option<i32>> {
    let started = Instant::now();
    let spin = if AtOnce::holds() { BRIEF_SPIN } else { SPIN };
    loop {
        guard::beat();
        let mut status = 0;
        // SAFETY: `status` is a live local that the kernel fills.
        let got = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
        if got == tid {
            return Ok(Some(status));
        }
        if got < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ECHILD) => return Ok(None),
                Some(libc::EINTR) => {}
                _ => return Err(TraceError::System { what: "waitpid", source: error }),
            }
        }
        if Instant::now() >= deadline {
            return Err(TraceError::TimedOut(what));
        }
        if started.elapsed() < spin {
            std::thread::yield_now();
        } else {
            std::thread::sleep((started.elapsed() / NAPS).clamp(*NAP.start(), *NAP.end()));
        }
    }
}

/// Ends a process for good.
pub(crate) fn kill(pid: i32) -> TraceResult<()> {
    // SAFETY: plain numbers.
    if unsafe { libc::kill(pid, libc::SIGKILL) } == 0 { Ok(()) } else { Err(TraceError::last("kill")) }
}
