//! The threads that are watched, and the windows in which they are.

use super::record::Allocation;
use crate::bpf::sys;
use crate::{Error, Result};
use m5_cpython::{Interpreter, living_threads};
use m5_process::perf::{Attr, Event, OpenError, Target};
use m5_process::{Process, ThreadScheduled, thread_scheduled, thread_slices};
use m5_stats::Random;
use rustc_hash::FxHashMap;
use std::io;
use std::os::fd::OwnedFd;

/// Threads that are watched in one window at most: each costs a call or two of the kernel.
const AT_ONCE: usize = 16;

struct Thread {
    state: u64,
    event: Event,
    /// Holds the program to the event.
    _link: OwnedFd,
    /// Allocations that are allowed still before the kernel itself ends a window.
    left: u32,
    /// For how long it ran in windows so far, nanoseconds.
    ran_ns: u64,
    /// How often it was put on a processor by the last look.
    slices: Option<u64>,
}

/// What the schedule had given a thread when a window began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheduled {
    tid: i32,
    /// Its state's address.
    thread: u64,
    /// Some kernels do not tell it.
    so_far: Option<ThreadScheduled>,
    /// For how long it ran in the window, nanoseconds, where the kernel tells it.
    ran_ns: Option<u64>,
}

impl Scheduled {
    /// What it has given it since then; nothing where it is gone.
    pub(super) fn since(self, process: &Process) -> Given {
        let both = self.so_far.zip(thread_scheduled(process.pid(), self.tid));
        let since = |of: fn(&ThreadScheduled) -> u64| {
            both.as_ref().map_or(0, |(before, now)| of(now).saturating_sub(of(before)))
        };
        Given {
            thread: self.thread,
            ran_ns: self.ran_ns,
            waited_ns: since(|s| s.waited_ns),
            slices: since(|s| s.slices),
        }
    }
}

/// What the schedule gave a thread in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Given {
    /// Its state's address.
    pub(super) thread: u64,
    /// How long it ran, and how long it waited for a processor, nanoseconds; of the wait a part may lie before the window.
    pub(super) ran_ns: Option<u64>,
    pub(super) waited_ns: u64,
    /// How often it was put on one.
    pub(super) slices: u64,
}

impl Given {
    /// Of threads of which one goes on at a time.
    pub(super) fn together(given: &[Self]) -> Self {
        let all = |of: fn(&Self) -> u64| given.iter().map(of).sum();
        Self {
            thread: 0,
            ran_ns: given.iter().map(|g| g.ran_ns).sum(),
            waited_ns: all(|g| g.waited_ns),
            slices: all(|g| g.slices),
        }
    }

    /// Of a window of this length: one that runs whenever it may waited for all the time in which it did not run, be it for m5.
    pub(super) fn of_window(self, open_ns: u64, busy: bool) -> Self {
        let rest = self.ran_ns.map(|ran| open_ns.saturating_sub(ran));
        let waited = self.waited_ns.min(rest.unwrap_or(open_ns));
        Self { waited_ns: rest.filter(|_| busy).unwrap_or(waited), ..self }
    }
}

/// What a window came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// Allocations, also those that found no room.
    pub(super) hits: u64,
    /// When the kernel ended it, where it did.
    pub(super) cut_ns: Option<u64>,
}

/// The threads of a process that run Python.
#[derive(Default)]
pub(super) struct Threads {
    watched: FxHashMap<i32, Thread>,
    /// How many were watched when they were last looked for, of how many there were: one whose window the kernel ended is taken
    /// up anew at the next look.
    counts: [u64; 2],
}

impl Threads {
    /// How many are watched, of how many.
    pub(super) fn counts(&self) -> [u64; 2] {
        self.counts
    }

    /// Takes up threads that are new, and forgets those that are gone; `program` is to run where they execute `address`.
    pub(super) fn rescan(
        &mut self,
        process: &Process,
        main: &Interpreter,
        program: &OwnedFd,
        address: u64,
    ) -> Result<()> {
        let alive = living_threads(process)?;
        let mut there = FxHashMap::default();
        for interpreter in main.all()? {
            there.extend(interpreter.thread_states(&alive)?);
        }
        let all = there.len() as u64;
        self.watched.retain(|tid, thread| there.get(tid) == Some(&thread.state));
        for (tid, state) in there {
            if self.watched.contains_key(&tid) {
                continue;
            }
            match watch(tid, state, program, address) {
                Ok(thread) => drop(self.watched.insert(tid, thread)),
                // It ended meanwhile, or others hold its debug registers: told as coverage, unless nothing is left.
                Err(Error::Refused { source, .. })
                    if source.raw_os_error() == Some(libc::ESRCH) || !self.watched.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        self.counts = [self.watched.len() as u64, all];
        Ok(())
    }

    /// Opens a window, which the kernel ends at `most` allocations of a thread, or sooner, so that all of them find room, if
    /// there is some for so many: of which threads.
    pub(super) fn open(&mut self, most: u32, room: u32, random: &mut Random) -> Vec<i32> {
        let mut chosen: Vec<i32> = self.watched.keys().copied().collect();
        chosen.sort_unstable();
        while chosen.len() > AT_ONCE {
            let out = (random.unit() * chosen.len() as f64) as usize;
            chosen.swap_remove(out.min(chosen.len() - 1));
        }
        let most = most.min(room / chosen.len().max(1) as u32);
        for tid in &chosen {
            if let Some(thread) = self.watched.get_mut(tid) {
                let _gone = thread.event.switch_on_for(most.saturating_sub(thread.left));
                thread.left = thread.left.max(most);
            }
        }
        chosen
    }

    /// What the schedule has given each of these threads so far.
    pub(super) fn scheduled(&self, process: &Process, chosen: &[i32]) -> Vec<Scheduled> {
        let of = |tid: &i32| {
            let thread = self.watched.get(tid)?.state;
            let so_far = thread_scheduled(process.pid(), *tid);
            Some(Scheduled { tid: *tid, thread, so_far, ran_ns: None })
        };
        chosen.iter().filter_map(of).collect()
    }

    /// How often those that are watched were put on a processor since the last call.
    pub(super) fn switched(&mut self, process: &Process) -> u64 {
        let mut sum = 0;
        for (tid, thread) in &mut self.watched {
            let now = thread_slices(process.pid(), *tid);
            let before = std::mem::replace(&mut thread.slices, now);
            sum += before.zip(now).map_or(0, |(before, now)| now.saturating_sub(before));
        }
        sum
    }

    /// Closes it.
    pub(super) fn close(&self, chosen: &[i32]) {
        for tid in chosen {
            let _gone = self.watched.get(tid).map(|t| t.event.switch(false));
        }
    }

    /// For how long each ran in the window that is closed.
    pub(super) fn ran(&mut self, chosen: &mut [Scheduled]) {
        for scheduled in chosen {
            let Some(thread) = self.watched.get_mut(&scheduled.tid) else { continue };
            if let Ok(ran) = thread.event.ran_ns() {
                scheduled.ran_ns = Some(ran.saturating_sub(std::mem::replace(&mut thread.ran_ns, ran)));
            }
        }
    }

    /// Counts what was seen in the window that is closed, and how many allocations found no room: whose those were is not known,
    /// so that every thread is then watched anew. So is one whose window the kernel ended: on some kernels an event
    /// does not go on after that.
    pub(super) fn count(&mut self, seen: &[Allocation], lost: u64) -> Closed {
        let mut cut_ns: Option<u64> = None;
        self.watched.retain(|_, thread| {
            let own = seen.iter().filter(|a| a.thread == thread.state);
            let (hits, last) = own.fold((0u32, 0), |(hits, last), a| (hits + 1, last.max(a.time_ns)));
            let cut = hits >= thread.left;
            if cut {
                cut_ns = Some(cut_ns.map_or(last, |cut| cut.min(last)));
            }
            thread.left = thread.left.saturating_sub(hits);
            !cut
        });
        if lost > 0 {
            self.watched.clear();
        }
        Closed { hits: seen.len() as u64 + lost, cut_ns }
    }
}

fn watch(tid: i32, state: u64, program: &OwnedFd, address: u64) -> Result<Thread> {
    let attr = Attr::execution_watch(address).disabled().timed();
    let event = Event::open(&attr, Target { tid, cpu: -1 }, None).map_err(refused)?;
    let link = sys::attach(program, event.fd(), state)?;
    Ok(Thread { state, event, _link: link, left: 0, slices: None, ran_ns: 0 })
}

/// What the kernel's refusal of a breakpoint means.
pub(super) fn refused(OpenError(number): OpenError) -> Error {
    match number {
        libc::ENOSPC => Error::Unsupported(
            "all of its debug registers are in use (a debugger, or m5 gc in another window): end that first",
        ),
        _ => Error::Refused { what: "a breakpoint", source: io::Error::from_raw_os_error(number) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_no_longer_than_a_thread_did_not_run() {
        let given = |ran_ns, waited_ns| Given { ran_ns, waited_ns, ..Given::default() };
        let waited = |given: Given, busy| given.of_window(1_000, busy).waited_ns;
        // A part of it lay before the window.
        assert_eq!(waited(given(Some(400), 5_000), false), 600);
        assert_eq!(waited(given(Some(400), 100), false), 100);
        // One that runs whenever it may did nothing else than wait.
        assert_eq!(waited(given(Some(400), 100), true), 600);
        // A kernel that does not tell how long it ran.
        assert_eq!([waited(given(None, 100), true), waited(given(None, 5_000), false)], [100, 1_000]);
        let together = Given::together(&[given(Some(300), 10), given(Some(100), 20)]);
        assert_eq!((together.ran_ns, together.waited_ns), (Some(400), 30));
        assert_eq!(Given::together(&[given(Some(300), 10), given(None, 20)]).ran_ns, None);
    }
}
