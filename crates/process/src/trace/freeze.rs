//! All threads of the target stopped for as long as the value lives, and never longer than agreed.

use crate::trace::ptrace::Tracee;
use crate::{Process, TraceError, TraceResult};
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// A frozen process. Dropping it lets every thread go.
#[derive(Debug)]
pub struct Frozen {
    tracees: Vec<Tracee>,
    memory: File,
    began: Instant,
    deadline: Instant,
}

/// Stops every thread. Only inside [`crate::with_tracer`].
///
/// # Errors
/// [`TraceError::TimedOut`] where that alone takes longer than `max_pause`; the target runs on in every case.
pub fn freeze(process: &Process, max_pause: Duration) -> TraceResult<Frozen> {
    let pid = process.pid();
    let memory = File::open(format!("/proc/{pid}/mem")).map_err(|e| crate::Error::from_io(pid, "mem", e))?;
    let began = Instant::now();
    let deadline = began + max_pause;
    let mut frozen = Frozen { tracees: Vec::new(), memory, began, deadline };
    // Threads that are being born are seen on a later round; a stopped parent bears none.
    while frozen.round(process)? {}
    Ok(frozen)
}

impl Frozen {
    fn round(&mut self, process: &Process) -> TraceResult<bool> {
        let known = self.tracees.len();
        let fresh: Vec<i32> = process
            .threads()?
            .into_iter()
            .filter(|tid| !self.tracees.iter().any(|t| t.tid == *tid))
            .collect();
        let mut waiting = Vec::new();
        for tid in fresh {
            match Tracee::seize(tid).and_then(|t| t.interrupt().map(|()| t)) {
                Ok(tracee) => waiting.push(tracee),
                Err(TraceError::System { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
                Err(other) => return Err(other),
            }
        }
        for mut tracee in waiting {
            if tracee.stop(self.deadline)? {
                self.tracees.push(tracee);
            }
        }
        Ok(self.tracees.len() > known)
    }

    /// Its memory, for `pread`.
    #[must_use]
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// [`TraceError::TimedOut`] where there is none: drop the value.
    pub fn check(&self) -> TraceResult<()> {
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
        self.began.elapsed()
    }

    fn release(&mut self) {
        for tracee in self.tracees.drain(..) {
            // A thread that is gone needs no release; any other is released by the end of this thread.
            let _ = tracee.detach();
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether a file of `/proc` says that the process may be read by us at all.
///
/// # Errors
/// As the kernel says.
pub fn open_live(pid: i32) -> TraceResult<File> {
    Ok(fs::File::open(format!("/proc/{pid}/mem")).map_err(|e| crate::Error::from_io(pid, "mem", e))?)
}
