//! The stream itself: rings in, pauses out, the interpreters' own counters beside it.

use super::calibrate::Traps;
use super::classify::{Event, Write};
use super::collector::Watching;
use super::duty_cycle::{DutyCycle, TRAP_COST};
use super::ledger::Ledger;
use super::scheduling::Scheduled;
use super::watched::Watched;
use crate::budget::Budget;
use crate::counts::{by_interpreter, now_ns};
use crate::perf::{OpenError, Record, Sample};
use crate::stacks::{CaughtStack, Stacks};
use crate::{
    Coverage, Detail, Error, InterpreterCollections, Obstacle, Pause, PauseSource, Result, SourceKind,
};
use m5_cpython::{GcState, Interpreter};
use m5_process::{Execution, Process};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// More records than this at a look are many: about twenty collections.
const BUSY: usize = 64;
/// Traps within a pause, about, that were taken off its length.
const TRAPS_INSIDE: u64 = 10;

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) children: bool,
    pub(crate) max_overhead: Option<f64>,
    pub(crate) seed: u64,
}

/// Watches the collectors of one process and, if wanted, of its descendants.
pub(crate) struct WatchSource {
    watched: Watched,
    execution: Execution,
    duty: DutyCycle,
    ledger: Ledger,
    trap: Traps,
    start_ns: u64,
    stacks: Option<Stacks>,
    details: Vec<Detail>,
    /// A trap keeps the target from getting on: nothing may stay watched.
    endless: bool,
    /// The last look found many records: the next one is not put off.
    busy: bool,
}

impl WatchSource {
    pub(crate) fn new(
        process: &Process,
        main: &Interpreter,
        wanted: Wanted,
    ) -> std::result::Result<Self, OpenError> {
        let trap = Traps::measured()?;
        let cost = trap.warm_ns as f64 / 1e9 * TRAP_COST;
        let budget = wanted.max_overhead.map(|share| Budget::new(share, cost, wanted.seed));
        let execution = Execution::held(process);
        let mut watched = Watched::new(process, wanted.children, now_ns())?;
        let interpreters = main.all().map_err(|_| OpenError(libc::ESRCH))?;
        let start_ns = watched.attach(process, &interpreters)?;
        watched.pending.retain(|r| r.time() > start_ns);
        let ledger = Ledger::default();
        let mut duty = DutyCycle::new(budget, start_ns);
        if watched.bounds_full() {
            duty.look_often();
        }
        duty.begin(&watched, &ledger);
        watched.adopt(true);
        let details = Vec::new();
        let (stacks, endless, busy) = (None, false, false);
        Ok(Self { watched, execution, duty, ledger, trap, start_ns, stacks, details, endless, busy })
    }

    /// Registers that it got of those that it takes, where those are fewer: another one watches the process too.
    pub(crate) fn few_registers(&self) -> Option<(usize, usize)> {
        self.watched.programs.first().and_then(|p| p.program.few_registers())
    }

    fn handle(&mut self, record: &Record) {
        match *record {
            Record::Sample(sample) => self.sample(&sample),
            Record::Fork { pid, parent, .. } if pid != parent && self.watched.children => {
                self.watched.fork(parent, pid);
            }
            Record::Lost { until, count, .. } => {
                self.ledger.lose(count);
                for tracked in &mut self.watched.tracked {
                    tracked.collector.lose(until);
                }
            }
            Record::Exit { .. } | Record::Fork { .. } => {}
        }
    }

    fn sample(&mut self, sample: &Sample) {
        self.ledger.trap(sample.time, self.trap.of(self.duty.rested()));
        let Watched { children, rings, programs, tracked, .. } = &mut self.watched;
        for tracked in tracked.iter_mut().filter(|t| t.collector.pid == sample.pid && !t.gone) {
            let Some(attached) = programs.iter_mut().find(|p| p.id == tracked.program) else { continue };
            let Some(site) = attached.program.site(sample.addr) else { continue };
            if site.flag != tracked.collector.interpreter.collecting_address() {
                continue;
            }
            let Sample { time, tid, ip, .. } = *sample;
            if site.write == Write::Flag && attached.program.look_at(ip) {
                self.endless = true;
                return;
            }
            let main = attached.program.main.collecting_address();
            if site.flag != main && !*children {
                attached.met |= attached.program.at_home(tid, site.flag);
            }
            let labels = attached.program.labels(rings.source(tid).unwrap_or(tid), site.flag);
            let event = Event { time, tid, ip, write: site.write };
            tracked.collector.feed(&event, &mut attached.program.known, labels);
            return;
        }
    }

    /// Compares with what the interpreters say; returns the error of the target itself.
    fn reconcile(&mut self, states: Vec<m5_cpython::Result<GcState>>, at: u64, settled: bool) -> Result<()> {
        let pid = self.watched.process.pid();
        let mut result = match self.watched.tracked.iter().any(|t| t.gone && t.collector.is_main_of(pid)) {
            true => Err(m5_process::Error::NoSuchProcess { pid }.into()),
            false => Ok(()),
        };
        let Watched { programs, tracked, .. } = &mut self.watched;
        // What the rescan has just found has no state yet; what it found gone has one that means nothing.
        for (tracked, state) in tracked.iter_mut().zip(states).filter(|(t, _)| !t.gone) {
            let mut of = programs.iter_mut().find(|p| p.id == tracked.program);
            let collector = &mut tracked.collector;
            let flag = collector.interpreter.collecting_address();
            let watching = of.as_ref().map_or(Watching::Whole, |p| p.watching(flag));
            match state {
                Ok(state) => {
                    if collector.reconcile(&state, at, settled, watching)
                        && let Some(attached) = &mut of
                    {
                        attached.program.known = Default::default();
                    }
                }
                Err(error) => {
                    tracked.gone = true;
                    if collector.is_main_of(pid) {
                        result = Err(error.into());
                    }
                }
            }
        }
        result
    }

    fn emit(&mut self, pauses: &mut Vec<Pause>) {
        let (from, ends) = (pauses.len(), self.trap.of(self.duty.rested()));
        for tracked in &mut self.watched.tracked {
            let (window, more) = ((self.duty.window(), self.duty.chance_ppm()), !tracked.gone);
            tracked.collector.pauses(window, more, ends, pauses, &mut self.details);
        }
        pauses[from..].sort_by_key(|p| p.start_ns);
        self.ledger.seen += (pauses.len() - from) as u64;
        if let Some(stacks) = &mut self.stacks {
            for caught in stacks.details(&pauses[from..], self.trap.warm_ns * TRAPS_INSIDE) {
                let same = |d: &&mut Detail| (d.pid, d.start_ns) == (caught.pid, caught.start_ns);
                match self.details.iter_mut().find(same) {
                    Some(known) => known.stack = caught.stack,
                    None => self.details.push(caught),
                }
            }
        }
        for gone in self.watched.forget_gone() {
            self.ledger.retire(&gone, gone.pid == self.watched.process.pid());
        }
    }

    /// Reads the stacks of collections that have run for long.
    fn look(&mut self) {
        let Some(stacks) = &mut self.stacks else { return };
        for tracked in &self.watched.tracked {
            let Some((start, tid)) = tracked.collector.running() else { continue };
            let (pid, interpreter) = (tracked.collector.pid, &tracked.collector.interpreter);
            if stacks.wants(pid, start, now_ns()) {
                let read = || interpreter.stack(pid, tid).unwrap_or_default();
                CaughtStack::during(pid, interpreter, read).into_iter().for_each(|s| stacks.keep(s));
            }
        }
    }
}

impl PauseSource for WatchSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Watchpoint
    }

    fn told(&self) -> bool {
        self.watched.rings.inherits()
    }

    fn interval(&self) -> Duration {
        self.duty.interval(self.stacks.as_ref().map(Stacks::interval))
    }

    fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        // A program of which not all is watched, and a stack in the middle of a collection, want to be looked at often.
        let may = !self.busy && self.duty.is_open_throughout() && self.stacks.is_none();
        let may = may && self.watched.is_whole();
        self.watched.rings.wakers().filter(|_| may).map(Iterator::collect).unwrap_or_default()
    }

    fn is_silent(&self) -> bool {
        self.watched.rings.are_empty() && !self.wakers().is_empty()
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let before = now_ns();
        let states = self.watched.states();
        // The kernel takes the watch away as the process executes something else: its records are of what was, all of
        // them; the states may not be.
        let over = !self.execution.goes_on();
        let (records, all) = self.watched.records(if over && self.told() { u64::MAX } else { before });
        self.busy = records.len() > BUSY;
        let settled = all && self.duty.is_open();
        for record in &records {
            self.handle(record);
        }
        if self.endless {
            self.watched.programs.clear();
            return Err(Error::Obstacle(Obstacle::ExclusivePairs));
        }
        if self.duty.is_closed() {
            // All that was told until the watch closed has been read: an end that was not will not come.
            self.watched.unwatched();
        }
        match over {
            true => self.watched.ended(),
            false => self.watched.rescan(before),
        }
        let result = self.reconcile(states, before, settled);
        self.look();
        self.emit(pauses);
        if result.is_ok() {
            self.duty.step(&mut self.watched, &self.ledger, before);
        }
        result
    }

    fn stacks_above(&mut self, limit: Duration) {
        self.stacks = Some(Stacks::above(limit));
    }

    fn details(&mut self, details: &mut Vec<Detail>) {
        details.append(&mut self.details);
    }

    fn coverage(&self) -> Coverage {
        let now = now_ns();
        let (wall_ns, open_ns) = (now - self.start_ns, self.duty.open_ns(now));
        let Scheduled { preempted, waited_ns, .. } = self.duty.scheduled();
        let counted = self.ledger.coverage(&self.watched.tracked);
        Coverage { wall_ns, open_ns, preempted, waited_ns, ..counted }
    }

    fn interpreters(&self) -> Vec<InterpreterCollections> {
        let own = self.watched.process.pid();
        let mine = self.watched.tracked.iter().map(|t| &t.collector).filter(|c| c.pid == own);
        by_interpreter(mine.map(|c| (c.interpreter.id(), c.happened())), self.ledger.ended())
    }
}
