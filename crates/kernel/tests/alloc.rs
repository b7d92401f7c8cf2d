//! The sampler against programs whose shares are known by construction.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_kernel::{AllocProfile, AllocSampler, Error};
use m5_process::{Process, monotonic_ns};
use m5_testkit::{Target, pythons};

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
    let mut sampler = match AllocSampler::attach(&process, 0.05, survival) {
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

#[test]
fn lines_on_every_interpreter() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let Some(profile) = profile(&target, 3, false) else { return };
        let by = |function: &str| {
            let sites = profile.sites.iter().filter(|s| s.frame.function.ends_with(function));
            sites.fold((0, 0.0), |sum, s| (sum.0 + s.samples, sum.1 + s.share))
        };
        let (churn, grow) = (by("churn"), by("grow"));
        if profile.partial && churn.0 + grow.0 == 0 {
            continue; // Its allocator was copied into the very callers, which is told.
        }
        assert!(profile.samples > 100, "{python:?}: {profile:?}");
        assert!(churn.0 > grow.0, "{python:?}: {churn:?} {grow:?}");
        // Three of four, by construction; the rest is the machine's noise and the interval's.
        assert!(churn.1 > 0.5 && grow.1 < 0.45, "{python:?}: {churn:?} {grow:?}");
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
    let pythons = pythons();
    for python in pythons.first().into_iter().chain(pythons.last()) {
        let mut target = Target::start(python, SURVIVORS);
        assert_eq!(target.line(), "ready");
        let Some(profile) = profile(&target, 4, true) else { return };
        if profile.partial || !profile.follows {
            continue; // Told: its allocator, or its pools, are not seen whole.
        }
        // What is formatted is moved past the breakpoint: of it nothing is told, least of all that it is dead.
        for site in profile.sites.iter().filter(|s| s.frame.function.ends_with("put")) {
            let s = &site.survival;
            assert!(s.alive[1] * 2 >= s.looked[1] && site.unfollowed > 0, "{python:?}: {site:?}");
        }
        for (function, lives) in [("churn", false), ("grow", true)] {
            let (mut alive, mut looked) = (0, 0);
            for site in profile.sites.iter().filter(|s| s.frame.function.ends_with(function)) {
                alive += site.survival.alive[1];
                looked += site.survival.looked[1];
            }
            let told = format!("{python:?} {function}: {alive} of {looked}: {profile:?}");
            let right = if lives { alive * 10 >= looked * 8 } else { alive * 10 <= looked };
            assert!(right && looked >= 10, "{told}");
        }
    }
}
