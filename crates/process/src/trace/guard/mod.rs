//! A small process that lets a target go when we cannot: while we are stopped (Ctrl-Z, SIGSTOP), too slow, or about to
//! use up the memory below a limit.
//!
//! It shares a page with us, lives in a session of its own, where no terminal stops it, and does nothing but look at
//! the clock and at the limits. Two things it may do: end *us*, whereupon the kernel lets every traced thread go (an
//! injected call finds its own way back), and end the copy of the target.
//!
//! A target that stands still is let go only once two of us got a processor: the guard, and the thread that traces, whose
//! end it is. Both go before others where the system allows it, and the guard begins as soon as we have been stopped for
//! half of the time, so that the other half is left for that.
#![allow(unsafe_code)]

mod page;
mod watching;

use crate::procfs::headroom::Headroom;
use crate::spool::file::InMemory;
use page::{Shared, map_page, unmap};
use std::cell::Cell;
use std::io;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;
#[cfg(test)]
use std::time::Instant;
use watching::{MOST_LIMITS, Maker, Watched, watch};

thread_local! {
    static HERE: Cell<Option<NonNull<Shared>>> = const { Cell::new(None) };
}

/// A sign of life of this thread, where a guard looks at it.
pub(crate) fn beat() {
    if let Some(shared) = HERE.get() {
        // SAFETY: the page is mapped for as long as the thread's guard lives, which takes the pointer back at its end.
        unsafe { shared.as_ref() }.heartbeat_ns.store(crate::monotonic_ns(), Relaxed);
    }
}

/// The guard of one capture. It ends with the value, and with the thread that made it.
#[derive(Debug)]
pub struct Guard {
    shared: NonNull<Shared>,
    pid: i32,
}

// SAFETY: the page holds atomics alone.
unsafe impl Sync for Guard {}

impl Guard {
    /// Starts the guard. Only inside [`crate::with_tracer`], before large buffers are made: it begins as a copy of us.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn start(headroom: &Headroom) -> io::Result<Self> {
        // Of the kernel: a C library before 2.30 has no such function.
        let tracer = rustix::thread::gettid().as_raw_nonzero().get();
        let limits: Vec<Watched> = headroom.watched().filter_map(Watched::of).take(MOST_LIMITS).collect();
        let shared = map_page()?;
        // SAFETY: fresh zeroed memory of the kernel is a valid value of atomics.
        unsafe { shared.as_ref() }.heartbeat_ns.store(crate::monotonic_ns(), Relaxed);
        let maker = Maker::new(std::process::id() as i32, tracer);
        // SAFETY: the child runs nothing but `watch`, which makes system calls and touches memory that is there.
        match unsafe { libc::fork() } {
            // SAFETY: this is the child.
            0 => unsafe { watch(shared, &limits, maker) },
            pid if pid > 0 => {
                HERE.set(Some(shared));
                Ok(Self { shared, pid })
            }
            _ => {
                let error = io::Error::last_os_error();
                unmap(shared);
                Err(error)
            }
        }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: mapped until the value is dropped.
        unsafe { self.shared.as_ref() }
    }

    /// A sign of life, from any thread.
    pub fn beat(&self) {
        self.shared().heartbeat_ns.store(crate::monotonic_ns(), Relaxed);
    }

    /// From now on threads of the target stand still, for this long at the most. Ctrl-Z waits until it is over.
    pub(crate) fn hold(&self, most: Duration) -> Held<'_> {
        let (now, most) = (crate::monotonic_ns(), u64::try_from(most.as_nanos()).unwrap_or(u64::MAX / 2));
        self.beat();
        // The guard looks at the half only where it sees the end.
        let half = self.shared().hold_half_ns.swap(now.saturating_add(most / 2), Release);
        let until = self.shared().hold_until_ns.swap(now.saturating_add(most), Release);
        Held { guard: self, before: (half, until), _deaf: Deaf::begin(), _in_memory: InMemory::begin() }
    }

    /// A copy is there: it is ended when memory runs short or we stand still.
    pub(crate) fn watch_copy(&self, pid: i32) {
        self.beat();
        self.shared().copy.store(pid, Relaxed);
    }

    /// We end it ourselves.
    pub(crate) fn forget_copy(&self) {
        self.shared().copy.store(0, Relaxed);
    }

    /// Why the guard ended the copy, if it did.
    #[must_use]
    pub fn ended_copy(&self) -> Option<&'static str> {
        match self.shared().ended.load(Relaxed) {
            0 => None,
            1 => Some("memory below a limit was running short"),
            _ => Some("m5 was stopped meanwhile"),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        HERE.set(None);
        let mut status = 0;
        // SAFETY: our own child, which nobody else waits for; `status` is a live local.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, &raw mut status, 0);
        }
        unmap(self.shared);
    }
}

/// While it lives, the target is said to stand still.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    guard: &'a Guard,
    /// Half and end of an earlier hold that goes on, or 0.
    before: (u64, u64),
    _deaf: Deaf,
    /// Nothing that is written meanwhile waits for a disk.
    _in_memory: InMemory,
}

impl Held<'_> {
    /// A sign of life, from any thread.
    pub(crate) fn beat(&self) {
        self.guard.beat();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let (half, until) = self.before;
        self.guard.shared().hold_until_ns.store(until, Release);
        self.guard.shared().hold_half_ns.store(half, Release);
    }
}

const JOB_STOPS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// While one lives, a terminal cannot stop us.
#[derive(Debug)]
struct Deaf;

/// How many there are, and what the signals did before.
static DEAF: Mutex<(usize, [libc::sighandler_t; 3])> = Mutex::new((0, [libc::SIG_DFL; 3]));

impl Deaf {
    fn begin() -> Self {
        let mut state = DEAF.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.0 == 0 {
            // SAFETY: to ignore a signal needs no code of ours.
            state.1 = JOB_STOPS.map(|signal| unsafe { libc::signal(signal, libc::SIG_IGN) });
        }
        state.0 += 1;
        Self
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let mut state = DEAF.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 -= 1;
        if state.0 == 0 {
            for (signal, before) in JOB_STOPS.into_iter().zip(state.1).filter(|(_, b)| *b != libc::SIG_ERR) {
                // SAFETY: what `signal` itself gave.
                unsafe { libc::signal(signal, before) };
            }
        }
    }
}

/// Waits for the guard's page to say something; for tests.
#[cfg(test)]
fn until(what: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::memory_limits::Limit;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap()
    }

    fn alive(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    #[test]
    fn a_hold_within_another_gives_that_one_back() {
        let guard = Guard::start(&Headroom::of(std::process::id() as i32)).unwrap();
        let now = || {
            let shared = guard.shared();
            (shared.hold_half_ns.load(Relaxed), shared.hold_until_ns.load(Relaxed))
        };
        let outer = guard.hold(Duration::from_secs(1000));
        let before = now();
        assert!(before.0 > 0 && before.1 - before.0 == 500_000_000_000, "{before:?}");
        let inner = guard.hold(Duration::from_secs(10));
        assert!(now().1 < before.1);
        drop(inner);
        assert_eq!(now(), before);
        drop(outer);
        assert_eq!(now(), (0, 0));
    }

    #[test]
    fn it_ends_with_its_value_and_leaves_a_live_copy_alone() {
        let guard = Guard::start(&Headroom::of(std::process::id() as i32)).unwrap();
        let mut copy = sleeper();
        guard.watch_copy(copy.id() as i32);
        let pid = guard.pid;
        for _ in 0..100 {
            guard.beat();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(alive(pid) && alive(copy.id() as i32) && guard.ended_copy().is_none());
        drop(guard);
        assert!(!alive(pid));
        copy.kill().unwrap();
        copy.wait().unwrap();
    }

    #[test]
    fn a_copy_ends_when_memory_runs_short_or_nobody_reads_it() {
        let full = Limit {
            counts: crate::procfs::memory_limits::Counts::default(),
            group: None,
            limit: u64::MAX,
            left: u64::MAX / 2,
            end: crate::procfs::memory_limits::End::One,
        };
        let none = Headroom::of(1);
        for (limit, why) in [(Some(full), "memory"), (None, "stopped")] {
            let mut headroom = none.clone();
            headroom.target = limit.into_iter().collect();
            let guard = Guard::start(&headroom).unwrap();
            let mut copy = sleeper();
            guard.watch_copy(copy.id() as i32);
            assert!(until(|| guard.ended_copy().is_some()), "{why}");
            assert!(guard.ended_copy().unwrap().contains(why));
            assert!(!copy.wait().unwrap().success());
        }
    }
}
