//! Opens the windows, reads what they saw, and keeps to the budget.

mod window;

use super::allocator::Allocator;
use super::collections::{CollectionSampler, young};
use super::contents::Places;
use super::cost::{Cost, Gaps};
use super::follow::{Followers, LOOKS_S};
use super::gathering::Gathering;
use super::own_time::OwnTime;
use super::pace::{Pace, Shape};
use super::profile::{AllocProfile, Survivors};
use super::program::{Maps, Place};
use super::rates::WIDEST;
use super::returns::{Returns, Watched};
use super::supply::Supply;
use super::threads::Threads;
use super::{allocator, later, program};
use crate::arch;
use crate::bpf::{Ring, sys};
use crate::frames::FrameImage;
use crate::{Error, Result};
use m5_cpython::{Interpreter, PyFrame};
use m5_process::{Process, cpu_ns, monotonic_ns};
use m5_stats::Random;
use rustc_hash::FxHashMap;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

const RING: usize = 4 << 20;
/// How often threads are looked for.
const RESCAN_NS: u64 = 100_000_000;

/// How much later than asked for m5 may be woken.
const SLACK_NS: u64 = 1_000;

/// A build is called blind after so many windows, and so long, without a sample.
const PROVING: u64 = 10;
const PROVING_NS: u64 = 1_000_000_000;

/// Samples a process's allocations.
pub struct AllocSampler {
    process: Process,
    interpreter: Interpreter,
    allocator: Allocator,
    image: FrameImage,
    ring: Ring,
    lost: OwnedFd,
    /// What runs at the allocator, and where its calls return to.
    programs: [OwnedFd; 2],
    returns: Returns,
    threads: Threads,
    scanned_ns: u64,
    names: FxHashMap<(u64, u64), Option<PyFrame>>,
    named_ns: u64,
    gathering: Gathering,
    followers: Option<Followers>,
    /// Where the kernel keeps the blocks that it reads a few allocations later, if it does.
    later: Option<OwnedFd>,
    /// What it reads then is all that is known of them, as those blocks are free for long and keep what was in them.
    heaps: bool,
    max_overhead: f64,
    /// Of either program.
    paces: [Pace; 2],
    cost: Cost,
    /// What it was as m5 measured it on itself, and what the target says of it.
    measured: Cost,
    gaps: Gaps,
    own_time: OwnTime,
    /// What samples of the allocator took of the target.
    samples_ns: f64,
    /// When the last window opened.
    opened_ns: u64,
    /// Windows that the kernel ended.
    windows_cut: u64,
    /// Allocations that found no room, so far.
    known_lost: u64,
    random: Random,
    began_ns: u64,
    open_ns: u64,
    windows: u64,
    /// When the next one opens.
    next_ns: u64,
    /// Young collections when it began; `None` once nothing follows from them any more.
    collections: Option<u64>,
}

impl std::fmt::Debug for AllocSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AllocSampler").field("allocator", &self.allocator).finish_non_exhaustive()
    }
}

impl AllocSampler {
    /// Prepares to sample within `max_overhead`, a share of the time that the target runs, which counts as `least_run` of all
    /// time at least. Nothing is watched yet. `survival` follows sampled objects too, which is on trial: where many are
    /// sampled it tells too many of them dead.
    ///
    /// # Errors
    /// [`Error::Unsupported`], what the kernel refused, or what could not be read.
    pub fn attach(process: &Process, max_overhead: f64, least_run: f64, survival: bool) -> Result<Self> {
        if !arch::programs_may_break() {
            return Err(Error::Unsupported(
                "on this processor a kernel before 6.6 would hold the target at a breakpoint for ever",
            ));
        }
        let interpreter = Interpreter::attach(process)?;
        let maps = process.maps()?;
        let image = interpreter
            .objects()
            .and_then(FrameImage::of)
            .ok_or(Error::Unsupported("the frames of this CPython are not known"))?;
        let allocator = allocator::find(&interpreter, &maps)
            .ok_or(Error::Unsupported("its object allocator is not found"))?;
        let supply = Supply::of(&interpreter, &interpreter.memory(), &maps);
        let type_type = allocator::exported(&interpreter, &maps, "PyType_Type");
        let (ring, lost) = (Ring::new(RING)?, sys::counter()?);
        let heaps = matches!(supply, Supply::Heaps(_));
        let later = (heaps || survival).then(|| sys::on_each_processor(later::BYTES)).transpose()?;
        let maps = Maps {
            ring: ring.fd(),
            lost: lost.as_raw_fd(),
            later: later.as_ref().map(|map| map.as_raw_fd()),
        };
        let [first, second] = arch::ARGUMENTS;
        let size = if allocator.exported { first } else { second };
        let load = |place| {
            let code = program::program(&maps, place, &image)
                .ok_or(Error::Unsupported("the program does not fit"))?;
            sys::load(sys::Kind::PerfEvent, &code)
        };
        let entry = Place::Entry { size, supply };
        let programs = [load(entry)?, load(Place::Return)?];
        let memory = interpreter.memory();
        let objects =
            interpreter.objects().ok_or(Error::Unsupported("the objects of this CPython are not known"))?;
        let (shift, tuple_items) = (objects.shift(), objects.tuple_items.into());
        let places = Places {
            shift,
            tuple_items,
            keys: objects.keys,
            str_kind: objects.str_kind,
            str_ascii: objects.str_ascii.into(),
        };
        let collections = interpreter.read().ok().map(|state| young(&state));
        let cost = Cost::measured(&programs[0], &ring, &image);
        let (now, ran) = (monotonic_ns(), cpu_ns(process.pid()).unwrap_or(0));
        let shape = if survival { Shape::FOLLOWED } else { Shape::COUNTED };
        let pace = || Pace::new(shape, max_overhead, least_run, cost.of_others(1), now, ran);
        let mut sampler = Self {
            process: Process::open(process.pid())?,
            interpreter,
            allocator,
            image,
            ring,
            lost,
            programs,
            returns: Returns::above(supply.largest()),
            threads: Threads::default(),
            scanned_ns: 0,
            names: FxHashMap::default(),
            named_ns: now,
            gathering: Gathering::default(),
            followers: type_type
                .filter(|_| survival)
                .map(|t| Followers::new(memory, t, places, supply.largest())),
            later,
            heaps,
            max_overhead: max_overhead.clamp(1e-5, 1.0),
            paces: [pace(), pace()],
            cost,
            measured: cost,
            gaps: Gaps::default(),
            own_time: OwnTime::default(),
            samples_ns: 0.0,
            opened_ns: now,
            known_lost: 0,
            windows_cut: 0,
            random: Random::new(now),
            began_ns: now,
            open_ns: 0,
            windows: 0,
            next_ns: 0,
            collections,
        };
        sampler.next_ns = now + sampler.paces[0].gap_ns(sampler.random.unit());
        sampler.rescan(now)?;
        if sampler.threads.counts()[0] == 0 {
            return Err(Error::Unsupported("none of its threads runs Python"));
        }
        Ok(sampler)
    }

    /// Opens one window and reads it, if the budget bears one by now, and waits for the next, but no longer than until `until_ns`
    /// (CLOCK_MONOTONIC). False once the process is gone.
    ///
    /// # Errors
    /// What could not be read, but for a target that ended.
    pub fn step(&mut self, until_ns: u64) -> Result<bool> {
        let now = monotonic_ns();
        if !self.process.alive() {
            return Ok(false);
        }
        if self.windows == 0 {
            // Windows are short: to be woken later by the usual slack would make them twice as long.
            let _only_longer = rustix::thread::set_current_timer_slack(NonZeroU64::new(SLACK_NS));
        }
        if now.saturating_sub(self.scanned_ns) >= RESCAN_NS && self.rescan(now).is_err() {
            return Ok(self.process.alive());
        }
        if self.followers.is_some() && self.turn(now).is_err() {
            return Ok(self.process.alive());
        }
        if now >= self.next_ns {
            self.window();
            self.windows += 1;
            let (unit, now) = (self.random.unit(), monotonic_ns());
            self.told_time(now);
            self.next_ns = now + self.pace().gap_ns(unit);
        }
        let now = monotonic_ns();
        if let Some(followers) = &mut self.followers {
            followers.look(now, &mut self.gathering.classes.survival);
        }
        let young = self.followers.as_ref().and_then(Followers::next_ns).unwrap_or(u64::MAX);
        sleep(Duration::from_nanos(self.next_ns.min(until_ns).min(young).saturating_sub(now)));
        Ok(true)
    }

    /// Watches where calls return to for a while, and the allocator again, where there are blocks that are known only then.
    fn turn(&mut self, now: u64) -> Result<()> {
        if !self.returns.due(now) {
            return Ok(());
        }
        // The time until now is that of what was watched.
        self.told_time(now);
        let Some(next) = self.returns.next(now, self.random.unit()) else { return Ok(()) };
        let ran = cpu_ns(self.process.pid()).unwrap_or(0);
        self.threads = Threads::default();
        if self.rescan(now).is_err() && next != Watched::Entries {
            // Others hold the registers, or nobody can execute it.
            self.returns.refuse();
            self.rescan(now)?;
        }
        self.opened_ns = now;
        let unit = self.random.unit();
        // To be watched elsewhere each thread is interrupted, as it is for a window.
        let moved = Cost::of_windows(self.threads.counts()[0] as usize);
        let pace = self.pace();
        pace.resume(now, ran);
        pace.spend(pace.if_it_runs(moved));
        self.next_ns = now + pace.gap_ns(unit);
        Ok(())
    }

    fn pace(&mut self) -> &mut Pace {
        &mut self.paces[usize::from(self.returns.watched() != Watched::Entries)]
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

    /// The same, with the objects that still live, and how many of each type became another line's past the allocator; of those
    /// whose block was handed out late in a window, when nobody could see any more whether it was handed out again, none is among them.
    ///
    /// # Errors
    /// [`Error`] where the counter of lost samples cannot be read.
    pub fn finish_with_survivors(mut self) -> Result<(AllocProfile, Survivors)> {
        let mut survivors = Survivors::default();
        if let Some(followers) = &mut self.followers {
            let alive = followers.end(&mut self.gathering.classes.survival);
            survivors =
                Survivors { alive: self.gathering.survivors(alive), handed_on: followers.handed_on() };
        }
        let now = monotonic_ns();
        let seconds = (now - self.began_ns) as f64 / 1e9;
        self.told_time(now);
        let busy = self.paces[0].is_busy();
        let [a, b] = self.paces.map(|pace| pace.spent_and_ran());
        let [watching_s, cpu_s, counted_s] = [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let mut g = self.gathering;
        g.busy = busy.then(|| (cpu_s / seconds.max(1e-9)).clamp(0.0, 1.0));
        let rate = Some(g.rate()).filter(|_| g.samples > 0);
        let told = rate.filter(|r| r.interval[0] > 0.0 && r.interval[1] <= WIDEST * r.interval[0]);
        let mut profile = AllocProfile {
            seconds,
            open_s: self.open_ns as f64 / 1e9,
            windows: self.windows,
            windows_cut: self.windows_cut,
            samples: g.samples,
            bytes: Some(g.bytes),
            lost: sys::count(&self.lost)?,
            without_stack: g.without_stack,
            cut_stacks: g.cut_stacks,
            threads: self.threads.counts(),
            per_second: told.map(|r| r.value),
            per_second_interval: rate.map(|r| r.interval),
            per_second_at_least: rate.filter(|_| told.is_none()).map(|r| r.interval[0]),
            cost_s: self.samples_ns / g.samples.max(1) as f64 / 1e9,
            overhead: watching_s / counted_s.max(1e-9),
            watching_s,
            cpu_s: (cpu_s > 0.0).then_some(cpu_s),
            looks_s: LOOKS_S.to_vec(),
            partial: self.allocator.exported,
            objects_only: self.interpreter.layout().free_threaded,
            follows: self.followers.is_some(),
            large: [self.returns.large, self.returns.followed],
            ..AllocProfile::default()
        };
        (profile.sites, profile.stacks) = g.finish(told.is_some());
        Ok((profile, survivors))
    }

    /// How long the process has run by now; nothing is told of one that is gone.
    fn told_time(&mut self, now: u64) {
        if let Some(ran) = cpu_ns(self.process.pid()) {
            self.pace().ran(now, ran);
        }
    }

    /// Takes up threads that are new, and forgets those that are gone.
    fn rescan(&mut self, now: u64) -> Result<()> {
        self.scanned_ns = now;
        self.told_time(now);
        let [entry, returned] = &self.programs;
        let (program, address) = match self.returns.watched() {
            Watched::Entries => (entry, self.allocator.address),
            Watched::Returns(place) => (returned, place),
        };
        self.threads.rescan(&self.process, &self.interpreter, program, address)?;
        let switched = self.threads.switched(&self.process);
        let cost = self.cost.of_switches(0, switched);
        self.pace().spend(cost);
        Ok(())
    }
}
