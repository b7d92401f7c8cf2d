//! When our threads get a processor: before the target while it stands still for us, behind it otherwise.
#![allow(unsafe_code)]

use rustix::process::{Pid, getpriority_process, setpriority_process};

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

/// Lets a process of ours, which others wait for, go before others where the system allows it.
pub(crate) fn hurry(pid: i32) {
    let _ = Pid::from_raw(pid).map(|pid| setpriority_process(Some(pid), Urgent::NICE));
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
    fn a_thread_can_be_made_to_wait_for_idle_time() {
        let policy = std::thread::spawn(|| {
            run_when_idle();
            // SAFETY: a plain number; 0 is the calling thread.
            unsafe { libc::sched_getscheduler(0) }
        });
        assert_eq!(policy.join().unwrap(), libc::SCHED_IDLE);
    }
}
