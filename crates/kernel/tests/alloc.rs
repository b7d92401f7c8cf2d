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

fn profile(target: &Target, seconds: u64) -> Option<AllocProfile> {
    let process = Process::open(target.pid()).unwrap();
    let mut sampler = match AllocSampler::attach(&process, 0.05, false) {
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
        let Some(profile) = profile(&target, 3) else { return };
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
