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
