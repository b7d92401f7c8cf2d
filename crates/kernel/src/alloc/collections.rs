//! The second source, for where the kernel's programs are not allowed: stacks at the starts of young collections.
//!
//! A young collection begins when as many tracked objects were made since the last one, less those that died, as its
//! threshold says. The thread stands in the collector meanwhile, so that its stack can be read without stopping it. The
//! collector's flag is watched by a debug register in random windows, or where that is not allowed read again and again;
//! nothing is stopped or written.

use super::gathering::Gathering;
use super::profile::{AllocProfile, AllocSource, CollectionsSeen};
use super::spending::Spending;
use crate::{Error, Result};
use m5_cpython::{GcState, Gil, Interpreter, PyFrame};
use m5_process::perf::Alarm;
use m5_process::{Memory, Process, cpu_ns, monotonic_ns};
use m5_stats::Random;
use rustc_hash::FxHashMap;
use std::thread::sleep;
use std::time::Duration;

/// Length of a window, nanoseconds.
const WINDOW_NS: u64 = 10_000_000;
/// Whoever has not looked for so long, since others had the processor, may have missed a collection's start, nanoseconds.
const AWAY_NS: u64 = 500_000;
/// Threads above which none has an alarm: each costs two descriptors and a call of the kernel in each window.
const MOST_THREADS: usize = 64;
/// Frames that are kept.
const DEEPEST: usize = 128;
/// How often interpreters are listed again, and how long names of code are believed.
const RESCAN_NS: u64 = 1_000_000_000;

/// Looks at the flag between two readings of the counters.
const REFRESH: u32 = 8;

/// Code and instruction of each frame, innermost first.
type Raw = Vec<(u64, u64)>;

/// One interpreter.
struct Lane {
    interpreter: Interpreter,
    /// As after the last collection that was seen to end.
    known: GcState,
    /// The collection that runs was looked at, or had begun before the window.
    looked: bool,
    /// Go off where a thread says that it collects, or is done; none where that may not be watched, or registers are taken.
    alarms: FxHashMap<i32, Alarm>,
    /// Its stack, and whether outer frames are missing.
    caught: Option<(Raw, bool)>,
    first: u64,
    at_window: u64,
    polls: u32,
}

/// Samples new tracked objects of a process by the stacks of its young collections.
pub struct CollectionSampler {
    process: Process,
    lanes: Vec<Lane>,
    gathering: Gathering,
    names: FxHashMap<(u64, u64), Option<PyFrame>>,
    scanned_ns: u64,
    random: Random,
    spending: Spending,
    began_ns: u64,
    opened_ns: u64,
    open_ns: u64,
    windows: u64,
    seen: CollectionsSeen,
}

impl std::fmt::Debug for CollectionSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionSampler").field("windows", &self.windows).finish_non_exhaustive()
    }
}

/// Collections that are not full ones: those are asked for by name, or too rare to count.
pub(super) fn young(state: &GcState) -> u64 {
    state.generations[0].collections + state.generations[1].collections
}

fn counters(state: &GcState) -> [u64; 3] {
    state.generations.map(|g| g.collections)
}

impl Lane {
    fn new(interpreter: Interpreter) -> Result<Self> {
        let known = interpreter.read()?;
        let first = young(&known);
        Ok(Self {
            interpreter,
            known,
            looked: known.collecting,
            alarms: FxHashMap::default(),
            caught: None,
            first,
            at_window: first,
            polls: 0,
        })
    }

    /// From now on it is looked at without a gap. A collection that has begun before is not: long ones would be met too often.
    fn begin(&mut self) -> Result<()> {
        self.known = self.interpreter.read()?;
        (self.looked, self.caught, self.polls) = (self.known.collecting, None, 0);
        Ok(())
    }

    /// Reads the stack of the collection that runs, unless it ends meanwhile.
    fn catch(&self) -> Option<(Raw, bool)> {
        let Ok(Gil::Held(thread)) = self.interpreter.gil() else { return None };
        let same = || {
            let state = self.interpreter.read().ok().filter(|s| s.collecting);
            state.is_some_and(|s| counters(&s) == counters(&self.known))
        };
        let innermost = self.interpreter.raw_stack(thread, 1);
        if innermost.is_empty() || !same() {
            return None;
        }
        let mut whole = self.interpreter.raw_stack(thread, DEEPEST);
        if !same() {
            return Some((innermost, true));
        }
        // A callback or finalizer that the collector calls lies upon the frame that it interrupted.
        if let Some(at) = whole.iter().position(|frame| *frame == innermost[0]) {
            whole.drain(..at);
        }
        let cut = whole.len() == DEEPEST;
        Some((whole, cut))
    }
}

impl CollectionSampler {
    /// Prepares to sample within `max_overhead` (a share of the target's time); `instead` is why the kernel's programs
    /// cannot be used.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where its collector is off or its frames are not known, or what could not be read.
    pub fn attach(process: &Process, max_overhead: f64, instead: &Error) -> Result<Self> {
        let main = Interpreter::attach(process)?;
        if main.layout().free_threaded {
            return Err(Error::Unsupported(
                "a CPython without the GIL collects everything at once, and not at each so many new objects: its collections say \
                 nothing of who makes them",
            ));
        }
        if main.objects().is_none() || matches!(main.gil()?, Gil::Unknown) {
            return Err(Error::Unsupported("the frames of this CPython are not known"));
        }
        let lanes = main.all()?.into_iter().map(Lane::new).collect::<Result<Vec<Lane>>>()?;
        let on = |l: &Lane| l.known.enabled && l.known.generations[0].threshold > 0;
        if !lanes.iter().any(on) {
            return Err(Error::Unsupported("its garbage collector is off"));
        }
        let threshold = lanes.iter().map(|l| l.known.generations[0].threshold).max().unwrap_or(0);
        let now = monotonic_ns();
        let spending = Spending::new(max_overhead, now, cpu_ns(process.pid()).unwrap_or(0));
        let mut sampler = Self {
            process: Process::open(process.pid())?,
            lanes,
            gathering: Gathering::default(),
            names: FxHashMap::default(),
            scanned_ns: now,
            random: Random::new(now),
            spending,
            began_ns: now,
            opened_ns: now,
            open_ns: 0,
            windows: 0,
            seen: CollectionsSeen {
                threshold: u64::from(threshold.max(0).cast_unsigned()),
                instead_of_kernel: instead.to_string(),
                rights_would_help: instead.is_permission(),
                ..CollectionsSeen::default()
            },
        };
        sampler.set_alarms()?;
        Ok(sampler)
    }

    /// Opens one window, and waits as the budget asks, but no longer than until `until_ns` (CLOCK_MONOTONIC). False once
    /// the process is gone.
    ///
    /// # Errors
    /// What could not be read, but for a target that ended.
    pub fn step(&mut self, until_ns: u64) -> Result<bool> {
        match self.window() {
            Ok(()) => {}
            Err(_) if !self.process.alive() => return Ok(false),
            Err(error) => return Err(error),
        }
        let now = monotonic_ns();
        self.spending.ran(now, cpu_ns(self.process.pid()));
        let gap = self.spending.gap_ns(self.random.unit());
        sleep(Duration::from_nanos(gap.min(until_ns.saturating_sub(now))));
        Ok(self.process.alive())
    }

    /// What was seen.
    #[must_use]
    pub fn finish(mut self) -> AllocProfile {
        let seconds = ((monotonic_ns() - self.began_ns) as f64 / 1e9).max(1e-9);
        for lane in &self.lanes {
            let last = lane.interpreter.read().map_or(young(&lane.known), |s| young(&s));
            self.seen.happened += last.saturating_sub(lane.first);
        }
        self.seen.net_objects_per_second = (self.seen.happened * self.seen.threshold) as f64 / seconds;
        let told = |(field, why): (&str, &str)| (field.to_owned(), why.to_owned());
        self.seen.absent = ABSENT.into_iter().map(told).collect();
        let open_s = self.open_ns as f64 / 1e9;
        let g = self.gathering;
        let happened = self.seen.happened;
        self.seen.coverage = (happened > 0).then(|| (g.samples as f64 / happened as f64).min(1.0));
        let mut profile = AllocProfile {
            seconds,
            open_s,
            windows: self.windows,
            samples: g.samples,
            without_stack: g.without_stack,
            cut_stacks: g.cut_stacks,
            lost: self.seen.in_windows.saturating_sub(g.samples),
            overhead: self.spending.share(),
            source: AllocSource::Collections,
            collections: Some(self.seen),
            ..AllocProfile::default()
        };
        (profile.sites, profile.stacks) = g.finish(false);
        for site in &mut profile.sites {
            (site.bytes, site.bytes_share, site.unfollowed) = (None, None, None);
            (site.survival, site.survival_at_most) = (None, None);
        }
        profile.sites.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.frame.cmp(&b.frame)));
        profile.stacks.iter_mut().for_each(|s| s.net_objects = s.bytes.take());
        profile
    }

    /// Watches for the length of a window.
    fn window(&mut self) -> Result<()> {
        let start = monotonic_ns();
        if start.saturating_sub(self.scanned_ns) >= RESCAN_NS {
            self.rescan(start)?;
        }
        for lane in &mut self.lanes {
            lane.begin()?;
            lane.at_window = young(&lane.known) + u64::from(lane.looked);
        }
        let before = self.seen.in_windows;
        self.alarms(true);
        let mut now = start;
        while now - start < WINDOW_NS {
            let before = std::mem::replace(&mut now, monotonic_ns());
            if now - before > AWAY_NS && !self.woken() {
                self.lanes.iter_mut().try_for_each(Lane::begin)?;
            }
            self.wait(start + WINDOW_NS - now.min(start + WINDOW_NS));
            for at in 0..self.lanes.len() {
                self.look(at)?;
            }
        }
        self.alarms(false);
        for at in 0..self.lanes.len() {
            // One that runs on is followed to its end, unless that is long in coming.
            let end = now + 10 * WINDOW_NS;
            while self.lanes[at].caught.is_some() && monotonic_ns() < end {
                self.look(at)?;
            }
            let lane = &mut self.lanes[at];
            lane.caught = None;
            lane.known = lane.interpreter.read()?;
            self.seen.in_windows += young(&lane.known).saturating_sub(lane.at_window);
        }
        let open_ns = monotonic_ns() - start;
        self.open_ns += open_ns;
        self.windows += 1;
        self.spending.window(open_ns as f64, self.woken(), self.seen.in_windows - before);
        // It stands for the time since the one before: after a dear one the next comes late.
        let stands_ns = start.saturating_sub(std::mem::replace(&mut self.opened_ns, start)) as f64;
        self.gathering.equal_window(stands_ns);
        Ok(())
    }

    /// Whether every interpreter has alarms, so that nothing need be looked at between them.
    fn woken(&self) -> bool {
        self.lanes.iter().all(|l| !l.alarms.is_empty())
    }

    fn alarms(&self, on: bool) {
        let all = self.lanes.iter().flat_map(|l| l.alarms.values());
        all.for_each(|alarm| {
            let _gone = alarm.switch(on);
        });
    }

    /// Waits for an alarm, where they are set.
    fn wait(&self, most_ns: u64) {
        if self.woken() {
            let all: Vec<&Alarm> = self.lanes.iter().flat_map(|l| l.alarms.values()).collect();
            Alarm::wait(&all, Duration::from_nanos(most_ns));
        }
    }

    /// Sets alarms in threads that are new, and forgets those that are gone.
    fn set_alarms(&mut self) -> Result<()> {
        let threads = self.process.threads()?;
        for lane in &mut self.lanes {
            lane.alarms.retain(|tid, _| threads.contains(tid));
            let place = lane.interpreter.collecting_address();
            for tid in threads.iter().filter(|_| threads.len() <= MOST_THREADS) {
                if let (false, Ok(alarm)) = (lane.alarms.contains_key(tid), Alarm::new(*tid, place, 4)) {
                    lane.alarms.insert(*tid, alarm);
                }
            }
        }
        Ok(())
    }

    /// Looks whether an interpreter collects.
    fn look(&mut self, at: usize) -> Result<()> {
        let lane = &mut self.lanes[at];
        let runs = lane.interpreter.memory().i32(lane.interpreter.collecting_address())? != 0;
        if runs && !lane.looked {
            (lane.caught, lane.looked) = (lane.catch(), true);
        } else if !runs && lane.looked {
            self.ended(at)?;
        } else if !runs {
            // One that came and went unseen must not be taken for the next one.
            lane.polls += 1;
            if lane.polls.is_multiple_of(REFRESH) || !lane.alarms.is_empty() {
                let state = lane.interpreter.read()?;
                lane.known = if state.collecting { lane.known } else { state };
            }
        }
        Ok(())
    }

    /// A collection has ended: its stack counts, unless it was a full one.
    fn ended(&mut self, at: usize) -> Result<()> {
        let lane = &mut self.lanes[at];
        let before = std::mem::replace(&mut lane.known, lane.interpreter.read()?);
        lane.looked = false;
        let rose = young(&lane.known).saturating_sub(young(&before));
        let threshold = u64::from(lane.known.generations[0].threshold.max(0).cast_unsigned());
        self.seen.threshold = threshold;
        let full = lane.known.generations[2].collections != before.generations[2].collections;
        let Some((raw, cut)) = lane.caught.take().filter(|_| rose == 1 && !full) else { return Ok(()) };
        let (interpreter, names) = (&lane.interpreter, &mut self.names);
        let mut name =
            |at: &(u64, u64)| names.entry(*at).or_insert_with(|| interpreter.frame_of(at.0, at.1)).clone();
        let frames = raw.iter().map_while(&mut name);
        let frames: Vec<PyFrame> = frames.filter(PyFrame::is_of_a_program).collect();
        self.gathering.without_stack += u64::from(frames.is_empty());
        self.gathering.cut_stacks += u64::from(cut);
        self.gathering.add(frames, threshold);
        Ok(())
    }

    /// Interpreters that came and went.
    fn rescan(&mut self, now: u64) -> Result<()> {
        self.scanned_ns = now;
        self.names.clear();
        let Some(main) = self.lanes.first().map(|l| l.interpreter.clone()) else { return Ok(()) };
        let listed = main.all()?;
        let same = |a: &Interpreter, b: &Interpreter| (a.address(), a.id()) == (b.address(), b.id());
        let happened = &mut self.seen.happened;
        self.lanes.retain(|lane| {
            let keep = listed.iter().any(|i| same(i, &lane.interpreter));
            *happened += if keep { 0 } else { young(&lane.known).saturating_sub(lane.first) };
            keep
        });
        for new in listed {
            if !self.lanes.iter().any(|l| same(&l.interpreter, &new)) {
                self.lanes.extend(Lane::new(new));
            }
        }
        self.set_alarms()
    }
}

/// Why these are absent.
const ABSENT: [(&str, &str); 3] = [
    ("bytes", "a collection counts objects, not bytes"),
    ("survival", "a collection's start names no object that could be followed"),
    ("per_second", "objects that are untracked, or die before the next collection, are not counted"),
];
