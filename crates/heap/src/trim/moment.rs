//! Whether this is a moment in which nobody is inside the allocator.
//!
//! Where the process has threads, the allocator works under the lock of its arena: it is free, or it is not. A process
//! that never started a thread takes no lock; then where the thread stands must tell.

use crate::trim::library::Library;
use m5_process::{Frozen, LiveMemory, Mapping, Memory, OWN_WAITS, StoppedThread, interrupted};

/// More of a stack is not looked at.
const MOST_STACK: u64 = 64 << 20;

/// Why a moment is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// The arena's lock is held.
    Locked,
    /// A thread waits in the kernel where it cannot be seen.
    Asleep,
    /// The thread is in the C library's code.
    Code,
    /// A signal interrupted the C library.
    Signal,
}

/// What must be known beforehand.
pub(super) struct Moments<'a> {
    pub(super) library: &'a Library,
    pub(super) memory: LiveMemory,
    /// Where signal handlers return to.
    pub(super) sigreturn: u64,
    pub(super) maps: &'a [Mapping],
}

impl Moments<'_> {
    /// Looks at a process that stands still.
    pub(super) fn check(&self, frozen: &Frozen<'_>, lock: u64) -> Result<(), Inside> {
        let threads = frozen.stopped_threads().ok_or(Inside::Asleep)?;
        if self.memory.i32(lock).map_or(true, |held| held != 0) {
            return Err(Inside::Locked);
        }
        if threads.len() > 1 && self.takes_locks() {
            return Ok(());
        }
        threads.iter().try_for_each(|thread| self.outside(thread))
    }

    /// Whether the allocator takes its locks: from the second thread on.
    fn takes_locks(&self) -> bool {
        let flag = self.library.single_threaded.and_then(|at| self.memory.bytes::<1>(at).ok());
        flag == Some([0])
    }

    fn outside(&self, thread: &StoppedThread) -> Result<(), Inside> {
        match thread.call {
            Some(call) if !waits(call) => return Err(Inside::Code),
            None if self.library.runs(thread.code) => return Err(Inside::Code),
            _ => {}
        }
        self.signalled(thread)
    }

    /// Whether a handler runs above what a signal interrupted inside the C library.
    fn signalled(&self, thread: &StoppedThread) -> Result<(), Inside> {
        let stack = thread.stack;
        let Some(map) = self.maps.iter().find(|m| (m.start..m.end).contains(&stack)) else {
            return Err(Inside::Signal);
        };
        // What lies below the pointer within the red zone is no frame.
        let mut bytes = vec![0; (map.end - stack).min(MOST_STACK) as usize];
        if map.end - stack > MOST_STACK || self.memory.read(stack, &mut bytes).is_err() {
            return Err(Inside::Signal);
        }
        // A frame says what it interrupted; what cannot be read may be anything.
        let inside = |at: Option<u64>| at.is_none_or(|at| self.library.runs(at));
        if interrupted(&bytes, self.sigreturn).into_iter().any(inside) { Err(Inside::Signal) } else { Ok(()) }
    }
}

/// Whether a thread only waits in a call, which the allocator then never made.
fn waits(call: i64) -> bool {
    WAITS.contains(&call) || OWN_WAITS.iter().any(|(number, _)| *number == call)
}

/// System calls in which a thread waits, and which the allocator never makes.
const WAITS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_io_getevents,
    libc::SYS_futex,
];
