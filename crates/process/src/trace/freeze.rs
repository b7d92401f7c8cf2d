//! All threads of the target stopped for as long as the value lives, and never longer than agreed.

use crate::priority::{AtOnce, Urgent};
use crate::procfs::threads;
use crate::trace::arch;
use crate::trace::guard::{Guard, Held};
use crate::trace::ptrace::Tracee;
use crate::{Process, TraceError, TraceResult};
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// A thread that waits in the kernel may be about to stop waiting: so long is it given.
const BRIEF: Duration = Duration::from_millis(2);

/// A frozen process. Dropping it lets every thread go.
#[derive(Debug)]
pub struct Frozen<'g> {
    held: Held<'g>,
    _urgent: Urgent,
    at_once: Option<AtOnce>,
    pid: i32,
    pub(super) tracees: Vec<Tracee>,
    /// Threads that wait in the kernel and stop before they run again.
    pub(super) asleep: Vec<i32>,
    memory: File,
    pub(super) began: Instant,
    deadline: Instant,
    /// How long all but the calling thread stood, where they were let go before it.
    others_stood: Option<Duration>,
}

/// Stops every thread. Only inside [`crate::with_tracer`], with a guard that lets them go by its own clock.
///
/// # Errors
/// [`TraceError::TimedOut`] where that alone takes longer than `max_pause`; the target runs on in every case.
pub fn freeze<'g>(process: &Process, guard: &'g Guard, max_pause: Duration) -> TraceResult<Frozen<'g>> {
    let pid = process.pid();
    let memory = open_live(pid)?;
    let urgent = Urgent::begin();
    let held = guard.hold(max_pause);
    let began = Instant::now();
    let deadline = began + max_pause;
    let (tracees, asleep) = (Vec::new(), Vec::new());
    let at_once = Some(AtOnce::begin());
    let mut frozen = Frozen {
        held,
        _urgent: urgent,
        at_once,
        pid,
        tracees,
        asleep,
        memory,
        began,
        deadline,
        others_stood: None,
    };
    // Threads that are being born are seen on a later round; a stopped parent bears none.
    while frozen.round(process)? {}
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    tracing::debug!(pid, threads = frozen.tracees.len(), asleep = frozen.asleep.len(), took_ms, "stopped");
    Ok(frozen)
}

impl Frozen<'_> {
    fn round(&mut self, process: &Process) -> TraceResult<bool> {
        let known = self.tracees.len();
        let fresh: Vec<i32> = process
            .threads()?
            .into_iter()
            .filter(|tid| !self.tracees.iter().any(|t| t.tid == *tid) && !self.asleep.contains(tid))
            .collect();
        let mut waiting = Vec::new();
        for tid in fresh {
            waiting.extend(Tracee::interrupted(tid)?);
        }
        for mut tracee in waiting {
            // One that waits in the kernel where nothing can wake it (for a disk, for the child of a vfork) stops
            // before it runs a single instruction: there is nothing to wait for.
            if threads::state(self.pid, tracee.tid) == Some('D') && !tracee.stops_within(BRIEF)? {
                self.asleep.push(tracee.tid);
            } else if tracee.stop(self.deadline)? {
                self.tracees.push(tracee);
            }
        }
        Ok(self.tracees.len() > known)
    }

    /// What follows takes a while: this thread no longer goes before all sessions, only before those of its own.
    pub fn take_time(&mut self) {
        self.at_once = None;
    }

    /// Its memory, for `pread`.
    #[must_use]
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// A sign of life.
    pub(super) fn beat(&self) {
        self.held.beat();
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// [`TraceError::TimedOut`] where there is none: drop the value.
    pub fn check(&self) -> TraceResult<()> {
        self.beat();
        if Instant::now() < self.deadline {
            Ok(())
        } else {
            Err(TraceError::TimedOut("the copy of the frozen memory (--max-pause)"))
        }
    }

    /// Threads that are stopped.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.tracees.len()
    }

    /// Lets every thread go and says how long they stood.
    #[must_use]
    pub fn thaw(mut self) -> Duration {
        self.release();
        let stood = self.began.elapsed();
        tracing::debug!(pid = self.pid, stood_ms = stood.as_secs_f64() * 1e3, "released");
        stood
    }

    /// Lets every thread go whose stop nothing needs any more, so that they need not wait for the processor that another
    /// one waits for. Who waits for children of every kind stays: it would be told of the helper's end.
    pub(super) fn let_others_go(&mut self) {
        let waits = |t: &Tracee| {
            let argument = |n| t.regs.as_ref().map_or(u64::MAX, |regs| arch::argument(regs, n));
            match t.system_call() {
                Some(libc::SYS_wait4) => threads::waits_for_all(argument(2)),
                Some(libc::SYS_waitid) => threads::waits_for_all(argument(3)),
                _ => false,
            }
        };
        let (kept, free): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tracees).into_iter().partition(waits);
        self.tracees = kept;
        for tracee in &free {
            let _ = tracee.detach();
        }
        if !free.is_empty() {
            self.others_stood = Some(self.began.elapsed());
        }
    }

    /// How long all but one thread stood, where they were let go before that one, which had to wait for a processor.
    #[must_use]
    pub fn others_stood(&self) -> Option<Duration> {
        self.others_stood
    }

    fn release(&mut self) {
        for tracee in self.tracees.drain(..) {
            // A thread that is gone needs no release; any other is released by the end of this thread.
            let _ = tracee.detach();
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether a file of `/proc` says that the process may be read by us at all.
///
/// # Errors
/// `NoSuchProcess` once it has ended, `Permission` without the right to trace it.
pub fn open_live(pid: i32) -> TraceResult<File> {
    Ok(fs::File::open(format!("/proc/{pid}/mem")).map_err(|e| crate::Error::from_io(pid, "mem", e))?)
}
