//! Where nothing better is allowed: read the collector's flag again and again. Counts stay exact; a pause's
//! length is known to within the interval, and short ones are missed and counted as such.

use crate::tracer::{Counts, now_ns};
use crate::{Coverage, Detail, Pause, PauseSource, Result, SourceKind};
use m5_cpython::Interpreter;
use std::time::Duration;

/// Polls one interpreter, once for each call to `drain`.
pub(crate) struct PollSource {
    interpreter: Interpreter,
    pid: i32,
    counts: Counts,
    last: Reading,
    open: Option<Open>,
    details: Vec<Detail>,
    start_ns: u64,
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

impl PollSource {
    pub(crate) fn new(interpreter: Interpreter, pid: i32) -> Result<Self> {
        let last = Reading::of(&interpreter)?;
        Ok(Self {
            counts: Counts::from(last.collections),
            start_ns: last.time,
            last,
            interpreter,
            pid,
            open: None,
            details: Vec::new(),
            unlabelled: 0,
        })
    }

    /// A collection ended between its last sight and now: its length lies between two bounds, and half way
    /// between them is reported. Where no counter rose, nothing but the callbacks after one was seen.
    fn close(&mut self, open: Open, now: &Reading, pauses: &mut Vec<Pause>) {
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
            pid: self.pid,
            tid: None,
            collected: alone.and_then(|g| now.collected[g].checked_sub(open.before.collected[g])),
        });
        let uncertainty_ns = Some(slack);
        self.details.push(Detail { pid: self.pid, start_ns, uncertainty_ns, ..Detail::default() });
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
        let now = Reading::of(&self.interpreter)?;
        let before = std::mem::replace(&mut self.last, now);
        // A counter rises when a collection ends: one that still seems to run is the next one.
        let ended = !now.collecting || now.rose_since(&before) != [0; 3];
        if let (Some(open), true) = (self.open, ended) {
            self.close(open, &now, pauses);
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

    fn details(&mut self, details: &mut Vec<Detail>) {
        details.append(&mut self.details);
    }

    fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        self.counts.add_to(&mut coverage);
        coverage.unlabelled.seen = self.unlabelled;
        coverage.wall_ns = now_ns() - self.start_ns;
        coverage.open_ns = coverage.wall_ns;
        coverage
    }
}
