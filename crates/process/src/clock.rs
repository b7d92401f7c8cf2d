//! Clocks: the one of pauses and samples (monotonic), and the one of `/proc` (ticks since boot).
#![allow(unsafe_code)]

/// CLOCK_MONOTONIC, nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread, nanoseconds: what something costs, however busy the machine is.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Time since 1970, nanoseconds.
#[must_use]
pub fn unix_ns() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// When the machine started, in seconds since 1970: now, less the time since boot (suspended time included).
#[must_use]
pub fn boot_unix_seconds() -> f64 {
    (unix_ns() as f64 - clock(libc::CLOCK_BOOTTIME) as f64) / 1e9
}

/// Clock ticks a second, the unit of `/proc/PID/stat`.
#[must_use]
pub fn ticks_per_second() -> f64 {
    // SAFETY: a query without arguments that point anywhere.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// CPU time that a process has used in all its threads, nanoseconds; `None` where it is gone.
#[must_use]
pub fn cpu_ns(pid: i32) -> Option<u64> {
    let mut id = 0;
    // SAFETY: `id` is a valid, exclusively borrowed clock number.
    let found = unsafe { libc::clock_getcpuclockid(pid, &raw mut id) };
    (found == 0).then(|| clock(id))
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusively borrowed timespec; these clocks exist on every Linux.
    unsafe { libc::clock_gettime(id, &raw mut time) };
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
        assert!(boot_unix_seconds() > 1e9 && ticks_per_second() >= 1.0);
    }
}
