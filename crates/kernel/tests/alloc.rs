//! The sampler against programs whose shares are known by construction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::allowed;
use m5_kernel::{AllocProfile, AllocSampler, AllocSource, CollectionSampler, Error};
use m5_process::{Process, monotonic_ns};
use m5_testkit::{LARGE_BLOCKS, Python, Target, ends, free_threaded_pythons, pythons};

/// Three times as many short-lived objects as kept ones, of one size; kept ones stay for ever.
const PROGRAM: &str = "
class Short: __slots__ = ('a', 'b')
class Kept: __slots__ = ('a', 'b')
keep = []
def churn():
    Short(); Short(); Short()
def grow():
    keep.append(Kept())
print('ready', flush=True)
while True:
    for _ in range(50):
        churn()
        grow()
    if len(keep) > 2000000: del keep[:1000000]
";

fn profile(target: &Target, seconds: u64, survival: bool) -> Option<AllocProfile> {
    let process = Process::open(target.pid()).unwrap();
    let mut sampler = match AllocSampler::attach(&process, 0.05, 0.1, survival) {
        Ok(sampler) => sampler,
        Err(error @ (Error::Refused { .. } | Error::Unsupported(_))) => {
            assert!(error.is_permission() || std::env::var_os("M5_TEST_BPF").is_none(), "{error}");
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let until = monotonic_ns() + seconds * 1_000_000_000;
    while monotonic_ns() < until && sampler.step(until).unwrap() {}
    Some(sampler.finish().unwrap())
}

/// Whether the sampler of a build that shows no allocation gives the stacks of collections instead, by itself.
fn turns_to_collections(target: &Target) -> bool {
    let process = Process::open(target.pid()).unwrap();
    let mut sampler = AllocSampler::attach(&process, 0.05, 0.1, false).unwrap();
    let until = monotonic_ns() + 60_000_000_000;
    while monotonic_ns() < until && sampler.step(until).unwrap() {
        if let Some((mut other, why)) = sampler.instead() {
            assert!(other.step(until).unwrap() && sampler.instead().is_none());
            let told = other.finish().collections.expect("of collections");
            return matches!(why, Error::Unsupported(_)) && !told.rights_would_help;
        }
    }
    false
}

/// The first and the last of those with a GIL, and each of those without.
fn some() -> Vec<Python> {
    [ends(&pythons()), free_threaded_pythons()].concat()
}

#[test]
fn lines_on_every_interpreter() {
    for python in pythons().into_iter().chain(free_threaded_pythons()) {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let Some(profile) = profile(&target, 3, false) else { return };
        let by = |function: &str| {
            let sites = profile.sites.iter().filter(|s| s.frame.function.ends_with(function));
            sites.fold((0, 0.0), |sum, s| (sum.0 + s.samples, sum.1 + s.share))
        };
        let (churn, grow) = (by("churn"), by("grow"));
        if profile.partial && churn.0 + grow.0 == 0 {
            // Its allocator was copied into the very callers, which is told.
            assert!(turns_to_collections(&target), "{python:?}");
            continue;
        }
        assert!(profile.samples > 100, "{python:?}: {profile:?}");
        assert!(churn.0 > grow.0, "{python:?}: {churn:?} {grow:?}");
        // Three of four, by construction; the rest is the machine's noise and the interval's.
        assert!(churn.1 > 0.5 && grow.1 < 0.45, "{python:?}: {churn:?} {grow:?}");
    }
}

/// Counts what it allocates, and tells the count with the time, nanoseconds, about ten times a second: one object, and what repeats
/// the work after it where there is any; a turn's own handful is a few per cent. A search that finds nothing gives a number that is always there.
const COUNTS: &str = "
import itertools, sys, time
class Short: __slots__ = ('a', 'b')
times, works, rests = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
text, find = bytes(200), bytes.find
def make(n):
    for _ in itertools.repeat(None, n):
        Short()
        if works:
            for _ in itertools.repeat(None, works): find(text, b'no')
count, told = 0, 0
print('ready', flush=True)
while True:
    make(times)
    count += 2 * times if works else times
    if rests: time.sleep(rests)
    now = time.monotonic_ns()
    if now - told > 100_000_000:
        told = now
        print(count, now, flush=True)
";

/// A program that waits for a processor for more of the time says nothing of rates; nor does a sampler that does, which sleeps for
/// nearly all of it: its windows open when the program gives the processor away, which is no random moment. Of one that waits for more
/// than the second, the interval may be too wide for an estimate: a window begins and ends on the program's own processor then.
const BUSY: [f64; 2] = [0.1, 0.02];
const SHARED: [f64; 2] = [0.02, 0.01];

/// How long the program's first thread and this one waited for a processor so far, nanoseconds.
fn waited(target: &Target) -> [f64; 2] {
    [format!("/proc/{}/schedstat", target.pid()), "/proc/thread-self/schedstat".to_owned()].map(|path| {
        let told = std::fs::read_to_string(path).unwrap_or_default();
        told.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0.0)
    })
}

/// Allocations a second by the program's own count while it was watched, what was seen, and the shares of the time that it
/// and the sampler waited for a processor.
fn counted(python: &Python, [times, works, rests]: [&str; 3]) -> Option<(f64, AllocProfile, [f64; 2])> {
    let mut command = python.command();
    command.args(["-I", "-u", "-c", COUNTS, times, works, rests]);
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    let first: Vec<u64> = target.numbers();
    let before = waited(&target);
    let profile = profile(&target, 5, false)?;
    let after = waited(&target);
    let waited = [0, 1].map(|who| (after[who] - before[who]) / 1e9 / profile.seconds);
    let over = monotonic_ns();
    let mut last = first.clone();
    while last[1] < over {
        last = target.numbers();
    }
    Some(((last[0] - first[0]) as f64 / (last[1] - first[1]) as f64 * 1e9, profile, waited))
}

#[test]
fn rates_hold_what_the_program_counts() {
    for python in &[ends(&pythons()), ends(&free_threaded_pythons())].concat() {
        // Nothing but allocations; some of its time; little of it; some of it in bursts between which it rests.
        for (kind, told) in [
            (["1000", "0", "0"], false),
            (["1000", "100", "0"], true),
            (["100", "5000", "0"], true),
            (["100", "100", "0.01"], false),
        ] {
            let Some((truth, profile, waited)) = counted(python, kind) else { return };
            if profile.partial && profile.samples == 0 {
                continue; // Told: its allocator was copied into its callers.
            }
            let above = |most: [f64; 2]| waited.iter().zip(most).any(|(waited, most)| *waited > most);
            if above(BUSY) {
                eprintln!(
                    "left out: {python:?} {kind:?}: it and the sampler waited for {waited:.2?} of the time"
                );
                continue;
            }
            let [low, high] = profile.per_second_interval.expect("samples");
            let said = format!("{python:?} {kind:?}: {truth} counted, {low} to {high}: {profile:?}");
            // A machine that is busy in one half of the time is not in the other: a tenth of room.
            assert!(0.9 * low <= truth && truth <= 1.1 * high, "{said}");
            assert!(profile.per_second.is_some() || !told || above(SHARED), "{said}");
        }
    }
}

/// Objects that live or die by construction, at a pace that leaves memory in peace.
const SURVIVORS: &str = "
import time
class Short: __slots__ = ('a', 'b')
class Kept: __slots__ = ('a', 'b')
keep, n = [], 100000
def churn():
    Short(); Short()
def grow():
    keep.append(Kept())
def put():
    keep.append('the text %d' % n)
print('ready', flush=True)
while True:
    for _ in range(50):
        n += 1
        churn()
        grow()
        put()
    time.sleep(0.001)
";

#[test]
fn survivors_are_told_from_the_dead() {
    for python in &some() {
        let mut target = Target::start(python, SURVIVORS);
        assert_eq!(target.line(), "ready");
        let Some(profile) = profile(&target, 4, true) else { return };
        if profile.partial || !profile.follows {
            continue; // Told: its allocator, or its pools, are not seen whole.
        }
        // What is formatted is moved past the breakpoint: of it nothing is told, least of all that it is dead.
        for site in profile.sites.iter().filter(|s| s.frame.function.ends_with("put")) {
            let s = site.survival.as_ref().unwrap();
            assert!(s.alive[1] * 2 >= s.looked[1] && site.unfollowed > Some(0), "{python:?}: {site:?}");
        }
        for (function, lives) in [("churn", false), ("grow", true)] {
            let (mut alive, mut looked) = (0, 0);
            for site in profile.sites.iter().filter(|s| s.frame.function.ends_with(function)) {
                let survival = site.survival.as_ref().unwrap();
                alive += survival.alive[1];
                looked += survival.looked[1];
            }
            let told = format!("{python:?} {function}: {alive} of {looked}: {profile:?}");
            let right = if lives { alive * 10 >= looked * 8 } else { alive * 10 <= looked };
            assert!(right && looked >= 10, "{told}");
        }
    }
}

#[test]
fn large_blocks_are_followed_with_any_allocator() {
    for python in &some() {
        let allocators: &[&str] = if python.free_threaded { &["mimalloc"] } else { &["pymalloc", "malloc"] };
        for allocator in allocators {
            let mut command = python.command();
            command.args(["-u", "-c", LARGE_BLOCKS]).env("PYTHONMALLOC", allocator);
            let mut target = Target::spawn(command);
            assert_eq!(target.line(), "ready");
            let told = || {
                let process = Process::open(target.pid()).unwrap();
                let mut sampler = AllocSampler::attach(&process, 0.05, 1.0, true).ok()?;
                let until = monotonic_ns() + 4_000_000_000;
                while monotonic_ns() < until && sampler.step(until).unwrap() {}
                Some(sampler.finish_with_survivors().unwrap())
            };
            // A machine that is busy samples less.
            for tries in 1.. {
                let Some((profile, survivors)) = told().filter(|(profile, _)| !profile.partial) else {
                    break;
                };
                let bytes = survivors.alive.iter().filter(|s| s.type_name == "bytes");
                let functions: Vec<&str> = bytes.map(|s| s.stack[0].function.as_str()).collect();
                let said = format!("{python:?} {allocator}: {functions:?} {:?}", profile.large);
                let kept = functions.iter().filter(|function| **function == "payload").count();
                assert!(kept * 5 >= functions.len() * 4, "{said}");
                if kept >= 5 {
                    break;
                }
                assert!(tries < 8, "{said}");
            }
        }
    }
}

/// Tracked objects, three of four at one line, in runs of random length: no pattern that the threshold could fall in step with.
/// Collections are long enough for a slow build to see them all.
const TRACKED: &str = "
import gc, random
keep, r = [], random.Random(1).random
def much(n):
    for _ in range(n):
        keep.append([])
def little(n):
    for _ in range(n):
        keep.append([])
gc.set_threshold(5000, 10, 10)
print('ready', flush=True)
while True:
    much(int(3000 * r()))
    little(int(1000 * r()))
    if len(keep) > 100000: keep.clear()
";

/// As [`profile`], by the stacks of collections.
fn by_collections(target: &Target, seconds: u64, windows: usize) -> AllocProfile {
    let process = Process::open(target.pid()).unwrap();
    let instead = Error::Unsupported("this is a test");
    let mut sampler = CollectionSampler::attach(&process, 0.05, &instead).unwrap();
    let until = monotonic_ns() + seconds * 1_000_000_000;
    let mut left = windows;
    while left > 0 && monotonic_ns() < until && sampler.step(until).unwrap() {
        left -= 1;
    }
    sampler.finish()
}

#[test]
fn collections_tell_the_shares_of_tracked_objects() {
    for python in &ends(&pythons()) {
        let mut target = Target::start(python, TRACKED);
        assert_eq!(target.line(), "ready");
        let profile = by_collections(&target, 20, 250);
        let told = format!("{python:?}: {profile:?}");
        let of = |function: &'static str| {
            let own = profile.sites.iter().filter(|s| s.frame.function.ends_with(function));
            own.fold((0.0, 0.0), |sum, s| {
                (sum.0 + s.share, sum.1 + s.share_interval[1] - s.share_interval[0])
            })
        };
        let (much, little) = (of("much"), of("little"));
        assert!(profile.samples >= 10, "{told}");
        // Twice the width of the interval at 95 %: a test must not fail one time in twenty.
        assert!((much.0 - 0.75).abs() <= much.1.max(0.05), "{much:?} {told}");
        assert!((little.0 - 0.25).abs() <= little.1.max(0.05), "{little:?} {told}");
        let seen = profile.collections.as_ref().expect("of collections");
        assert!(seen.threshold == 5000 && seen.happened >= seen.in_windows, "{told}");
        assert!(seen.in_windows >= profile.samples && profile.source == AllocSource::Collections, "{told}");
        // What collections do not tell is absent, not zero.
        assert!(profile.bytes.is_none() && profile.per_second.is_none(), "{told}");
        assert!(profile.sites.iter().all(|s| s.bytes.is_none() && s.survival.is_none()), "{told}");
        // Samples are rounded, as windows weigh differently.
        let near = |objects: u64, samples: u64| objects.abs_diff(5000 * samples) <= 5000;
        assert!(profile.stacks.iter().all(|s| near(s.net_objects.unwrap(), s.samples)), "{told}");
    }
}

#[test]
fn full_collections_that_were_asked_for_are_no_samples() {
    for python in &ends(&pythons()) {
        let mut target = Target::start(
            python,
            "import gc\nkeep = [[] for _ in range(50000)]\ngc.set_threshold(10**9)\nprint('ready', flush=True)\nwhile True: gc.collect()",
        );
        assert_eq!(target.line(), "ready");
        let profile = by_collections(&target, 20, 20);
        let happened = profile.collections.as_ref().map(|c| c.happened);
        assert_eq!((profile.samples, happened, profile.sites.len()), (0, Some(0), 0), "{python:?}");
    }
}

#[test]
fn a_collector_that_is_off_tells_nothing() {
    let pythons = pythons();
    let mut target =
        Target::start(&pythons[0], "import gc; gc.disable(); print('ready', flush=True); input()");
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let sampler = CollectionSampler::attach(&process, 0.01, &Error::Unsupported("this is a test"));
    assert!(matches!(sampler, Err(Error::Unsupported(why)) if why.contains("collector is off")));
}

/// Eight threads make objects of one size at four lines: of one type those of one line live, those of two die at once or a little
/// later; another type's are dropped by another thread. Answers a line with the objects that each of the four made so far.
const THREADS: &str = "
import collections, sys, threading, time
class Tick: __slots__ = ('a', 'b')
class Passed: __slots__ = ('a', 'b')
kept, passed = [[] for _ in range(8)], collections.deque()
counts = [[0] * 4 for _ in range(8)]
def churn(): Tick(); Tick(); Tick()
def grow(to): to.append(Tick())
def hand_over(): passed.append(Passed())
def later():
    some = [Tick(), Tick()]
    return len(some)
def work(n):
    count, to = counts[n], kept[n]
    while True:
        for _ in range(10):
            churn(); grow(to); hand_over(); later()
            count[0] += 3; count[1] += 1; count[2] += 1; count[3] += 2
        time.sleep(0.004)
def drop():
    while True:
        while passed: passed.popleft()
        time.sleep(0.001)
for n in range(8): threading.Thread(target=work, args=(n,), daemon=True).start()
threading.Thread(target=drop, daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    print(*(sum(count[i] for count in counts) for i in range(4)), flush=True)
";

#[test]
fn eight_threads_without_a_gil() {
    // Where an object is all that the line asks for, and what those lines keep of it.
    const LINES: [&str; 3] = ["churn", "grow", "hand_over"];
    for python in free_threaded_pythons() {
        let mut target = Target::start(&python, THREADS);
        assert_eq!(target.line(), "ready");
        target.say("");
        let before = target.numbers::<f64>();
        let process = Process::open(target.pid()).unwrap();
        let Some(mut sampler) = allowed(&python.name, AllocSampler::attach(&process, 0.05, 1.0, true)) else {
            return;
        };
        let until = monotonic_ns() + 4_000_000_000;
        while monotonic_ns() < until && sampler.step(until).unwrap() {}
        let (profile, survivors) = sampler.finish_with_survivors().unwrap();
        target.say("");
        let made: Vec<f64> = target.numbers::<f64>().iter().zip(&before).map(|(b, a)| b - a).collect();
        let told = format!("{}: {made:?} {profile:?}", python.name);
        assert!(profile.threads == [10, 10] && profile.samples > 100, "{told}");
        assert!(profile.lost * 100 <= profile.samples, "{told}");
        let samples = LINES.map(|line| {
            let own = profile.sites.iter().filter(|s| s.frame.function == line);
            own.map(|s| s.samples).sum::<u64>() as f64
        });
        let share = |of: &[f64], n: usize| of[n] / of[..LINES.len()].iter().sum::<f64>();
        let shares = [0, 1, 2].map(|n| [share(&samples, n), share(&made, n)]);
        assert!(shares.iter().all(|[seen, truth]| (seen - truth).abs() < 0.1), "{shares:?} {told}");
        let own = survivors.alive.iter().filter(|s| matches!(s.type_name.as_str(), "Tick" | "Passed"));
        let makers: Vec<&str> = own.map(|s| s.stack[0].function.as_str()).collect();
        let of = |line: &str| makers.iter().filter(|maker| maker.starts_with(line)).count();
        let found = [of("grow"), of("hand_over"), of("churn"), of("later")];
        println!(
            "{}: {shares:.3?} {found:?} {} of {} cut, {} lost",
            python.name, profile.windows_cut, profile.windows, profile.lost
        );
        let others: usize = found[1..].iter().sum();
        assert!(found[0] >= 20 && found[0] >= 9 * others, "{found:?} {told}");
    }
}
