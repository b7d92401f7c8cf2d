//! The turns of each thread's loop: from the return of a wait to the next wait.

use super::program::{EXIT, RECORD, program};
use crate::bpf::{Ring, sys};
use crate::{Error, Result};
use m5_process::Process;
use rustc_hash::FxHashMap;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

const BYTES: usize = 1 << 20;
/// The kernel's first namespace of process numbers.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// One turn of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The thread, as the kernel numbers it.
    pub tid: i32,
    /// CLOCK_MONOTONIC at the return from the wait, nanoseconds.
    pub start_ns: u64,
    /// How long until the next wait began, nanoseconds.
    pub duration_ns: u64,
}

/// Watches the waits of a process.
#[derive(Debug)]
pub struct LoopWatch {
    ring: Ring,
    lost: OwnedFd,
    _links: [OwnedFd; 2],
    /// Threads that are in a turn: since when.
    turning: FxHashMap<i32, u64>,
}

impl LoopWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`Error::Unsupported`], or what the kernel refused.
    pub fn attach(process: &Process) -> Result<Self> {
        if fs::read_link("/proc/self/ns/pid").ok().as_deref() != Some(Path::new(FIRST_NAMESPACE)) {
            return Err(Error::Unsupported(
                "turns of a loop are watched from the host's namespace of processes: run m5 there",
            ));
        }
        let (ring, lost) = (Ring::new(BYTES)?, sys::counter()?);
        let load = |exits| {
            let code = program(ring.fd(), lost.as_raw_fd(), process.pid(), exits);
            sys::load(sys::Kind::RawTracepoint, &code.ok_or(Error::Unsupported("the program does not fit"))?)
        };
        let links =
            [sys::tracepoint(&load(false)?, c"sys_enter")?, sys::tracepoint(&load(true)?, c"sys_exit")?];
        Ok(Self { ring, lost, _links: links, turning: FxHashMap::default() })
    }

    /// The turns that ended since the last call.
    pub fn drain(&mut self) -> Vec<Turn> {
        let (mut turns, turning) = (Vec::new(), &mut self.turning);
        self.ring.drain(|bytes| {
            let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
            let (Some(time), Some(task), Some(call)) = (word(0), word(8), word(RECORD - 8)) else { return };
            let tid = (task as u32).cast_signed();
            if call & EXIT != 0 {
                turning.insert(tid, time);
            } else if let Some(start_ns) = turning.remove(&tid) {
                turns.push(Turn { tid, start_ns, duration_ns: time.saturating_sub(start_ns) });
            }
        });
        turns
    }

    /// Threads that are in a turn: their number, and since when.
    pub fn turning(&self) -> impl Iterator<Item = (i32, u64)> {
        self.turning.iter().map(|(tid, start)| (*tid, *start))
    }

    /// Forgets threads that are gone.
    pub fn keep(&mut self, tids: &[i32]) {
        self.turning.retain(|tid, _| tids.contains(tid));
    }

    /// Entries and exits that found no room.
    ///
    /// # Errors
    /// [`Error`] where the map of the program cannot be read any more.
    pub fn lost(&self) -> Result<u64> {
        sys::count(&self.lost)
    }
}
