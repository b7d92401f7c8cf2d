//! Which threads of a process run, sleep, and where: what decides whom to stop.

use super::stat::Stat;
use super::waits;
use crate::trace::arch::CALLS_RESTARTED_WELL;
use std::fs;

/// A thread as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadNow {
    /// State letter (`R`, `S`, `D`, `T`…).
    pub state: char,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The system call that it is in: by name where m5 knows it, else by number; `None` where it is in none, or where the
    /// kernel does not say.
    pub call: Option<String>,
}

/// What a thread does now; `None` where it is gone.
#[must_use]
pub fn thread_now(pid: i32, tid: i32) -> Option<ThreadNow> {
    let state = state(pid, tid)?;
    let name = fs::read(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned();
    // Of one that runs the kernel has no call; −1 is a thread that was stopped outside of one.
    let call = call(pid, tid).filter(|number| *number >= 0);
    let call = call.map(|number| waits::name(number).map_or_else(|| number.to_string(), str::to_owned));
    Some(ThreadNow { state, name, call })
}

/// State letter of a thread; `None` where it is gone.
pub(crate) fn state(pid: i32, tid: i32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// What a processor's schedule has given a thread so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadScheduled {
    /// How long it waited for a processor, nanoseconds: a wait that is not over is not counted yet.
    pub waited_ns: u64,
    /// How often it was put on one; changes when it runs.
    pub slices: u64,
}

/// How long a thread waited for a processor and how often it was put on one; `None` where it is gone.
#[must_use]
pub fn thread_scheduled(pid: i32, tid: i32) -> Option<ThreadScheduled> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    let mut words = text.split_whitespace().skip(1).map(str::parse);
    Some(ThreadScheduled { waited_ns: words.next()?.ok()?, slices: words.next()?.ok()? })
}

/// How often a thread was put on a processor so far; changes when it runs. `None` where it is gone.
#[must_use]
pub fn thread_slices(pid: i32, tid: i32) -> Option<u64> {
    thread_scheduled(pid, tid).map(|scheduled| scheduled.slices)
}

/// What the kernel has counted of a thread so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadCounted {
    /// How long it waited for a processor, nanoseconds.
    pub waited_ns: u64,
    /// Faults that had to fetch a page.
    pub major_faults: u64,
}

/// What the kernel has counted of a thread so far; `None` where it is gone.
#[must_use]
pub fn thread_counted(pid: i32, tid: i32) -> Option<ThreadCounted> {
    let waited_ns = thread_scheduled(pid, tid)?.waited_ns;
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    Some(ThreadCounted { waited_ns, major_faults: Stat::parse(&stat).ok()?.major_faults })
}

/// The number of the system call that a thread sleeps in, −1 where it sleeps outside of one; `None` where it runs or is gone.
#[must_use]
pub fn thread_call(pid: i32, tid: i32) -> Option<i64> {
    call(pid, tid)
}

/// The system call that a thread sleeps in.
fn call(pid: i32, tid: i32) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Sleeping threads, those first whose call the kernel restarts without a trace: futex, sleeps and polls go
/// on with the time that was left; the others start anew.
pub(crate) fn sleepers(pid: i32, tids: &[i32]) -> Vec<i32> {
    let rank = |tid: i32| match call(pid, tid) {
        Some(n) => CALLS_RESTARTED_WELL.iter().position(|w| *w == n).unwrap_or(CALLS_RESTARTED_WELL.len()),
        None => CALLS_RESTARTED_WELL.len() + 1,
    };
    let asleep = tids.iter().copied().filter(|tid| state(pid, *tid) == Some('S'));
    let mut ranked: Vec<(usize, i32)> = asleep.map(|tid| (rank(tid), tid)).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, tid)| tid).collect()
}

/// Threads that sleep in a call that waits for any child, also for one that signals nobody.
pub(crate) fn waiting_for_any_child(pid: i32, tids: &[i32]) -> Vec<i32> {
    let call = |tid: i32| fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap_or_default();
    tids.iter().copied().filter(|tid| is_wait_for_all(&call(*tid))).collect()
}

/// Judges the text of `/proc/PID/task/TID/syscall`: the call's number and its arguments.
fn is_wait_for_all(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let Some(number) = words.next().and_then(|n| n.parse::<i64>().ok()) else { return false };
    let arguments: Vec<u64> =
        words.filter_map(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok()).collect();
    let options = match number {
        libc::SYS_wait4 => arguments.get(2),
        libc::SYS_waitid => arguments.get(3),
        _ => None,
    };
    options.is_some_and(|o| waits_for_all(*o))
}

/// Whether these options of a wait are for children that signal nobody, too. Both flags as the kernel has them: children
/// that are clones, and all children.
pub(crate) fn waits_for_all(options: u64) -> bool {
    options & (0x8000_0000 | 0x4000_0000) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_and_one_that_runs() {
        let (told, hears) = std::sync::mpsc::channel();
        let (ends, waits) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("waits-here".into()).spawn(move || {
            told.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let _ = waits.recv();
        });
        let (pid, tid) = (std::process::id().cast_signed(), hears.recv().unwrap());
        // State and call are two files: a thread may go on between them.
        let seen = |tid, state, call| {
            let look = || thread_now(pid, tid).unwrap();
            std::iter::repeat_with(look)
                .find(|t| t.state == state && t.call.as_deref() == Some(call))
                .unwrap()
        };
        assert_eq!(seen(tid, 'S', "futex").name, "waits-here");
        // It is reading that very file.
        seen(rustix::thread::gettid().as_raw_nonzero().get(), 'R', "read");
        ends.send(()).unwrap();
        thread.unwrap().join().unwrap();
        assert_eq!(thread_now(pid, 0), None);
    }

    #[test]
    fn who_waits_for_all_kinds_of_children() {
        let wait4 = libc::SYS_wait4;
        assert!(is_wait_for_all(&format!("{wait4} 0xffffffff 0x7ffe 0x40000000 0x0 0x0 0x0 0x7f 0x7f\n")));
        assert!(!is_wait_for_all(&format!("{wait4} 0xffffffff 0x7ffe 0x0 0x0 0x0 0x0 0x7f 0x7f\n")));
        assert!(!is_wait_for_all("running\n") && !is_wait_for_all("-1 0x0 0x0\n"));
    }
}
