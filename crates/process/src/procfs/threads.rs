//! Which threads of a process run, sleep, and where: what decides whom to stop.

use std::fs;

/// State letter of a thread; `None` where it is gone.
pub(crate) fn state(pid: i32, tid: i32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// How often a thread was put on a processor so far; changes when it runs.
pub(crate) fn slices(pid: i32, tid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    text.split_whitespace().nth(2)?.parse().ok()
}

/// The system call that a thread sleeps in.
fn call(pid: i32, tid: i32) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Sleeping threads, those first whose call the kernel restarts without a trace: futex, sleeps and polls go
/// on with the time that was left; the others start anew.
pub(crate) fn sleepers(pid: i32, tids: &[i32]) -> Vec<i32> {
    const WELL: [i64; 6] = [
        libc::SYS_futex,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_poll,
        libc::SYS_ppoll,
        libc::SYS_wait4,
    ];
    let rank = |tid: i32| match call(pid, tid) {
        Some(n) => WELL.iter().position(|w| *w == n).unwrap_or(WELL.len()),
        None => WELL.len() + 1,
    };
    let asleep = tids.iter().copied().filter(|tid| state(pid, *tid) == Some('S'));
    let mut ranked: Vec<(usize, i32)> = asleep.map(|tid| (rank(tid), tid)).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, tid)| tid).collect()
}
