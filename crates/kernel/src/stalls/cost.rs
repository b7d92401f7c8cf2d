//! What the programs cost whom they watch: measured on m5 itself, as they are.

use m5_process::thread_cpu_ns;
use rustix::event::poll;
use rustix::process::getppid;
use rustix::time::Timespec;

/// Calls of each batch, and batches: the cheapest of them was disturbed least.
const CALLS: u32 = 200;
const BATCHES: usize = 7;
/// The measured loop finds all that it needs in the processor's caches; a service that does other work between has to fetch it.
const COLD: f64 = 1.5;
/// What a turn takes beside that where nothing of all this is in the caches any more, as a multiple of it; and how long ago the turn
/// before then is, nanoseconds: not at all, and long enough.
const RESTED: f64 = 4.0;
const WARM_NS: f64 = 100_000.0;
const COLD_NS: f64 = 5_000_000.0;
/// What is taken for true where a measure says that something costs less, nanoseconds: it cannot be free.
const LEAST_NS: f64 = 20.0;

/// Nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Of a call of the kernel.
    pub(super) call_ns: f64,
    /// Of a wait, which ends a turn and begins one: beyond that of a call.
    pub(super) turn_ns: f64,
}

/// What the programs counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) turns: u64,
}

impl Counts {
    /// Those since.
    pub(super) fn since(self, before: Self) -> Self {
        let less = |now: u64, before: u64| now.saturating_sub(before);
        Self { calls: less(self.calls, before.calls), turns: less(self.turns, before.turns) }
    }
}

impl Cost {
    /// What it took that so much was counted in so many nanoseconds.
    pub(super) fn of(self, counts: Counts, over_ns: f64) -> f64 {
        let [calls, turns] = [counts.calls, counts.turns].map(|n| n as f64);
        let rested = (over_ns / turns.max(1.0)).clamp(WARM_NS, COLD_NS) / WARM_NS;
        let cold = RESTED * rested.ln() / (COLD_NS / WARM_NS).ln();
        calls * self.call_ns + turns * (self.turn_ns + cold * (self.call_ns + self.turn_ns))
    }
}

/// What a call and a wait take the calling thread, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    call_ns: f64,
    wait_ns: f64,
}

impl Pace {
    /// As it is now.
    pub(super) fn measured() -> Self {
        let call_ns = cheapest(|| {
            let _parent = getppid();
        });
        let wait_ns = cheapest(|| {
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let _nothing = poll(&mut [], Some(&now));
        });
        Self { call_ns, wait_ns }
    }

    /// What watching adds to it.
    pub(super) fn cost(self, watched: Self) -> Cost {
        let call_ns = (watched.call_ns - self.call_ns).max(LEAST_NS);
        let turn_ns = (watched.wait_ns - self.wait_ns - call_ns).max(LEAST_NS);
        Cost { call_ns: COLD * call_ns, turn_ns: COLD * turn_ns }
    }
}

fn cheapest(call: impl Fn()) -> f64 {
    let batch = || {
        let begin = thread_cpu_ns();
        (0..CALLS).for_each(|_| call());
        (thread_cpu_ns() - begin) as f64 / f64::from(CALLS)
    };
    (0..BATCHES).map(|_| batch()).fold(f64::MAX, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_dearer_after_a_rest() {
        let cost = Cost { call_ns: 400.0, turn_ns: 600.0 };
        let of = |turns, ns| cost.of(Counts { calls: 2 * turns, turns }, ns);
        assert_eq!(of(0, 1e9), 0.0);
        // Without a rest it is as measured.
        assert!((of(10_000, 1e9) - 1.4e7).abs() < 1.0);
        // After a long one there comes so much more of it, and no more than that.
        assert!((of(100, 1e9) - 5.4e5).abs() < 1.0 && (of(10, 1e9) - 5.4e4).abs() < 1.0);
        assert!(of(1000, 1e9) > 1.4e6 && of(1000, 1e9) < 5.4e6);
    }
}
