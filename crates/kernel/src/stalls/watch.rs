//! The turns of each thread's loop: from the return of a wait to the next wait.

use super::lengths::Lengths;
use super::program::{Division, TaskFields};
use super::record::{END_BYTES, Known, Spent, decode, unfinished};
use super::tap::{Tap, tasks};
use crate::Result;
use crate::bpf::{Ring, sys, word};
use m5_cpython::layout::running::GIL_BYTES;
use m5_process::{Process, monotonic_ns, thread_counted};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

const BYTES: usize = 1 << 20;

/// One turn of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The thread, as the kernel numbers it.
    pub tid: i32,
    /// CLOCK_MONOTONIC at the return from the wait, nanoseconds.
    pub start_ns: u64,
    /// How long until the next wait began, nanoseconds.
    pub duration_ns: u64,
    /// Where that time went.
    pub spent: Spent,
    /// It had begun before it was watched: the start is that of the watching.
    pub began_before: bool,
    /// It still lasts: the length is that so far.
    pub lasts: bool,
}

impl Turn {
    fn of(tid: i32, known: Known, end_ns: u64, lasts: bool) -> Self {
        let Known { start_ns, began_before, spent } = known;
        let duration_ns = end_ns.saturating_sub(start_ns);
        Self { tid, start_ns, duration_ns, spent, began_before, lasts }
    }
}

/// What the descriptors of a process are.
fn descriptors(pid: i32) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok())
}

/// How to watch.
#[derive(Debug, Clone, Copy)]
pub struct LoopOptions {
    /// Where the interpreter's lock is; without it waiting for it counts as other locks.
    pub gil: Option<u64>,
    /// Turns at least so long are told one by one, nanoseconds.
    pub above_ns: u64,
    /// The most that watching may take of the process's time, as a share of one processor.
    pub max_overhead: f64,
}

/// Watches the waits of a process.
#[derive(Debug)]
pub struct LoopWatch {
    pid: i32,
    tap: Tap,
    ring: Ring,
    lost: OwnedFd,
    /// The kernel describes what it keeps of a thread.
    described: bool,
}

impl LoopWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`], or what the kernel refused.
    pub fn attach(process: &Process, options: &LoopOptions) -> Result<Self> {
        let (ring, lost) = (Ring::new(BYTES)?, sys::counter()?);
        let task = TaskFields::of_kernel();
        let division = Division {
            ring: ring.fd(),
            lost: lost.as_raw_fd(),
            above_ns: options.above_ns,
            gil: options.gil.map(|at| (at, GIL_BYTES as i32)),
            task,
        };
        let mut tap = Tap::new(Some(division), true)?;
        // What was seen of m5 itself is nobody's.
        ring.drain(|_| {});
        tap.add(process.pid(), options.max_overhead)?;
        Ok(Self { pid: process.pid(), tap, ring, lost, described: task.is_some() })
    }

    /// The long turns that ended since the last call. To be called often: it keeps to the budget too.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn drain(&mut self) -> Result<Vec<Turn>> {
        let (mut turns, described) = (Vec::new(), self.described);
        self.ring.drain(|bytes| {
            let (Some(time), Some(task)) = (word(bytes, 0), word(bytes, 8)) else { return };
            let tid = (task as u32).cast_signed();
            if bytes.len() >= END_BYTES
                && let Some(known) = decode(bytes, described)
            {
                turns.push(Turn::of(tid, known, time, false));
            }
        });
        self.tap.step()?;
        Ok(turns)
    }

    /// A thread that runs a loop, by its stack, and does not wait is in a turn that began before the watch: it is watched from
    /// now on. Nothing where it waits after all.
    pub fn suppose(&self, tid: i32) {
        let epoll = descriptors(self.pid).any(|target| target.as_os_str() == "anon_inode:[eventpoll]");
        let _waits = self.tap.suppose(self.pid, tid, epoll);
    }

    /// The turns that still last, as if they ended now.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Turn> {
        let now = monotonic_ns();
        let of = |tid: i32| {
            let value = self.tap.in_turn(tid)?;
            let counted = thread_counted(self.pid, tid).unwrap_or_default();
            let known = unfinished(&value, now, counted.waited_ns, counted.major_faults, self.described)?;
            Some(Turn::of(tid, known, now, true))
        };
        tasks(self.pid).into_iter().filter_map(of).collect()
    }

    /// When the turn of a thread began; `None` where it is in none that is seen.
    #[must_use]
    pub fn turning(&self, tid: i32) -> Option<u64> {
        self.tap.turning(tid)
    }

    /// How long the turns of each thread were.
    #[must_use]
    pub fn lengths(&self) -> Vec<(i32, Lengths)> {
        self.tap.lengths_of(self.pid)
    }

    /// The share of the time in which turns that began were seen, and what watching took of the process's time.
    #[must_use]
    pub fn share(&self) -> (f64, f64) {
        self.tap.share(self.pid).unwrap_or_default()
    }

    /// Long turns that found no room.
    ///
    /// # Errors
    /// [`crate::Error`] where the map of the program cannot be read any more.
    pub fn lost(&self) -> Result<u64> {
        sys::count(&self.lost)
    }
}
