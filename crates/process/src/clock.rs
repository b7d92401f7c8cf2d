//! Clocks: the one of pauses and samples (monotonic), and the one of `/proc` (ticks since boot).
#![allow(unsafe_code)]

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::OnceLock;
use std::time::Duration;

/// CLOCK_MONOTONIC of the machine, nanoseconds: that of the kernel's records, whatever time namespace m5 runs in.
#[must_use]
pub fn monotonic_ns() -> u64 {
    static OWN: OnceLock<i64> = OnceLock::new();
    let ahead = *OWN.get_or_init(|| monotonic_ahead_ns("self"));
    ns(clock_gettime(ClockId::Monotonic)).saturating_add_signed(-ahead)
}

/// What the monotonic clock of a process is ahead of the machine's, nanoseconds: 0 outside of a time namespace.
#[must_use]
pub fn clock_ahead_ns(pid: i32) -> i64 {
    monotonic_ahead_ns(&pid.to_string())
}

/// The same by its name in `/proc`; 0 too where the kernel has no such namespaces, or does not tell.
fn monotonic_ahead_ns(process: &str) -> i64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/timens_offsets")).unwrap_or_default();
    ahead_ns(&text).unwrap_or(0)
}

/// Of the kernel's table: a clock, seconds and nanoseconds a line.
fn ahead_ns(offsets: &str) -> Option<i64> {
    let mut words = offsets.lines().find_map(|l| l.strip_prefix("monotonic"))?.split_whitespace();
    let (seconds, more): (i64, i64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(more)
}

/// Sleeps for so long, or until a signal comes: who waits for long must see what its handler noted.
pub fn nap(time: Duration) {
    let (tv_sec, tv_nsec) =
        (i64::try_from(time.as_secs()).unwrap_or(i64::MAX), i64::from(time.subsec_nanos()));
    // How much was left does not matter, and a refusal is a short sleep.
    let _ = rustix::thread::nanosleep(&Timespec { tv_sec, tv_nsec });
}

/// CPU time of the calling thread, nanoseconds: what something costs, however busy the machine is.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of this process in all its threads, nanoseconds.
#[must_use]
pub fn own_cpu_ns() -> u64 {
    ns(clock_gettime(ClockId::ProcessCPUTime))
}

/// Time since 1970, nanoseconds.
#[must_use]
pub fn unix_ns() -> u64 {
    ns(clock_gettime(ClockId::Realtime))
}

/// When the machine started, in seconds since 1970: now, less the time since boot (suspended time included).
#[must_use]
pub fn boot_unix_seconds() -> f64 {
    (unix_ns() as f64 - ns(clock_gettime(ClockId::Boottime)) as f64) / 1e9
}

/// Clock ticks a second, the unit of `/proc/PID/stat`.
#[must_use]
pub fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// CPU time that a process has used in all its threads, nanoseconds; `None` where it is gone.
#[must_use]
pub fn cpu_ns(pid: i32) -> Option<u64> {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both are valid, exclusively borrowed locals; the second call happens only with a clock that the
    // first one gave. rustix knows no clock of another process.
    let found = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    found.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward() {
        let (a, b) = (monotonic_ns(), monotonic_ns());
        assert!(b >= a && a > 0);
        assert!(cpu_ns(std::process::id() as i32).unwrap() > 0 && cpu_ns(100_000_000).is_none());
        assert_eq!(
            ahead_ns("monotonic      -5         100\nboottime           7         0\n"),
            Some(-4_999_999_900)
        );
        assert_eq!((ahead_ns(""), ahead_ns("monotonic x 1")), (None, None));
        assert!(boot_unix_seconds() > 1e9 && ticks_per_second() >= 1.0);
    }
}
