//! A small process that lets a target go when we cannot: while we are stopped (Ctrl-Z, SIGSTOP), too slow, or about to
//! use up the memory below a limit.
//!
//! It shares a page with us, lives in a session of its own, where no terminal stops it, and does nothing but look at
//! the clock and at the limits. Two things it may do: end *us*, whereupon the kernel lets every traced thread go (an
//! injected call finds its own way back), and end the copy of the target.
#![allow(unsafe_code)]

use crate::procfs::headroom::Headroom;
use crate::procfs::memory_limits::Limit;
use std::cell::Cell;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
#[cfg(test)]
use std::time::Instant;

/// Time between two looks of the guard.
const STEP_NS: i64 = 500_000;
/// Without a sign of life for so long when the target should run again, we are stuck, whatever the kernel says.
const STUCK_NS: u64 = 5_000_000_000;
/// Without one for so long, a copy is given up: it costs memory for as long as it is there.
const STALLED_NS: u64 = 2_000_000_000;
/// The same where m5 is not seen to be stopped: it may wait for a processor, or be frozen from outside.
const SILENT_NS: u64 = 10_000_000_000;
/// Limits that are looked at.
const MOST_LIMITS: usize = 16;

/// The page that both have.
#[derive(Debug)]
struct Shared {
    heartbeat_ns: AtomicU64,
    /// When the target must run again; 0 while it runs.
    hold_until_ns: AtomicU64,
    /// The copy; 0 where there is none.
    copy: AtomicI32,
    /// Why it was ended: 0 it was not, 1 for memory, 2 because we stood still.
    ended: AtomicU32,
}

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
        let limits: Vec<Watched> = headroom.watched().filter_map(Watched::of).take(MOST_LIMITS).collect();
        let shared = map_page()?;
        // SAFETY: fresh zeroed memory of the kernel is a valid value of atomics.
        unsafe { shared.as_ref() }.heartbeat_ns.store(crate::monotonic_ns(), Relaxed);
        let parent = std::process::id() as i32;
        // SAFETY: the child runs nothing but `watch`, which makes system calls and touches memory that is there.
        match unsafe { libc::fork() } {
            // SAFETY: this is the child.
            0 => unsafe { watch(shared, &limits, parent) },
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
        let until =
            crate::monotonic_ns().saturating_add(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX / 2));
        self.beat();
        let before = self.shared().hold_until_ns.swap(until, Relaxed);
        Held { guard: self, before, _deaf: Deaf::begin() }
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
    /// The end of an earlier hold that goes on, or 0.
    before: u64,
    _deaf: Deaf,
}

impl Held<'_> {
    /// A sign of life, from any thread.
    pub(crate) fn beat(&self) {
        self.guard.beat();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.guard.shared().hold_until_ns.store(self.before, Relaxed);
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

fn map_page() -> io::Result<NonNull<Shared>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping at a place of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
    NonNull::new(page.cast()).filter(|_| page != libc::MAP_FAILED).ok_or_else(io::Error::last_os_error)
}

fn unmap(page: NonNull<Shared>) {
    // SAFETY: mapped by `map_page`, unmapped once.
    unsafe { libc::munmap(page.as_ptr().cast(), size_of::<Shared>()) };
}

/// A limit as the guard looks at it, ready before it starts.
#[derive(Debug)]
struct Watched {
    usage: CString,
    stat: CString,
    /// Less than this may not be left.
    least: u64,
    limit: u64,
    machine: bool,
}

impl Watched {
    fn of(limit: &Limit) -> Option<Self> {
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
unsafe fn watch(shared: NonNull<Shared>, limits: &[Watched], parent: i32) -> ! {
    // SAFETY: plain system calls on numbers, live locals and strings that were made before the fork.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"m5-guard".as_ptr());
        libc::prctl(libc::PR_SET_TIMERSLACK, 1000);
        libc::setpriority(libc::PRIO_PROCESS, 0, -20);
        // Nobody's pipe is held open by a process that they do not know. Messages stay possible.
        libc::close(0);
        libc::close(1);
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
        let mut name = [0u8; 32];
        let state = own_state_path(parent, &mut name).map_or(-1, |p| libc::open(p, libc::O_RDONLY));
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
            if libc::getppid() != parent {
                libc::_exit(0);
            }
            round = round.wrapping_add(1);
            // A machine that stood still (a guest that its host paused) stood still for us too: that was no silence.
            let now = crate::monotonic_ns();
            if now.saturating_sub(std::mem::replace(&mut last, now)) >= STALLED_NS / 2 {
                page.heartbeat_ns.store(now, Relaxed);
            }
            let maker = Maker { pid: parent, state };
            look(page, limits, &files, maker, round);
        }
    }
}

/// Who made the guard, with an open file that tells its state.
#[derive(Clone, Copy)]
struct Maker {
    pid: i32,
    state: i32,
}

impl Maker {
    /// Whether it is stopped, by a signal or by a debugger.
    ///
    /// # Safety
    /// As [`watch`].
    unsafe fn stopped(self) -> bool {
        let mut text = [0u8; 512];
        // SAFETY: as the caller promises.
        let text = unsafe { read(self.state, &mut text) };
        let after = text.iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 2));
        after.is_some_and(|state| matches!(state, b'T' | b't'))
    }
}

/// `/proc/PID/stat` as a C string, put together without allocating.
fn own_state_path(pid: i32, into: &mut [u8; 32]) -> Option<*const libc::c_char> {
    let mut rest = into.as_mut_slice();
    std::io::Write::write_fmt(&mut rest, format_args!("/proc/{pid}/stat\0")).ok()?;
    Some(into.as_ptr().cast())
}

/// One look at everything.
///
/// # Safety
/// As [`watch`].
unsafe fn look(page: &Shared, limits: &[Watched], files: &[(i32, i32)], maker: Maker, round: u32) {
    let now = crate::monotonic_ns();
    let silent = now.saturating_sub(page.heartbeat_ns.load(Relaxed));
    let until = page.hold_until_ns.load(Relaxed);
    // SAFETY: as the caller promises.
    if until != 0 && now >= until && (silent >= STUCK_NS || unsafe { maker.stopped() }) {
        const WORD: &[u8] =
            b"m5: stopped while the target stood still; m5 is ended so that the target runs on\n";
        // SAFETY: a live constant; our parent was seen alive a moment ago, and it is it that made us.
        unsafe {
            libc::write(2, WORD.as_ptr().cast(), WORD.len());
            libc::kill(maker.pid, libc::SIGKILL);
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
    let stopped = silent >= SILENT_NS || silent >= STALLED_NS && unsafe { maker.stopped() };
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
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap()
    }

    fn alive(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

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
