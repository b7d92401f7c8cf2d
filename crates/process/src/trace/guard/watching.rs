//! The guard itself: what it looks at in the forked child, and what it does then. It allocates nothing and takes no lock.
#![allow(unsafe_code)]

use super::page::Shared;
use crate::priority::{hurry, own_hurry};
use crate::procfs::memory_limits::Limit;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// Limits that are looked at.
pub(super) const MOST_LIMITS: usize = 16;
/// Time between two looks of the guard.
const STEP_NS: i64 = 500_000;
/// Without a sign of life for so long when the target should run again, we are stuck, whatever the kernel says.
const STUCK_NS: u64 = 5_000_000_000;
/// Without one for so long, a copy is given up: it costs memory for as long as it is there.
const STALLED_NS: u64 = 2_000_000_000;
/// The same where m5 is not seen to be stopped: it may wait for a processor, or be frozen from outside.
const SILENT_NS: u64 = 10_000_000_000;

/// A limit as the guard looks at it, ready before it starts.
#[derive(Debug)]
pub(super) struct Watched {
    usage: CString,
    stat: CString,
    /// Less than this may not be left.
    least: u64,
    limit: u64,
    machine: bool,
}

impl Watched {
    pub(super) fn of(limit: &Limit) -> Option<Self> {
        // Half of what was found free beside the need: whoever else takes more than that, takes ours.
        let least = limit.reserve(0).max(limit.left / 32) / 2;
        let path = |dir: &Path, name: &str| CString::new(dir.join(name).as_os_str().as_bytes()).ok();
        let (usage, stat, machine) = match &limit.group {
            Some(dir) => (path(dir, limit.counts.file())?, path(dir, "memory.stat")?, false),
            None => (c"/proc/meminfo".to_owned(), c"/proc/meminfo".to_owned(), true),
        };
        Some(Self { usage, stat, least, limit: limit.limit, machine })
    }
}

/// The guard's whole life, in the forked child.
///
/// # Safety
/// Only in a child that is about to end: it never returns. It allocates nothing and takes no lock.
pub(super) unsafe fn watch(shared: NonNull<Shared>, limits: &[Watched], mut maker: Maker) -> ! {
    // SAFETY: plain system calls on numbers, live locals and strings that were made before the fork.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"m5-guard".as_ptr());
        libc::prctl(libc::PR_SET_TIMERSLACK, 1000);
        own_hurry();
        // Nobody's pipe is held open by a process that they do not know. Messages stay possible.
        libc::close(0);
        libc::close(1);
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
        maker.open();
        let mut files = [(-1, -1); MOST_LIMITS];
        for (slot, limit) in files.iter_mut().zip(limits) {
            let open = |path: &CString| libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            *slot = (open(&limit.usage), open(&limit.stat));
        }
        let page = shared.as_ref();
        let mut round = 0u32;
        let mut last = crate::monotonic_ns();
        loop {
            let nap = libc::timespec { tv_sec: 0, tv_nsec: STEP_NS };
            libc::nanosleep(&raw const nap, std::ptr::null_mut());
            if libc::getppid() != maker.pid {
                libc::_exit(0);
            }
            round = round.wrapping_add(1);
            // A machine that stood still (a guest that its host paused) stood still for us too: that was no silence.
            let now = crate::monotonic_ns();
            if now.saturating_sub(std::mem::replace(&mut last, now)) >= STALLED_NS / 2 {
                page.heartbeat_ns.store(now, Relaxed);
            }
            look(page, limits, &files, maker, round);
        }
    }
}

/// Who made the guard.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pid: i32,
    /// Its thread that traces.
    tracer: i32,
    /// Open files that tell the states of the process and of that thread.
    states: [i32; 2],
}

impl Maker {
    pub(super) fn new(pid: i32, tracer: i32) -> Self {
        Self { pid, tracer, states: [-1; 2] }
    }

    /// # Safety
    /// As [`watch`].
    unsafe fn open(&mut self) {
        let Self { pid, tracer, .. } = *self;
        for (file, path) in self.states.iter_mut().zip([
            state_path(format_args!("/proc/{pid}/stat\0")),
            state_path(format_args!("/proc/{pid}/task/{tracer}/stat\0")),
        ]) {
            // SAFETY: a live text that ends with a zero.
            *file = path.map_or(-1, |p| unsafe { libc::open(p.as_ptr().cast(), libc::O_RDONLY) });
        }
    }

    /// Whether it stands still. Its threads stop one by one, each when it gets a processor: the one that traces counts,
    /// and so does the first, which a debugger stops before all others.
    ///
    /// # Safety
    /// As [`watch`].
    unsafe fn stands(self) -> Stands {
        let mut stands = Stands::Not;
        for file in self.states {
            let mut text = [0u8; 512];
            // SAFETY: as the caller promises.
            let text = unsafe { read(file, &mut text) };
            let after = text.iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 2));
            match after {
                Some(b'T') => return Stands::Stopped,
                Some(b't') => stands = Stands::Traced,
                _ => {}
            }
        }
        stands
    }
}

/// How a process stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Not,
    /// By a signal, until somebody lets it go on.
    Stopped,
    /// By a debugger, which may do that many times a second.
    Traced,
}

/// Whether we must end so that the target runs on. `half` and `until`: of the time for which it may stand still.
fn overdue(now: u64, (half, until): (u64, u64), silent: u64, stands: impl Fn() -> Stands) -> bool {
    let over = now >= until;
    until != 0
        && now >= half
        && match stands() {
            Stands::Stopped => true,
            Stands::Traced => over,
            Stands::Not => over && silent >= STUCK_NS,
        }
}

/// A path as a C string, put together without allocating.
fn state_path(text: std::fmt::Arguments<'_>) -> Option<[u8; 64]> {
    let mut path = [0u8; 64];
    std::io::Write::write_fmt(&mut path.as_mut_slice(), text).ok()?;
    Some(path)
}

/// One look at everything.
///
/// # Safety
/// As [`watch`].
unsafe fn look(page: &Shared, limits: &[Watched], files: &[(i32, i32)], maker: Maker, round: u32) {
    let now = crate::monotonic_ns();
    let silent = now.saturating_sub(page.heartbeat_ns.load(Relaxed));
    let until = page.hold_until_ns.load(Acquire);
    let hold = (page.hold_half_ns.load(Acquire), until);
    // SAFETY: as the caller promises.
    if overdue(now, hold, silent, || unsafe { maker.stands() }) {
        const WORD: &[u8] =
            b"m5: stopped while the target stood still; m5 is ended so that the target runs on\n";
        // Its end lets the target go, and it ends when it gets a processor: before the other threads, so that it is not the
        // one that gives all memory back first.
        hurry(maker.tracer);
        // SAFETY: a live constant; our parent was seen alive a moment ago, and it is it that made us.
        unsafe {
            libc::kill(maker.pid, libc::SIGKILL);
            libc::write(2, WORD.as_ptr().cast(), WORD.len());
            libc::_exit(0);
        }
    }
    let copy = page.copy.load(Relaxed);
    if copy <= 0 {
        return;
    }
    let short = limits.iter().zip(files).any(|(limit, files)| {
        // The machine's figures are a long text; the groups' are one number.
        let due = !limit.machine || round.is_multiple_of(8);
        // SAFETY: as the caller promises.
        due && unsafe { short_of(limit, *files) }
    });
    // A reader that gets no processor is late, not stopped, and nobody stands still for it.
    // SAFETY: as the caller promises.
    let stopped = silent >= SILENT_NS || silent >= STALLED_NS && unsafe { maker.stands() } != Stands::Not;
    let why = if short { 1 } else { u32::from(stopped) * 2 };
    if why != 0 {
        page.ended.store(why, Relaxed);
        page.copy.store(0, Relaxed);
        // SAFETY: the copy is not waited for before it is taken out of the page, so that the number is still its own.
        unsafe { libc::kill(copy, libc::SIGKILL) };
    }
}

/// Whether less than the least is left below a limit. What cannot be read is not short.
///
/// # Safety
/// As [`watch`].
unsafe fn short_of(limit: &Watched, (usage, stat): (i32, i32)) -> bool {
    let mut text = [0u8; 8192];
    if limit.machine {
        // SAFETY: as the caller promises.
        let left = field(unsafe { read(usage, &mut text) }, b"MemAvailable:");
        return left.is_some_and(|kib| kib.saturating_mul(1024) < limit.least);
    }
    // SAFETY: as the caller promises.
    let Some(used) = digits(unsafe { read(usage, &mut text) }) else { return false };
    if limit.limit.saturating_sub(used) >= limit.least {
        return false;
    }
    // SAFETY: as the caller promises.
    let stat = unsafe { read(stat, &mut text) };
    let reclaimable =
        field(stat, b"\ntotal_inactive_file").or_else(|| field(stat, b"\ninactive_file")).unwrap_or(0);
    limit.limit.saturating_sub(used.saturating_sub(reclaimable / 2)) < limit.least
}

/// The beginning of a file that is open.
///
/// # Safety
/// As [`watch`].
unsafe fn read(file: i32, text: &mut [u8]) -> &[u8] {
    // SAFETY: a live buffer of that length.
    let length = unsafe { libc::pread(file, text.as_mut_ptr().cast(), text.len(), 0) }.max(0) as usize;
    text.get(..length).unwrap_or_default()
}

/// The number behind a name in a text.
fn field(text: &[u8], name: &[u8]) -> Option<u64> {
    let at = text.windows(name.len()).position(|w| w == name)? + name.len();
    digits(text.get(at..)?)
}

/// The number that a text begins with, behind spaces.
fn digits(text: &[u8]) -> Option<u64> {
    let from = text.iter().position(|b| *b != b' ')?;
    let number = text.get(from..)?;
    let end = number.iter().position(|b| !b.is_ascii_digit()).unwrap_or(number.len());
    let number = number.get(..end).filter(|n| !n.is_empty())?;
    number.iter().try_fold(0u64, |sum, b| sum.checked_mul(10)?.checked_add(u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts() {
        assert_eq!(digits(b" 123 kB\n"), Some(123));
        assert_eq!(digits(b"max\n"), None);
        assert_eq!(digits(b"99999999999999999999999"), None);
        let stat = b"cache 1\ninactive_file 7\ntotal_inactive_file 9\n";
        assert_eq!(
            (field(stat, b"\ntotal_inactive_file"), field(stat, b"\ninactive_file")),
            (Some(9), Some(7))
        );
    }

    #[test]
    fn who_is_stopped_while_the_target_stands_still_has_half_of_the_time() {
        use Stands::{Not, Stopped, Traced};
        let hold = (50, 100);
        let of = |now, silent, stands| overdue(now, hold, silent, || stands);
        // At work, however long it takes: until nothing was heard for long.
        assert!(!of(99, STUCK_NS, Not) && !of(100, STUCK_NS - 1, Not) && of(100, STUCK_NS, Not));
        // Stopped: the other half is left for the release.
        assert!(!of(49, 0, Stopped) && of(50, 0, Stopped));
        // Looked at by a debugger, which lets it go on at once: the whole time.
        assert!(!of(99, 0, Traced) && of(100, 0, Traced));
        // Nobody stands still, and the state is not even looked at.
        assert!(!overdue(u64::MAX, (0, 0), u64::MAX, || panic!("looked")));
        assert!(!overdue(49, hold, u64::MAX, || panic!("looked")));
    }

    #[test]
    fn a_stopped_process_is_seen_by_either_of_its_threads() {
        let mut stopped = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = stopped.id() as i32;
        let me = std::process::id() as i32;
        let stands = |pid, tracer| {
            let mut maker = Maker::new(pid, tracer);
            // SAFETY: opens and reads files of `/proc`; the descriptors are closed with this process.
            unsafe {
                maker.open();
                maker.stands()
            }
        };
        assert_eq!(stands(pid, pid), Stands::Not);
        // SAFETY: a plain signal to our own child.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while stands(pid, pid) != Stands::Stopped {
            assert!(std::time::Instant::now() < end);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // What cannot be read stands nowhere.
        assert_eq!(stands(me, -1), Stands::Not);
        stopped.kill().unwrap();
        stopped.wait().unwrap();
    }
}
