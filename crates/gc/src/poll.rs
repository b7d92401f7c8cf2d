//! Where nothing better is allowed: read the collector's flag again and again. Counts stay exact; a pause's
//! length is known to within the interval, and short ones are missed and counted as such.

use crate::counts::{Counts, by_interpreter, now_ns};
use crate::{Coverage, Detail, InterpreterCollections, Pause, PauseSource, Result, SourceKind};
use m5_cpython::Interpreter;
use std::time::Duration;

/// How often interpreters are listed again.
const RESCAN_NS: u64 = 1_000_000_000;

/// Polls the interpreters of one process, once for each call to `drain`.
pub(crate) struct PollSource {
    pid: i32,
    /// The main interpreter's first.
    lanes: Vec<Lane>,
    retired: Coverage,
    details: Vec<Detail>,
    start_ns: u64,
    scanned_ns: u64,
    newest: Option<u64>,
}

/// One interpreter.
struct Lane {
    interpreter: Interpreter,
    counts: Counts,
    last: Reading,
    open: Option<Open>,
    /// One ran at the beginning, and goes on: when it began is not known.
    before_us: bool,
    unlabelled: u64,
}

/// What one reading said.
#[derive(Debug, Clone, Copy)]
struct Reading {
    time: u64,
    collecting: bool,
    collections: [u64; 3],
    collected: [u64; 3],
}

impl Reading {
    fn of(interpreter: &Interpreter) -> Result<Self> {
        let state = interpreter.read()?;
        Ok(Self {
            time: now_ns(),
            collecting: state.collecting,
            collections: state.generations.map(|g| g.collections),
            collected: state.generations.map(|g| g.collected),
        })
    }

    fn rose_since(&self, before: &Self) -> [u64; 3] {
        [0, 1, 2].map(|g| self.collections[g].saturating_sub(before.collections[g]))
    }
}

/// A collection that runs.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// It began after this reading.
    before: Reading,
    first: u64,
    last: u64,
}

impl Lane {
    fn new(interpreter: Interpreter) -> Result<Self> {
        let last = Reading::of(&interpreter)?;
        let open = last.collecting.then_some(Open { before: last, first: last.time, last: last.time });
        let counts = Counts::from(last.collections);
        Ok(Self { interpreter, counts, last, open, before_us: open.is_some(), unlabelled: 0 })
    }

    /// One that came while its process was watched: all that it has collected so far counts.
    fn born(interpreter: Interpreter) -> Result<Self> {
        let lane = Self::new(interpreter)?;
        let mut counts = Counts::from([0; 3]);
        counts.set(lane.last.collections);
        Ok(Self { counts, ..lane })
    }

    fn drain(&mut self, pid: i32, pauses: &mut Vec<Pause>, details: &mut Vec<Detail>) -> Result<()> {
        let now = Reading::of(&self.interpreter)?;
        let before = std::mem::replace(&mut self.last, now);
        // A counter rises when a collection ends: one that still seems to run is the next one.
        let ended = !now.collecting || now.rose_since(&before) != [0; 3];
        if let (Some(open), true) = (self.open, ended) {
            match std::mem::take(&mut self.before_us) {
                true => self.counts.begin(now.collections, now.rose_since(&open.before)),
                false => self.close(pid, open, &now, pauses, details),
            }
            self.open = None;
        }
        match &mut self.open {
            Some(open) => open.last = now.time,
            None if now.collecting => {
                let before = Reading { time: before.time, ..now };
                self.open = Some(Open { before, first: now.time, last: now.time });
            }
            None => {}
        }
        self.counts.set(now.collections);
        Ok(())
    }

    fn add_to(&self, coverage: &mut Coverage) {
        self.counts.add_to(coverage);
        coverage.unlabelled.seen += self.unlabelled;
        let running = self.open.map_or(0, |open| open.last - open.first);
        coverage.unfinished_ns = coverage.unfinished_ns.max(running);
    }

    /// A collection ended between its last sight and now: its length lies between two bounds, and half way
    /// between them is reported. Where no counter rose, nothing but the callbacks after one was seen.
    fn close(
        &mut self,
        pid: i32,
        open: Open,
        now: &Reading,
        pauses: &mut Vec<Pause>,
        details: &mut Vec<Detail>,
    ) {
        let rose = now.rose_since(&open.before);
        let total: u64 = rose.iter().sum();
        if total == 0 {
            return;
        }
        let shortest = open.last - open.first;
        let slack = (now.time - open.before.time - shortest) / 2;
        let only = (0..3).find(|g| rose[*g] == total);
        match only {
            Some(generation) => self.counts.seen[generation] += 1,
            None => self.unlabelled += 1,
        }
        let start_ns = open.first - (open.first - open.before.time) / 2;
        let alone = only.filter(|_| total == 1);
        pauses.push(Pause {
            start_ns,
            duration_ns: shortest + slack,
            generation: only.map(|g| g as u8),
            pid,
            interpreter: self.interpreter.id(),
            tid: None,
            collected: alone.and_then(|g| now.collected[g].checked_sub(open.before.collected[g])),
            ..Pause::default()
        });
        let uncertainty_ns = Some(slack);
        details.push(Detail { pid, start_ns, uncertainty_ns, ..Detail::default() });
    }
}

impl PollSource {
    pub(crate) fn new(main: &Interpreter, pid: i32) -> Result<Self> {
        let lanes: Result<Vec<Lane>> = main.all()?.into_iter().map(Lane::new).collect();
        let (start_ns, newest) = (now_ns(), main.newest().ok());
        let (retired, details) = (Coverage::default(), Vec::new());
        Ok(Self { pid, lanes: lanes?, retired, details, start_ns, scanned_ns: start_ns, newest })
    }

    /// Interpreters that came and went.
    fn rescan(&mut self, now: u64) {
        let Some(main) = self.lanes.first().map(|l| l.interpreter.clone()) else { return };
        let newest = main.newest().ok();
        if self.lanes.len() == 1 && newest == self.newest && now - self.scanned_ns < RESCAN_NS {
            return;
        }
        (self.scanned_ns, self.newest) = (now, newest);
        let Ok(listed) = main.all() else { return };
        let same = |a: &Interpreter, b: &Interpreter| a.address() == b.address() && a.id() == b.id();
        let retired = &mut self.retired;
        self.lanes.retain(|lane| {
            let keep = lane.interpreter.id() == 0 || listed.iter().any(|i| same(i, &lane.interpreter));
            if !keep {
                lane.add_to(retired);
            }
            keep
        });
        for new in listed {
            if !self.lanes.iter().any(|l| same(&l.interpreter, &new)) {
                self.lanes.extend(Lane::born(new));
            }
        }
    }
}

impl PauseSource for PollSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Poll
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        self.rescan(now_ns());
        let from = pauses.len();
        let mut result = Ok(());
        for lane in &mut self.lanes {
            let drained = lane.drain(self.pid, pauses, &mut self.details);
            if lane.interpreter.id() == 0 {
                result = drained;
            }
        }
        pauses[from..].sort_by_key(|p| p.start_ns);
        result
    }

    fn details(&mut self, details: &mut Vec<Detail>) {
        details.append(&mut self.details);
    }

    fn coverage(&self) -> Coverage {
        let mut coverage = self.retired;
        self.lanes.iter().for_each(|l| l.add_to(&mut coverage));
        coverage.wall_ns = now_ns() - self.start_ns;
        coverage.open_ns = coverage.wall_ns;
        coverage
    }

    fn interpreters(&self) -> Vec<InterpreterCollections> {
        let there = self.lanes.iter().map(|l| (l.interpreter.id(), l.counts.happened()));
        by_interpreter(there, self.retired.counted())
    }
}
