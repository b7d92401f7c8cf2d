//! Sampling where objects are made while something else watches: what lives at the end has a line.

use crate::ctx::Ctx;
use crate::error::of_kernel;
use m5_heap::{Births, Born, lines_of};
use m5_kernel::{AllocProfile, AllocSampler, CollectionSampler, Error, Survivor, Survivors};
use m5_process::{Process, monotonic_ns};
use m5_report::heap::Allocations;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The budget is a share of a processor's time, also of a target that hardly runs: few samples would name no line.
const LEAST_RUN: f64 = 1.0;
/// Longest time without a look at whether it is over.
const STEP_NS: u64 = 100_000_000;

/// What a sampling came to.
enum Seen {
    /// Where objects are made, and which of them live.
    Births(Box<AllocProfile>, Survivors),
    /// Where young collections began, as the kernel refuses the rest.
    Collections(Box<AllocProfile>, Error),
}

/// Allocations of a process are being sampled, in a thread of m5's own.
pub(crate) struct Sampling {
    pid: i32,
    over: Arc<AtomicBool>,
    thread: Result<JoinHandle<Result<Seen, Error>>, Error>,
}

impl Sampling {
    /// Begins to sample within `max_overhead`, a share of the target's time; where the kernel's programs are refused, by the
    /// stacks of young collections. That it cannot be is told at the end.
    pub(crate) fn begin(process: &Process, max_overhead: f64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = match AllocSampler::attach(process, max_overhead, LEAST_RUN, true) {
            Ok(sampler) => {
                let over = Arc::clone(&over);
                spawned(move || sample(sampler, &over))
            }
            Err(refused) => match CollectionSampler::attach(process, max_overhead, &refused) {
                Ok(sampler) => {
                    let over = Arc::clone(&over);
                    spawned(move || by_collections(sampler, refused, &over))
                }
                Err(_) => Err(refused),
            },
        };
        Self { pid: process.pid(), over, thread }
    }

    /// Ends the sampling: what still lives, and how much was seen.
    pub(crate) fn end(self, ctx: &Ctx) -> (Births, Allocations) {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.and_then(|running| {
            running.join().unwrap_or(Err(Error::Unsupported("the sampling of allocations ended by itself")))
        });
        match seen {
            Ok(Seen::Births(profile, survivors)) => {
                let told = Allocations {
                    samples: Some(profile.samples),
                    lost: Some(profile.lost),
                    survivors: Some(survivors.alive.len() as u64),
                    overhead: Some(profile.overhead),
                    partial: profile.partial,
                    large_blocks: large(&profile),
                    ..Allocations::default()
                };
                let open_share = profile.open_s / profile.seconds.max(1e-9);
                let Survivors { alive, handed_on } = survivors;
                let born = alive.into_iter().map(born).collect();
                (Births { born, open_share, sampled: true, large: large(&profile), handed_on }, told)
            }
            Ok(Seen::Collections(profile, refused)) => {
                let stacks: Vec<_> =
                    profile.stacks.iter().map(|s| (s.frames.as_slice(), s.samples)).collect();
                let told = Allocations {
                    samples: Some(profile.samples),
                    overhead: Some(profile.overhead),
                    by_collections: lines_of(&stacks),
                    ..unseen(self.pid, refused, ctx)
                };
                (Births::default(), told)
            }
            Err(error) => (Births::default(), unseen(self.pid, error, ctx)),
        }
    }
}

/// Whether large blocks were sampled; `None` where none was asked for.
fn large(profile: &AllocProfile) -> Option<bool> {
    let [asked, followed] = profile.large;
    (asked > 0).then_some(followed > 0)
}

/// Why no births were seen, and what to do.
fn unseen(pid: i32, error: Error, ctx: &Ctx) -> Allocations {
    let told = of_kernel(pid, error).explain(ctx.lang);
    let (reason, remedy) = (Some(told.message), told.remedies.into_iter().next());
    Allocations { reason, remedy, ..Allocations::default() }
}

fn spawned(
    run: impl FnOnce() -> Result<Seen, Error> + Send + 'static,
) -> Result<JoinHandle<Result<Seen, Error>>, Error> {
    let thread = std::thread::Builder::new().name("births".to_owned());
    thread.spawn(run).map_err(|source| Error::Refused { what: "a thread of m5's own", source })
}

fn sample(mut sampler: AllocSampler, over: &AtomicBool) -> Result<Seen, Error> {
    while !over.load(Ordering::Relaxed) && sampler.step(monotonic_ns() + STEP_NS)? {
        if let Some((other, blind)) = sampler.instead() {
            return by_collections(other, blind, over);
        }
    }
    let (profile, survivors) = sampler.finish_with_survivors()?;
    Ok(Seen::Births(Box::new(profile), survivors))
}

fn by_collections(mut sampler: CollectionSampler, refused: Error, over: &AtomicBool) -> Result<Seen, Error> {
    while !over.load(Ordering::Relaxed) && sampler.step(monotonic_ns() + STEP_NS)? {}
    Ok(Seen::Collections(Box::new(sampler.finish()), refused))
}

fn born(survivor: Survivor) -> Born {
    Born { object: survivor.object, type_name: survivor.type_name, stack: survivor.stack }
}
