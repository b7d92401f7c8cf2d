//! Sampling where objects are made while something else watches: what lives at the end has a line.

use crate::ctx::Ctx;
use crate::error::of_kernel;
use m5_heap::{Births, Born};
use m5_kernel::{AllocProfile, AllocSampler, Error, Survivor};
use m5_process::{Process, monotonic_ns};
use m5_report::heap::Allocations;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Longest time without a look at whether it is over.
const STEP_NS: u64 = 100_000_000;

type Seen = Result<(AllocProfile, Vec<Survivor>), Error>;

/// Allocations of a process are being sampled, in a thread of m5's own.
pub(crate) struct Sampling {
    pid: i32,
    over: Arc<AtomicBool>,
    thread: Result<JoinHandle<Seen>, Error>,
}

impl Sampling {
    /// Begins to sample within `max_overhead`, a share of the target's time. That it cannot be is told at the end.
    pub(crate) fn begin(process: &Process, max_overhead: f64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = AllocSampler::attach(process, max_overhead, true).and_then(|sampler| {
            let over = Arc::clone(&over);
            let thread = std::thread::Builder::new().name("births".to_owned());
            thread
                .spawn(move || sample(sampler, &over))
                .map_err(|source| Error::Refused { what: "a thread of m5's own", source })
        });
        Self { pid: process.pid(), over, thread }
    }

    /// Ends the sampling: what still lives, and how much was seen.
    pub(crate) fn end(self, ctx: &Ctx) -> (Births, Allocations) {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.and_then(|running| {
            running.join().unwrap_or(Err(Error::Unsupported("the sampling of allocations ended by itself")))
        });
        match seen {
            Ok((profile, survivors)) => {
                let told = Allocations {
                    samples: Some(profile.samples),
                    lost: Some(profile.lost),
                    survivors: Some(survivors.len() as u64),
                    overhead: Some(profile.overhead),
                    partial: profile.partial,
                    ..Allocations::default()
                };
                let open_share = profile.open_s / profile.seconds.max(1e-9);
                (Births { born: survivors.into_iter().map(born).collect(), open_share }, told)
            }
            Err(error) => {
                let told = of_kernel(self.pid, error).explain(ctx.lang);
                let (reason, remedy) = (Some(told.message), told.remedies.into_iter().next());
                (Births::default(), Allocations { reason, remedy, ..Allocations::default() })
            }
        }
    }
}

fn sample(mut sampler: AllocSampler, over: &AtomicBool) -> Seen {
    while !over.load(Ordering::Relaxed) && sampler.step(monotonic_ns() + STEP_NS)? {}
    sampler.finish_with_survivors()
}

fn born(survivor: Survivor) -> Born {
    Born { object: survivor.object, type_name: survivor.type_name, stack: survivor.stack }
}
