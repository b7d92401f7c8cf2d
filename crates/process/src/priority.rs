//! When our threads get a processor: before the target while it stands still for us, behind it otherwise.
//!
//! A nice value weighs only within a session and a control group; where the kernel groups sessions (`sched_autogroup`)
//! a real-time class goes before all of them.
#![allow(unsafe_code)]

use rustix::process::{Pid, getpriority_process, setpriority_process};
use std::cell::Cell;

thread_local! {
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread goes before others where the system allows it: a target stands still until its
/// tracer gets a processor.
#[derive(Debug)]
pub(crate) struct Urgent {
    before: i32,
}

impl Urgent {
    const NICE: i32 = -20;

    pub(crate) fn begin() -> Self {
        // No process is named: that is the calling thread. Without the right to do it nothing changes.
        let before = getpriority_process(None).unwrap_or(0);
        let _ = setpriority_process(None, Self::NICE);
        Self { before }
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        let _ = setpriority_process(None, self.before);
    }
}

/// While it lives, this thread goes before all sessions where the system allows it. For moments: it waits by sleeping, so
/// that a single processor is left to whom it waits for.
#[derive(Debug)]
pub(crate) struct AtOnce {
    before: Option<(libc::c_int, libc::sched_param)>,
}

impl AtOnce {
    pub(crate) fn begin() -> Self {
        let mut own = libc::sched_param { sched_priority: 0 };
        // SAFETY: `own` is a live local; 0 is the calling thread.
        let (policy, read) = unsafe { (libc::sched_getscheduler(0), libc::sched_getparam(0, &raw mut own)) };
        let entered = policy >= 0 && read == 0 && !Self::holds() && enter_real_time(0);
        AT_ONCE.set(entered || Self::holds());
        Self { before: entered.then_some((policy, own)) }
    }

    /// Whether this thread goes before all sessions: then who only gives up its turn gives it to nobody.
    pub(crate) fn holds() -> bool {
        AT_ONCE.get()
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        if let Some((policy, own)) = self.before {
            // SAFETY: `own` is a live local; 0 is the calling thread. Back to what it was takes no right.
            unsafe { libc::sched_setscheduler(0, policy, &raw const own) };
            AT_ONCE.set(false);
        }
    }
}

/// Whether a thread was allowed into the real-time class; what it starts is not in it.
fn enter_real_time(tid: i32) -> bool {
    let least = libc::sched_param { sched_priority: 1 };
    // SAFETY: `least` is a live local. A refusal leaves the thread as it was.
    unsafe {
        libc::sched_setscheduler(tid, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const least) == 0
    }
}

/// Lets a process of ours, which others wait for, go before others where the system allows it.
pub(crate) fn hurry(pid: i32) {
    if !enter_real_time(pid) {
        let _ = Pid::from_raw(pid).map(|pid| setpriority_process(Some(pid), Urgent::NICE));
    }
}

/// Lets this process, which is about to watch the clock for others, go before them where the system allows it. Allocates
/// nothing and takes no lock.
pub(crate) fn own_hurry() {
    // SAFETY: plain numbers; a refusal leaves the process as it was. The nice value holds where the class is refused.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, Urgent::NICE) };
    enter_real_time(0);
}

/// Lets this thread run only where a processor has nothing else to do. There is no way back without privileges.
pub fn run_when_idle() {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: `none` is a live local; 0 is the calling thread. A refusal leaves the thread as it was. rustix has
    // no word for it.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none) };
}

/// Whether a processor is free at this moment: fewer threads want one than we may use, ourselves left out.
#[must_use]
pub fn spare_processor() -> bool {
    let ours = std::thread::available_parallelism().map_or(1, usize::from);
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    running(&stat).is_some_and(|wanted| wanted.saturating_sub(1) < ours)
}

/// Threads that run or wait for a processor.
fn running(stat: &str) -> Option<usize> {
    stat.lines().find_map(|line| line.strip_prefix("procs_running "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_who_wants_a_processor() {
        assert_eq!(running("cpu 1 2\nprocs_running 3\nprocs_blocked 0\n"), Some(3));
        assert_eq!(running("cpu 1 2\n"), None);
        let here = std::fs::read_to_string("/proc/stat").unwrap();
        assert!(running(&here).is_some_and(|n| n > 0), "at least this thread runs");
    }

    #[test]
    fn a_hurry_leaves_a_thread_as_it_was() {
        let policies = std::thread::spawn(|| {
            // SAFETY: a plain number; 0 is the calling thread.
            let policy = || unsafe { libc::sched_getscheduler(0) };
            let before = policy();
            let hurried = AtOnce::begin();
            let (entered, during) = (hurried.before.is_some(), policy());
            let child = std::thread::spawn(policy).join().unwrap();
            drop(hurried);
            (before, entered, during, child, policy())
        });
        let (before, entered, during, child, after) = policies.join().unwrap();
        assert_eq!((before, child), (after, after));
        assert_eq!(entered, during == libc::SCHED_RR | libc::SCHED_RESET_ON_FORK);
    }

    #[test]
    fn a_thread_can_be_made_to_wait_for_idle_time() {
        let policy = std::thread::spawn(|| {
            run_when_idle();
            // SAFETY: a plain number; 0 is the calling thread.
            unsafe { libc::sched_getscheduler(0) }
        });
        assert_eq!(policy.join().unwrap(), libc::SCHED_IDLE);
    }
}
