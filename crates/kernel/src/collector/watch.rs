//! Watches the collectors of a process, and tells what the programs saw.

use super::program::{
    self, COUNTER_BYTES, COUNTERS, DEPTH, DONE, FLAG, FRAMES, FRAMES_KEPT, Site, TASK, THREAD, TIME,
};
use crate::arch;
use crate::bpf::{self, Ring, sys};
use crate::duty::{Duty, Gate, Spent};
use crate::frames::FrameImage;
use crate::{Error, Result};
use m5_cpython::layout::Stats;
use m5_cpython::{Interpreter, PyFrame, living_threads};
use m5_process::perf::{Attr, Event, OpenError, Target};
use m5_process::{Process, cpu_ns, monotonic_ns};
use rustc_hash::FxHashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const RING: usize = 4 << 20;
/// Ended collections that are kept until they are asked for.
const MOST_ENDED: usize = 10_000;
/// What a trap takes beside the program, nanoseconds: collections are far apart, so that what it needs is fetched anew each time.
const TRAP_NS: f64 = 20_000.0;
/// How often threads are looked for, interpreters listed, and how long names of code are believed.
const RESCAN_NS: u64 = 100_000_000;
const RELIST_NS: u64 = 1_000_000_000;

/// A collection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorEvent {
    /// The interpreter that collects, by its number.
    pub interpreter: i64,
    /// Its thread, as the kernel numbers it.
    pub tid: i32,
    /// CLOCK_MONOTONIC at the write to the collector's flag, nanoseconds.
    pub start_ns: u64,
    /// The thread's stack then, innermost first; empty where none of it could be read.
    pub stack: Vec<PyFrame>,
    /// The stack is deeper than what was kept.
    pub cut: bool,
}

/// A collection that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCollection {
    /// How it began.
    pub began: CollectorEvent,
    /// From the end of the program at its start to the write to the flag at its end, nanoseconds: what one trap takes is a part
    /// of it.
    pub duration_ns: u64,
    /// Its generation, where the collector's counters tell: none rises for an increment that gave up.
    pub generation: Option<u8>,
    /// Objects freed.
    pub collected: Option<u64>,
}

/// A thread that is watched for one interpreter.
struct Seat {
    state: u64,
    event: Event,
    /// Holds the program to the event.
    _link: OwnedFd,
}

/// One interpreter.
struct Lane {
    interpreter: Interpreter,
    program: OwnedFd,
    seats: FxHashMap<i32, Seat>,
}

/// Watches a process's collectors all the time: within a budget ends would be missed, of full collections too. For their
/// beginnings alone there is [`super::CollectionStarts`].
pub struct CollectionWatch {
    process: Process,
    main: Interpreter,
    image: FrameImage,
    ring: Ring,
    lost: OwnedFd,
    lanes: Vec<Lane>,
    names: FxHashMap<(u64, u64), Option<PyFrame>>,
    scanned_ns: u64,
    listed_ns: u64,
    /// What may be spent; `None` where it watches all the time.
    duty: Option<Duty>,
    watching_ns: f64,
    /// By interpreter: the collection that runs, as it was written down, and as it is told.
    running: FxHashMap<i64, (Counted, CollectorEvent)>,
    ended: Vec<EndedCollection>,
    /// Since when no collection counts any more that begins.
    closing_ns: Option<u64>,
}

impl std::fmt::Debug for CollectionWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionWatch").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl CollectionWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`Error::Unsupported`], what the kernel refused, or what could not be read.
    pub fn attach(process: &Process) -> Result<Self> {
        Self::within(process, None)
    }

    /// The same, within a share of the process's time where there is one.
    pub(super) fn within(process: &Process, max_overhead: Option<f64>) -> Result<Self> {
        if !arch::WATCHES_END {
            return Err(Error::Unsupported(
                "on this processor a watch of memory may keep the target from getting on",
            ));
        }
        let main = Interpreter::attach(process)?;
        let image = main.objects().and_then(FrameImage::of);
        let image = image.ok_or(Error::Unsupported("the frames of this CPython are not known"))?;
        let now = monotonic_ns();
        let spent = Spent { watching_ns: 0.0, ran_ns: cpu_ns(process.pid()).unwrap_or(0) };
        let mut watch = Self {
            process: Process::open(process.pid())?,
            main,
            image,
            ring: Ring::new(RING)?,
            lost: sys::counter()?,
            lanes: Vec::new(),
            names: FxHashMap::default(),
            scanned_ns: now,
            listed_ns: now,
            duty: max_overhead.map(|share| Duty::new(share, now, spent, now)),
            watching_ns: 0.0,
            running: FxHashMap::default(),
            ended: Vec::new(),
            closing_ns: None,
        };
        watch.list()?;
        watch.seat()?;
        if watch.lanes.iter().all(|lane| lane.seats.is_empty()) {
            return Err(Error::Unsupported("none of its threads runs Python"));
        }
        Ok(watch)
    }

    /// The collections that began since the last call. To be called often: it keeps to a budget too.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn drain(&mut self) -> Result<Vec<CollectorEvent>> {
        let now = monotonic_ns();
        let mut raw = Vec::new();
        let image = self.image;
        self.ring.drain(|bytes| raw.extend(decode(bytes, &image)));
        self.watching_ns += raw.iter().map(|r: &Raw| TRAP_NS + r.took_ns as f64).sum::<f64>();
        let began = raw.into_iter().filter_map(|r| self.event(r)).collect();
        self.keep_to_the_budget(now);
        if now.saturating_sub(self.listed_ns) >= RELIST_NS {
            self.listed_ns = now;
            self.names.clear();
            // A target that is gone is noticed by whoever reads its pauses.
            let _gone = self.list();
        }
        if now.saturating_sub(self.scanned_ns) >= RESCAN_NS {
            self.scanned_ns = now;
            let _gone = self.seat();
        }
        Ok(began)
    }

    /// Opens and closes the watch as the budget says, where there is one.
    fn keep_to_the_budget(&mut self, now: u64) {
        let Some(duty) = &mut self.duty else { return };
        let spent = Spent { watching_ns: self.watching_ns, ran_ns: cpu_ns(self.process.pid()).unwrap_or(0) };
        let before = duty.gate();
        let gate = duty.step(now, spent, !self.running.is_empty());
        self.closing_ns = (gate == Gate::Closing).then(|| self.closing_ns.unwrap_or(now));
        if gate != before && gate != Gate::Closing {
            let events = self.lanes.iter().flat_map(|lane| lane.seats.values());
            events.for_each(|seat| {
                let _gone = seat.event.switch(gate == Gate::Open);
            });
            self.running.clear();
        }
    }

    /// The collections that have ended since this was last asked, as of the last call of [`Self::drain`].
    pub fn ended(&mut self) -> Vec<EndedCollection> {
        std::mem::take(&mut self.ended)
    }

    /// Beginnings and ends that found no room.
    ///
    /// # Errors
    /// [`Error`] where the map of the program cannot be read any more.
    pub fn lost(&self) -> Result<u64> {
        sys::count(&self.lost)
    }

    /// A collection begins, which is told, or ends.
    fn event(&mut self, raw: Raw) -> Option<CollectorEvent> {
        let counted = raw.counted;
        if raw.begins {
            let began = self.named(raw)?;
            // A write that changes nothing, while a collection runs, begins none.
            let known = self.running.get(&began.interpreter);
            if known
                .is_some_and(|(before, _)| before.counters == counted.counters && counted.counters != [0; 9])
            {
                return None;
            }
            if self.closing_ns.is_none_or(|closing| began.start_ns < closing) {
                self.running.insert(began.interpreter, (counted, began.clone()));
            }
            return Some(began);
        }
        let interpreter = self.interpreter_of(raw.thread)?.id();
        let (before, began) = self.running.remove(&interpreter)?;
        if self.ended.len() < MOST_ENDED {
            let rose = |at: usize| counted.counters[at].wrapping_sub(before.counters[at]);
            let generation = (0..3u8).find(|g| rose(3 * usize::from(*g)) == 1);
            self.ended.push(EndedCollection {
                began,
                duration_ns: raw.start_ns.saturating_sub(before.done_ns),
                generation,
                collected: generation.map(|g| rose(3 * usize::from(g) + 1)),
            });
        }
        None
    }

    /// The interpreter of the thread with this state.
    fn interpreter_of(&self, thread: u64) -> Option<&Interpreter> {
        let has = |lane: &&Lane| lane.seats.values().any(|seat| seat.state == thread);
        self.lanes.iter().find(has).map(|lane| &lane.interpreter)
    }

    fn named(&mut self, raw: Raw) -> Option<CollectorEvent> {
        let has = |lane: &&Lane| lane.seats.values().any(|seat| seat.state == raw.thread);
        let interpreter = &self.lanes.iter().find(has)?.interpreter;
        let names = &mut self.names;
        let name =
            |at: &(u64, u64)| names.entry(*at).or_insert_with(|| interpreter.frame_of(at.0, at.1)).clone();
        let stack = raw.frames.iter().map_while(name).filter(PyFrame::is_of_a_program).collect();
        let Raw { tid, start_ns, cut, .. } = raw;
        Some(CollectorEvent { interpreter: interpreter.id(), tid, start_ns, stack, cut })
    }

    /// Takes up interpreters that are new, and forgets those that are gone.
    fn list(&mut self) -> Result<()> {
        let there = self.main.all()?;
        let same = |a: &Interpreter, b: &Interpreter| (a.address(), a.id()) == (b.address(), b.id());
        self.lanes.retain(|lane| there.iter().any(|i| same(i, &lane.interpreter)));
        for interpreter in there {
            if self.lanes.iter().any(|lane| same(&lane.interpreter, &interpreter)) {
                continue;
            }
            let counters = match interpreter.layout().stats {
                Stats::Inline { .. } => Some(interpreter.label_addresses()?.0[0]),
                Stats::Ring { .. } => None,
            };
            let (ring, lost) = (self.ring.fd(), self.lost.as_raw_fd());
            let site = Site { flag: interpreter.collecting_address(), counters, ring, lost };
            let code =
                program::program(site, &self.image).ok_or(Error::Unsupported("the program does not fit"))?;
            let program = sys::load(sys::Kind::PerfEvent, &code)?;
            self.lanes.push(Lane { interpreter, program, seats: FxHashMap::default() });
        }
        Ok(())
    }

    /// Takes up threads that are new, and forgets those that are gone.
    fn seat(&mut self) -> Result<()> {
        let open = self.duty.as_ref().is_none_or(|d| d.gate() == Gate::Open);
        let alive = living_threads(&self.process)?;
        let threads: Vec<i32> = alive.values().copied().collect();
        for lane in &mut self.lanes {
            let states: FxHashMap<i32, u64> = lane.interpreter.thread_states(&alive)?.into_iter().collect();
            let state = |tid: i32| states.get(&tid).copied();
            lane.seats.retain(|tid, seat| threads.contains(tid) && state(*tid) == Some(seat.state));
            for tid in &threads {
                let Some(state) = state(*tid).filter(|_| !lane.seats.contains_key(tid)) else { continue };
                match lane.sit(*tid, state, open) {
                    Ok(seat) => drop(lane.seats.insert(*tid, seat)),
                    // It ended meanwhile, or nothing is left to watch it with.
                    Err(Error::Refused { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
                    Err(Error::Unsupported(_)) if !lane.seats.is_empty() || lane.interpreter.id() != 0 => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

impl Lane {
    fn sit(&self, tid: i32, state: u64, open: bool) -> Result<Seat> {
        let refused = |OpenError(number)| match number {
            libc::ENOSPC => Error::Unsupported("all debug registers are in use"),
            _ => Error::Refused { what: "a watchpoint", source: io::Error::from_raw_os_error(number) },
        };
        let attr = Attr::write_watch(self.interpreter.collecting_address(), 4).gone_with_the_program();
        let event = Event::open(&attr.disabled(), Target { tid, cpu: -1 }, None).map_err(refused)?;
        let link = sys::attach(&self.program, event.fd(), state)?;
        if open {
            event.switch(true).map_err(refused)?;
        }
        Ok(Seat { state, event, _link: link })
    }
}

/// The collector's counters, and when the program had read them.
#[derive(Debug, Clone, Copy)]
struct Counted {
    counters: [u64; COUNTER_BYTES / 8],
    done_ns: u64,
}

/// What a program wrote down.
struct Raw {
    begins: bool,
    counted: Counted,
    thread: u64,
    tid: i32,
    start_ns: u64,
    /// How long the program ran.
    took_ns: u64,
    frames: Vec<(u64, u64)>,
    cut: bool,
}

fn decode(bytes: &[u8], image: &FrameImage) -> Option<Raw> {
    let word = |at: i16| bpf::word(bytes, usize::try_from(at).ok()?);
    let begins = word(FLAG)? != 0;
    let depth = if begins { word(FRAMES_KEPT)? as usize } else { 0 };
    let (frames, cut) = image.cut_out(bytes, FRAMES, depth, DEPTH)?;
    let mut counters = [0; COUNTER_BYTES / 8];
    for (at, counter) in (COUNTERS..).step_by(8).zip(&mut counters) {
        *counter = word(at)?;
    }
    Some(Raw {
        begins,
        counted: Counted { counters, done_ns: word(DONE)? },
        thread: word(THREAD)?,
        tid: (word(TASK)? as u32).cast_signed(),
        start_ns: word(TIME)?,
        took_ns: word(DONE)?.saturating_sub(word(TIME)?),
        frames,
        cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_cpython::layout::objects::OBJECTS;

    #[test]
    fn short_or_foreign_bytes_are_no_record() {
        for image in OBJECTS.iter().filter_map(FrameImage::of) {
            let whole = program::record(&image);
            assert!(decode(&vec![0xff; whole], &image).is_some_and(|raw| raw.begins && raw.cut));
            assert!(decode(&[0xff; FRAMES + 8], &image).is_none());
            assert!(decode(&[0; FRAMES], &image).is_some_and(|raw| !raw.begins && raw.frames.is_empty()));
            assert!(decode(&[0; FRAMES - 80], &image).is_none());
        }
    }
}
