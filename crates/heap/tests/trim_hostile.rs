//! Memory is given back to programs that make it hard: other settings of the allocator, programs that trim themselves,
//! threads that end, filters on system calls, pages that somebody watches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::trim::{Ended, ToTheEnd, TrimOptions, trim};
use m5_process::{CallCode, Discarded, Guard, Headroom, Process, freeze, with_tracer};
use m5_testkit::{Python, Target, pythons};
use std::time::{Duration, Instant};

/// Threads that allocate, fill, check and free.
const BUSY: &str = include_str!("trim_busy.py");

fn options() -> TrimOptions {
    TrimOptions { max_pause: Duration::from_secs(1), least_bytes: 0, ..TrimOptions::default() }
}

fn python() -> Python {
    pythons().into_iter().rfind(|p| p.root().is_none()).unwrap()
}

/// Trims a busy program again and again, and until so many bytes are given back, which wants moments in which they are
/// free: every byte is where it was, and it goes on.
fn busy(environment: &[(&str, &str)], words: &[&str], times: usize, least: u64) -> u64 {
    let what = format!("{environment:?} {words:?}");
    let mut command = python().command();
    command.args(["-I", "-u", "-c", BUSY]).args(words).envs(environment.iter().copied());
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready", "{what}");
    let process = Process::open(target.pid()).unwrap();
    let times = std::env::var("M5_TRIMS").ok().and_then(|n| n.parse().ok()).unwrap_or(times);
    let (mut given, patience) = (0, Instant::now() + Duration::from_secs(60));
    for time in 1.. {
        given += trim(&process, &options(), &ToTheEnd).unwrap().given_bytes;
        if time >= times && (given > least || Instant::now() >= patience) {
            break;
        }
    }
    let mut ask = || {
        target.say("?");
        let numbers: Vec<u64> = target.numbers();
        assert_eq!(
            (numbers[0], numbers[2]),
            (0, 0),
            "{what}: live bytes changed, or the allocator is damaged"
        );
        numbers[1]
    };
    let (before, patience) = (ask(), Instant::now() + Duration::from_secs(120));
    while ask() <= before + 1 {
        assert!(Instant::now() < patience, "{what} does not go on");
        std::thread::sleep(Duration::from_millis(5));
    }
    given
}

#[test]
fn other_settings_of_the_allocator() {
    let tunables = [
        "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=160",
        "glibc.malloc.arena_max=1",
        // Huge pages where the program asks for them, and for its heaps where there are any.
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.hugetlb=2",
    ];
    let given: u64 = tunables.iter().map(|t| busy(&[("GLIBC_TUNABLES", t)], &[], 3, 0)).sum();
    assert!(given > 1 << 20, "{given}");
}

#[test]
fn a_program_that_trims_itself() {
    busy(&[], &["trims"], 4, 0);
}

#[test]
fn threads_that_end_and_leave_their_arenas() {
    assert!(busy(&[], &["ends"], 4, 1 << 20) > 1 << 20);
}

/// A program that frees, then does what a word says; at the end it checks what lives.
fn freed(then: &str) -> Target {
    let program = format!(
        "import ctypes, os, struct, sys\nkeep = [b'x' * 9000 for i in range(8000)][::40]\n\
         libc = ctypes.CDLL(None, use_errno=True)\n{then}\nprint('ready', flush=True)\nsys.stdin.readline()\n\
         assert all(k == b'x' * 9000 for k in keep)\nprint('fine', flush=True)\nsys.stdin.readline()"
    );
    let mut command = python().command();
    command.args(["-u", "-c", &program]);
    Target::spawn(command)
}

fn still_fine(target: &mut Target) {
    target.say("");
    assert_eq!(target.line(), "fine");
}

const THREADS: &str = "
import threading
event, there = threading.Event(), threading.Barrier(601)
def wait(): there.wait(); event.wait()
threads = [threading.Thread(target=wait, daemon=True) for _ in range(600)]
for thread in threads: thread.start()
there.wait()
";

#[test]
fn who_has_more_threads_than_the_pause_allows_is_not_stopped() {
    let mut target = freed(THREADS);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let short = TrimOptions { max_pause: Duration::from_millis(5), ..options() };
    let done = trim(&process, &short, &ToTheEnd).unwrap();
    assert_eq!((done.ended, done.stops), (Ended::Late, 0), "{done:?}");
    let done = trim(&process, &options(), &ToTheEnd).unwrap();
    assert!(done.given_bytes > 32 << 20, "{done:?}");
    still_fine(&mut target);
}

const WORKERS: &str = "
import threading
def work():
    while True: sum(range(1000))
for _ in range(3): threading.Thread(target=work, daemon=True).start()
";

/// The calling thread waits for a processor until the pause is over: all others go on without it, and pages that were
/// free when everybody stood still are left alone. (These are not free at all.)
#[test]
fn a_thread_without_a_processor_holds_nobody_up() {
    let mut target = freed(WORKERS);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let heap = process.maps().unwrap().into_iter().find(|m| m.path == "[heap]").unwrap();
    let pages = heap.start..heap.start + (1 << 16);
    for _ in 0..5 {
        let (done, others, whole) = with_tracer(|| {
            let guard = Guard::start(&Headroom::of(process.pid())).unwrap();
            let code = CallCode::find(&process)?;
            let mut frozen = freeze(&process, &guard, Duration::from_secs(5))?;
            let done = frozen.discard(
                &process,
                &code,
                std::slice::from_ref(&pages),
                Instant::now(),
                Duration::ZERO,
            )?;
            Ok((done, frozen.others_stood(), frozen.thaw()))
        })
        .unwrap();
        assert_eq!(done, Discarded::default());
        assert!(others.unwrap() <= whole, "the others are let go first: {others:?} {whole:?}");
    }
    // Nor is anything left behind: the next one finds nothing that is in its way.
    assert!(trim(&process, &options(), &ToTheEnd).unwrap().given_bytes > 32 << 20);
    still_fine(&mut target);
}

/// Whoever calls `madvise` is killed.
const FILTER: &str = "
MADVISE, KILL, ALLOW = 28, 0x80000000, 0x7fff0000
rule = lambda code, yes, no, value: struct.pack('HBBI', code, yes, no, value)
program = rule(0x20, 0, 0, 0) + rule(0x15, 0, 1, MADVISE) + rule(6, 0, 0, KILL) + rule(6, 0, 0, ALLOW)
held = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(held)))
assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, filter, 0, 0)
";

#[test]
#[cfg(target_arch = "x86_64")]
fn a_filter_on_its_calls_kills_nobody() {
    let mut target = freed(FILTER);
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    // It goes back where a tracer may lay the filter aside, and is refused elsewhere.
    match trim(&process, &options(), &ToTheEnd) {
        Ok(done) => assert!(done.given_bytes > 32 << 20, "{done:?}"),
        Err(error) => eprintln!("{error}"),
    }
    still_fine(&mut target);
}

/// All anonymous memory that can be is registered for write protection.
const WATCHED: &str = "
IOC = lambda number, size: 0xc0000000 | size << 16 | 0xaa << 8 | number
fd = libc.syscall(323, os.O_CLOEXEC | os.O_NONBLOCK | 1)
api = ctypes.create_string_buffer(struct.pack('QQQ', 0xaa, 0, 0), 24)
count = 0
if fd >= 0 and not libc.ioctl(fd, ctypes.c_ulong(IOC(0x3f, 24)), api):
    for line in open('/proc/self/maps'):
        if '[heap]' in line:
            start, end = (int(n, 16) for n in line.split()[0].split('-'))
            wish = ctypes.create_string_buffer(struct.pack('QQQQ', start, end - start, 2, 0), 32)
            count += not libc.ioctl(fd, ctypes.c_ulong(IOC(0, 32)), wish)
if not count: print('cannot', flush=True); sys.exit()
";

#[test]
#[cfg(target_arch = "x86_64")]
fn pages_that_somebody_watches_stay() {
    let mut target = freed(WATCHED);
    // Not every kernel lets a program watch its pages.
    if target.line() != "ready" {
        return;
    }
    let process = Process::open(target.pid()).unwrap();
    let done = trim(&process, &options(), &ToTheEnd).unwrap();
    assert!(done.kept_bytes() > 32 << 20 && done.given_bytes < 1 << 20, "{done:?}");
    still_fine(&mut target);
}
