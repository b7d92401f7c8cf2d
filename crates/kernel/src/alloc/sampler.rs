//! Opens the windows, reads what they saw, and keeps to the budget.

use super::allocator::Allocator;
use super::classes::{known, unknown};
use super::collections::{CollectionSampler, young};
use super::follow::{Birth, Followers, LOOKS_S, Words};
use super::profile::{AllocProfile, Gathering, Survivor};
use super::record::{Allocation, decode};
use super::{allocator, pools, program};
use crate::arch;
use crate::bpf::{Ring, sys};
use crate::frames::FrameImage;
use crate::{Error, Result};
use m5_cpython::{Interpreter, PyFrame};
use m5_process::perf::{Attr, Event, OpenError, Target};
use m5_process::{Process, inner_tid, monotonic_ns};
use m5_stats::Random;
use rustc_hash::FxHashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

const RING: usize = 4 << 20;
/// Cost of a sample before it was measured, nanoseconds.
const COST_NS: f64 = 12_000.0;
/// Length of a window, nanoseconds: adapted between these.
const SHORTEST_NS: f64 = 200_000.0;
const LONGEST_NS: f64 = 20_000_000.0;
/// Samples that a window should hold.
const WANTED: f64 = 40.0;
/// Bounds of the time between windows, nanoseconds.
const SHORTEST_GAP_NS: f64 = 1_000_000.0;
const LONGEST_GAP_NS: f64 = 1_000_000_000.0;
/// Threads that are watched in one window at most: each costs a call or two of the kernel.
const AT_ONCE: usize = 16;
/// How often threads are looked for, and how long names of code are believed.
const RESCAN_NS: u64 = 100_000_000;
const BELIEVED_NS: u64 = 1_000_000_000;
/// The rate is not told where samples follow each other within so many times their own cost.
const SATURATED: f64 = 1.5;

/// A build is called blind after so many windows, and so long, without a sample.
const PROVING: u64 = 10;
const PROVING_NS: u64 = 1_000_000_000;

struct Thread {
    state: u64,
    event: Event,
    /// Holds the program to the event.
    _link: OwnedFd,
}

/// The share of a window for which a block must not have been handed out again.
const SETTLED: f64 = 0.5;
/// And so many allocations of its thread must have followed: one that stood still meanwhile proves nothing.
const FOLLOWING: usize = 4;

/// Samples a process's allocations.
pub struct AllocSampler {
    process: Process,
    interpreter: Interpreter,
    allocator: Allocator,
    image: FrameImage,
    ring: Ring,
    lost: OwnedFd,
    program: OwnedFd,
    threads: FxHashMap<i32, Thread>,
    python_threads: u64,
    scanned_ns: u64,
    names: FxHashMap<(u64, u64), Option<PyFrame>>,
    named_ns: u64,
    gathering: Gathering,
    followers: Option<Followers>,
    max_overhead: f64,
    window_ns: f64,
    mean_hits: f64,
    cost_ns: f64,
    /// Typical distance of two samples.
    middle_ns: f64,
    random: Random,
    began_ns: u64,
    open_ns: u64,
    windows: u64,
    /// Young collections when it began; `None` once nothing follows from them any more.
    collections: Option<u64>,
}

impl std::fmt::Debug for AllocSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllocSampler").field("allocator", &self.allocator).finish_non_exhaustive()
    }
}

impl AllocSampler {
    /// Prepares to sample within `max_overhead` (a share of the target's time). Nothing is watched yet but for
    /// a moment, to see whether it may be. `survival` follows sampled objects too, which is on trial: where many are
    /// sampled it tells too many of them dead.
    ///
    /// # Errors
    /// [`Error::Unsupported`], what the kernel refused, or what could not be read.
    pub fn attach(process: &Process, max_overhead: f64, survival: bool) -> Result<Self> {
        if !arch::programs_may_break() {
            return Err(Error::Unsupported(
                "on this processor a kernel before 6.6 would hold the target at a breakpoint for ever",
            ));
        }
        let interpreter = Interpreter::attach(process)?;
        let maps = process.maps()?;
        if interpreter.layout().free_threaded {
            return Err(Error::OtherAllocator);
        }
        let image = interpreter
            .objects()
            .and_then(FrameImage::of)
            .ok_or(Error::Unsupported("the frames of this CPython are not known"))?;
        let allocator = allocator::find(&interpreter, &maps)
            .ok_or(Error::Unsupported("its object allocator is not found"))?;
        let usedpools = pools::table(&interpreter.memory(), &maps, interpreter.file());
        let type_type = allocator::exported(&interpreter, &maps, "PyType_Type");
        let (ring, lost) = (Ring::new(RING)?, sys::counter()?);
        let fd = std::os::fd::AsRawFd::as_raw_fd(&lost);
        let [first, second] = arch::ARGUMENTS;
        let size = if allocator.exported { first } else { second };
        let code = program::program(ring.fd(), fd, size, usedpools.unwrap_or(0), &image)
            .ok_or(Error::Unsupported("the program does not fit"))?;
        let program = sys::load(sys::Kind::PerfEvent, &code)?;
        let memory = interpreter.memory();
        let collections = interpreter.read().ok().map(|state| young(&state));
        let now = monotonic_ns();
        let mut sampler = Self {
            process: Process::open(process.pid())?,
            interpreter,
            allocator,
            image,
            ring,
            lost,
            program,
            threads: FxHashMap::default(),
            python_threads: 0,
            scanned_ns: 0,
            names: FxHashMap::default(),
            named_ns: now,
            gathering: Gathering::default(),
            followers: usedpools.and(type_type).filter(|_| survival).map(|t| Followers::new(memory, t)),
            max_overhead: max_overhead.clamp(1e-5, 1.0),
            window_ns: 500_000.0,
            mean_hits: WANTED,
            cost_ns: COST_NS,
            middle_ns: 0.0,
            random: Random::new(now),
            began_ns: now,
            open_ns: 0,
            windows: 0,
            collections,
        };
        sampler.rescan(now)?;
        if sampler.threads.is_empty() {
            return Err(Error::Unsupported("none of its threads runs Python"));
        }
        Ok(sampler)
    }

    /// Opens one window, reads it, and waits as the budget asks, but no longer than until `until_ns`
    /// (CLOCK_MONOTONIC). False once the process is gone.
    ///
    /// # Errors
    /// What could not be read, but for a target that ended.
    pub fn step(&mut self, until_ns: u64) -> Result<bool> {
        let now = monotonic_ns();
        if !self.process.alive() {
            return Ok(false);
        }
        if now.saturating_sub(self.scanned_ns) >= RESCAN_NS && self.rescan(now).is_err() {
            return Ok(self.process.alive());
        }
        let hits = self.window();
        self.windows += 1;
        if let Some(followers) = &mut self.followers {
            followers.look(monotonic_ns(), &mut self.gathering.classes.survival);
        }
        self.mean_hits += (hits as f64 - self.mean_hits) / 8.0;
        let aim = (WANTED / self.mean_hits.max(0.5)).clamp(0.7, 1.5);
        let gap = self.mean_hits * self.cost_ns / self.max_overhead - self.window_ns;
        let gap = gap.clamp(SHORTEST_GAP_NS, LONGEST_GAP_NS) * (0.5 + self.fraction());
        self.window_ns = (self.window_ns * aim).clamp(SHORTEST_NS, LONGEST_NS);
        let left = until_ns.saturating_sub(monotonic_ns());
        sleep(Duration::from_nanos((gap as u64).min(left)));
        Ok(true)
    }

    /// Another source, where this one is blind: the build copied its allocator into its callers, and objects are made, since
    /// collections begin, none of which is seen. Why is told too.
    pub fn instead(&mut self) -> Option<(CollectionSampler, Error)> {
        let blind = self.allocator.exported && self.gathering.samples == 0;
        let long = self.windows >= PROVING && monotonic_ns().saturating_sub(self.began_ns) >= PROVING_NS;
        let collections = self.collections?;
        let collects = || self.interpreter.read().is_ok_and(|state| young(&state) > collections);
        if !(blind && long && collects()) {
            return None;
        }
        // Once is enough.
        self.collections = None;
        let why = Error::Unsupported(
            "this build of CPython copied its allocator into the functions that call it: none of its allocations is seen",
        );
        let sampler = CollectionSampler::attach(&self.process, self.max_overhead, &why).ok()?;
        Some((sampler, why))
    }

    /// What was seen.
    ///
    /// # Errors
    /// [`Error`] where the counter of lost samples cannot be read.
    pub fn finish(self) -> Result<AllocProfile> {
        self.finish_with_survivors().map(|(profile, _)| profile)
    }

    /// The same, with the objects that still live; of those whose block was handed out late in a window, when nobody could
    /// see any more whether it was handed out again, none is among them.
    ///
    /// # Errors
    /// [`Error`] where the counter of lost samples cannot be read.
    pub fn finish_with_survivors(mut self) -> Result<(AllocProfile, Vec<Survivor>)> {
        let mut survivors = Vec::new();
        if let Some(followers) = &mut self.followers {
            let alive = followers.end(&mut self.gathering.classes.survival);
            survivors = self.gathering.survivors(alive);
        }
        let seconds = (monotonic_ns() - self.began_ns) as f64 / 1e9;
        let g = self.gathering;
        let taken = g.samples as f64 * self.cost_ns;
        let free = self.open_ns as f64 - taken;
        let known = g.samples > 0
            && free > 0.0
            && (self.middle_ns == 0.0 || self.middle_ns > SATURATED * self.cost_ns);
        let mut profile = AllocProfile {
            seconds,
            open_s: self.open_ns as f64 / 1e9,
            windows: self.windows,
            samples: g.samples,
            bytes: Some(g.bytes),
            lost: sys::count(&self.lost)?,
            without_stack: g.without_stack,
            cut_stacks: g.cut_stacks,
            threads: [self.threads.len() as u64, self.python_threads],
            per_second: known.then(|| g.samples as f64 / free * 1e9),
            cost_s: self.cost_ns / 1e9,
            overhead: taken / 1e9 / seconds.max(1e-9),
            looks_s: LOOKS_S.to_vec(),
            partial: self.allocator.exported,
            follows: self.followers.is_some(),
            ..AllocProfile::default()
        };
        (profile.sites, profile.stacks) = g.finish();
        Ok((profile, survivors))
    }

    /// Watches for the length of a window; how many allocations it saw.
    fn window(&mut self) -> usize {
        let mut chosen: Vec<i32> = self.threads.keys().copied().collect();
        chosen.sort_unstable();
        while chosen.len() > AT_ONCE {
            let out = (self.fraction() * chosen.len() as f64) as usize;
            chosen.swap_remove(out.min(chosen.len() - 1));
        }
        let start = monotonic_ns();
        for tid in &chosen {
            let _gone = self.threads.get(tid).map(|t| t.event.switch(true));
        }
        sleep(Duration::from_nanos(self.window_ns as u64));
        for tid in &chosen {
            let _gone = self.threads.get(tid).map(|t| t.event.switch(false));
        }
        let end = monotonic_ns();
        self.open_ns += end - start;
        let settles = end - ((end - start) as f64 * SETTLED) as u64;
        let (mut seen, image) = (Vec::new(), self.image);
        self.ring.drain(|bytes| seen.extend(decode(bytes, &image)));
        // At once: what takes long to be read may be somebody else's by then.
        let found = self.followers.as_ref().map(|f| f.read(seen.iter().map(|a| a.block)));
        let prompt = monotonic_ns().saturating_sub(end) <= end - settles;
        self.calibrate(&seen);
        // First who died: a block that was handed out twice in this window belongs to the last one.
        for (at, allocation) in seen.iter().enumerate() {
            let again = |a: &Allocation| a.block.is_some() && a.block == allocation.block;
            let last = !seen.iter().skip(at + 1).any(again);
            let settled = prompt && allocation.time_ns <= settles && follows(&seen[at..]);
            let words = found.as_ref().and_then(|found| found.get(at).copied().flatten());
            self.take(allocation, last, settled, words);
        }
        self.gathering.window();
        seen.len()
    }

    /// Takes an allocation: whether its block was not handed out again in this window, and whether that says something; and
    /// what was found in its block.
    fn take(&mut self, allocation: &Allocation, last: bool, early: bool, words: Option<Words>) {
        let now = allocation.time_ns;
        if now.saturating_sub(self.named_ns) > BELIEVED_NS {
            self.names.clear();
            self.named_ns = now;
        }
        let interpreter = &self.interpreter;
        let mut name = |at: &(u64, u64)| {
            self.names.entry(*at).or_insert_with(|| interpreter.frame_of(at.0, at.1)).clone()
        };
        let frames = allocation.frames.iter().map_while(&mut name);
        let frames: Vec<PyFrame> = frames.filter(PyFrame::is_of_a_program).collect();
        self.gathering.without_stack += u64::from(frames.is_empty());
        self.gathering.cut_stacks += u64::from(allocation.cut);
        let (line, stack) = self.gathering.add(frames, allocation.size);
        let (Some(followers), Some(block)) = (&mut self.followers, allocation.block) else { return };
        followers.handed_out(block);
        let classes = &mut self.gathering.classes;
        let class = classes.of(line, allocation.size);
        if early {
            classes.is_settled(class);
        }
        let birth = Birth { block, size: allocation.size, time_ns: now, stack, settled: last && early };
        if !last {
            if followers.gone(birth, known(class)) {
                classes.is_gone(class);
            }
        } else if let Some(kind) = words.and_then(|words| followers.follow(birth, known(class), &words)) {
            classes.is_object(class, kind);
        } else if followers.gone(birth, unknown(class)) {
            classes.is_unknown(class);
        }
    }

    /// The cost of a sample: the shortest distances between two of the same thread are little else.
    fn calibrate(&mut self, seen: &[Allocation]) {
        let mut gaps: Vec<u64> = seen
            .windows(2)
            .filter(|pair| pair[0].thread == pair[1].thread)
            .map(|pair| pair[1].time_ns.saturating_sub(pair[0].time_ns))
            .collect();
        if gaps.len() >= 10 {
            gaps.sort_unstable();
            let low = gaps[gaps.len() / 10] as f64;
            let middle = gaps[gaps.len() / 2] as f64;
            self.middle_ns = if self.middle_ns == 0.0 { middle } else { self.middle_ns * 0.9 + middle * 0.1 };
            self.cost_ns += (low.clamp(1_000.0, 50_000.0) - self.cost_ns) / 16.0;
        }
    }

    /// Takes up threads that are new, and forgets those that are gone.
    fn rescan(&mut self, now: u64) -> Result<()> {
        self.scanned_ns = now;
        let pid = self.process.pid();
        let mut states = FxHashMap::default();
        for interpreter in self.interpreter.all()? {
            states.extend(interpreter.thread_states()?);
        }
        self.python_threads = states.len() as u64;
        let mut there = FxHashMap::default();
        for tid in self.process.threads()? {
            if let Some(state) = states.get(&inner_tid(pid, tid).unwrap_or(tid)) {
                there.insert(tid, *state);
            }
        }
        self.threads.retain(|tid, thread| there.get(tid) == Some(&thread.state));
        for (tid, state) in there {
            if self.threads.contains_key(&tid) {
                continue;
            }
            match self.watch(tid, state) {
                Ok(thread) => drop(self.threads.insert(tid, thread)),
                // It ended meanwhile, or others hold its debug registers: told as coverage, unless nothing is left.
                Err(Error::Refused { source, .. })
                    if source.raw_os_error() == Some(libc::ESRCH) || !self.threads.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn watch(&self, tid: i32, state: u64) -> Result<Thread> {
        let refused = |OpenError(number)| match number {
            libc::ENOSPC => Error::Unsupported(
                "all of its debug registers are in use (a debugger, or m5 gc in another window): end that first",
            ),
            _ => Error::Refused { what: "a breakpoint", source: io::Error::from_raw_os_error(number) },
        };
        let attr = Attr::execution_watch(self.allocator.address).disabled();
        let event = Event::open(&attr, Target { tid, cpu: -1 }, None).map_err(refused)?;
        let link = sys::attach(&self.program, event.fd(), state)?;
        Ok(Thread { state, event, _link: link })
    }

    /// A random number from 0 to 1.
    fn fraction(&mut self) -> f64 {
        self.random.unit()
    }
}

/// Whether enough allocations of the first one's thread follow it.
fn follows(seen: &[Allocation]) -> bool {
    let Some((first, rest)) = seen.split_first() else { return false };
    rest.iter().filter(|a| a.thread == first.thread).nth(FOLLOWING - 1).is_some()
}
