//! The turns of each thread's loop: from the return of a wait to the next wait.

use super::program::{TaskFields, Wanted, entries, exits, switches};
use super::record::{BEGIN_BYTES, END_BYTES, IN_TURN_BYTES, Spent, decode};
use crate::bpf::{Ring, sys};
use crate::{Error, Result};
use m5_cpython::layout::running::GIL_BYTES;
use m5_process::Process;
use rustc_hash::FxHashMap;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

const BYTES: usize = 1 << 20;
/// Threads whose turns are told apart at a time.
const THREADS: u32 = 8192;
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
    /// Where that time went.
    pub spent: Spent,
}

/// Watches the waits of a process.
#[derive(Debug)]
pub struct LoopWatch {
    ring: Ring,
    lost: OwnedFd,
    _threads: OwnedFd,
    _links: Vec<OwnedFd>,
    /// The kernel describes what it keeps of a thread.
    described: bool,
    /// Threads that are in a turn: since when.
    turning: FxHashMap<i32, u64>,
}

impl LoopWatch {
    /// Begins to watch. `gil` is where the interpreter's lock is; without it waiting for it counts as other locks.
    ///
    /// # Errors
    /// [`Error::Unsupported`], or what the kernel refused.
    pub fn attach(process: &Process, gil: Option<u64>) -> Result<Self> {
        if fs::read_link("/proc/self/ns/pid").ok().as_deref() != Some(Path::new(FIRST_NAMESPACE)) {
            return Err(Error::Unsupported(
                "turns of a loop are watched from the host's namespace of processes: run m5 there",
            ));
        }
        let (ring, lost) = (Ring::new(BYTES)?, sys::counter()?);
        let threads = sys::by_thread(u32::from(IN_TURN_BYTES.cast_unsigned()), THREADS)?;
        let wanted = Wanted {
            ring: ring.fd(),
            lost: lost.as_raw_fd(),
            threads: threads.as_raw_fd(),
            pid: process.pid(),
            gil: gil.map(|at| (at, GIL_BYTES as i32)),
            task: TaskFields::of_kernel(),
        };
        let attach = |code: Option<Vec<u64>>, name| {
            let code = code.ok_or(Error::Unsupported("the program does not fit"))?;
            sys::tracepoint(&sys::load(sys::Kind::RawTracepoint, &code)?, name)
        };
        // Exits come last: no turn begins before all else is watched.
        let mut links = vec![attach(entries(&wanted), c"sys_enter")?];
        if wanted.task.is_some() {
            links.push(attach(switches(&wanted), c"sched_switch")?);
        }
        links.push(attach(exits(&wanted), c"sys_exit")?);
        let described = wanted.task.is_some();
        Ok(Self { ring, lost, _threads: threads, _links: links, described, turning: FxHashMap::default() })
    }

    /// The turns that ended since the last call.
    pub fn drain(&mut self) -> Vec<Turn> {
        let (mut turns, turning, described) = (Vec::new(), &mut self.turning, self.described);
        self.ring.drain(|bytes| {
            let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
            let (Some(time), Some(task)) = (word(0), word(8)) else { return };
            let tid = (task as u32).cast_signed();
            if bytes.len() == BEGIN_BYTES {
                turning.insert(tid, time);
            } else if bytes.len() >= END_BYTES
                && let Some((start_ns, spent)) = decode(bytes, described)
            {
                turning.remove(&tid);
                turns.push(Turn { tid, start_ns, duration_ns: time.saturating_sub(start_ns), spent });
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

    /// Begins and ends of turns that found no room.
    ///
    /// # Errors
    /// [`Error`] where the map of the program cannot be read any more.
    pub fn lost(&self) -> Result<u64> {
        sys::count(&self.lost)
    }
}
