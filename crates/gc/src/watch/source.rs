//! The stream itself: rings in, pauses out, the interpreters' own counters beside it.

use super::calibrate::Traps;
use super::classify::{Event, Write};
use super::collector::Collector;
use super::family::Attached;
use super::rings::Rings;
use super::steer::Totals;
use super::window::Window;
use crate::budget::Budget;
use crate::kin::Kin;
use crate::perf::{OpenError, Record, Sample};
use crate::stacks::Stacks;
use crate::tracer::{by_interpreter, now_ns};
use crate::{
    Coverage, Detail, Error, InterpreterCollections, Obstacle, Pause, PauseSource, Result, SourceKind,
};
use m5_cpython::Interpreter;
use m5_process::Process;
use std::time::Duration;

/// How often the rings are read where there is no budget.
const INTERVAL: Duration = Duration::from_millis(20);
/// The same while a window waits for the end of a long collection.
const CLOSING: Duration = Duration::from_millis(1);
/// Traps within a pause, about, that were taken off its length.
const TRAPS_INSIDE: u64 = 10;
/// A trap costs the target this much more than the time between two of them shows.
const TRAP_COST: f64 = 1.3;

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) children: bool,
    pub(crate) max_overhead: Option<f64>,
    pub(crate) seed: u64,
}

/// Watches the collectors of one process and, if wanted, of its descendants.
pub(crate) struct WatchSource {
    pub(super) process: Process,
    pub(super) children: bool,
    pub(super) rings: Rings,
    pub(super) programs: Vec<Attached>,
    pub(super) tracked: Vec<Tracked>,
    pub(super) pending: Vec<Record>,
    /// What processes that have ended left behind.
    pub(super) retired: Coverage,
    /// Of those, what further interpreters of the process itself collected.
    ended: [u64; 3],
    pub(super) window: Window,
    pub(super) opened_ns: u64,
    pub(super) open_ns: u64,
    pub(super) budget: Option<Budget>,
    pub(super) last: Totals,
    pub(super) traps: u64,
    pub(super) seen: u64,
    pub(super) switches: u64,
    pub(super) context_switches: u64,
    pub(super) counted_ns: u64,
    pub(super) standing: f64,
    pub(super) trap: Traps,
    pub(super) start_ns: u64,
    pub(super) scanned_ns: u64,
    pub(super) kin: Option<Kin>,
    pub(super) programs_so_far: u64,
    pub(super) stacks: Option<Stacks>,
    pub(super) details: Vec<Detail>,
    /// A trap keeps the target from getting on: nothing may stay watched.
    pub(super) endless: bool,
}

/// A collector and the program it belongs to.
pub(super) struct Tracked {
    pub(super) program: u64,
    pub(super) collector: Collector,
    pub(super) gone: bool,
}

impl WatchSource {
    pub(crate) fn new(
        process: &Process,
        main: &Interpreter,
        wanted: Wanted,
    ) -> std::result::Result<Self, OpenError> {
        let trap = Traps::measured()?;
        let cost = trap.warm_ns as f64 / 1e9 * TRAP_COST;
        let now = now_ns();
        let mut source = Self {
            process: process.clone(),
            children: wanted.children,
            rings: Rings::open(process)?,
            programs: Vec::new(),
            tracked: Vec::new(),
            pending: Vec::new(),
            retired: Coverage::default(),
            ended: [0; 3],
            window: Window::Open { from: now },
            opened_ns: now,
            open_ns: 0,
            budget: wanted.max_overhead.map(|share| Budget::new(share, cost, wanted.seed)),
            last: Totals::default(),
            traps: 0,
            seen: 0,
            switches: 0,
            context_switches: 0,
            counted_ns: 0,
            standing: 0.0,
            trap,
            start_ns: now,
            scanned_ns: now,
            kin: wanted.children.then(|| Kin::of(process.pid())),
            programs_so_far: 0,
            stacks: None,
            details: Vec::new(),
            endless: false,
        };
        let interpreters = main.all().map_err(|_| OpenError(libc::ESRCH))?;
        let start = source.attach(process, &interpreters)?;
        source.pending.retain(|r| r.time() > start);
        source.window = Window::Open { from: start };
        (source.start_ns, source.opened_ns) = (start, start);
        source.last = source.totals();
        source.adopt(true);
        Ok(source)
    }

    fn handle(&mut self, record: &Record) {
        match *record {
            Record::Sample(sample) => self.sample(&sample),
            Record::Fork { pid, parent, .. } if pid != parent && self.children => self.fork(parent, pid),
            Record::Lost { until, count, .. } => {
                self.retired.lost += count;
                for tracked in &mut self.tracked {
                    tracked.collector.lose(until);
                }
            }
            Record::Exit { .. } | Record::Fork { .. } => {}
        }
    }

    fn sample(&mut self, sample: &Sample) {
        self.traps += 1;
        let mine = self.tracked.iter_mut().filter(|t| t.collector.pid == sample.pid && !t.gone);
        for tracked in mine {
            let Some(attached) = self.programs.iter_mut().find(|p| p.id == tracked.program) else { continue };
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
            if site.flag != main && !self.children {
                attached.met |= attached.program.at_home(tid, site.flag);
            }
            let labels = attached.program.labels(self.rings.source(tid).unwrap_or(tid), site.flag);
            let event = Event { time, tid, ip, write: site.write };
            tracked.collector.feed(&event, &mut attached.program.known, labels);
            return;
        }
    }

    /// Compares with what the interpreters say; returns the error of the target itself.
    fn reconcile(
        &mut self,
        states: Vec<m5_cpython::Result<m5_cpython::GcState>>,
        at: u64,
        settled: bool,
    ) -> Result<()> {
        let main = self.process.pid();
        let is_main = |t: &Tracked| t.collector.pid == main && t.collector.interpreter.id() == 0;
        let mut result = match self.tracked.iter().any(|t| t.gone && is_main(t)) {
            true => Err(m5_process::Error::NoSuchProcess { pid: main }.into()),
            false => Ok(()),
        };
        // What the rescan has just found has no state yet; what it found gone has one that means nothing.
        for (tracked, state) in self.tracked.iter_mut().zip(states).filter(|(t, _)| !t.gone) {
            let of = self.programs.iter().find(|p| p.id == tracked.program);
            let flag = tracked.collector.interpreter.collecting_address();
            let hidden = of.is_some_and(|p| !p.watches(flag));
            match state {
                Ok(state) => {
                    if tracked.collector.reconcile(&state, at, settled, hidden)
                        && let Some(attached) = self.programs.iter_mut().find(|p| p.id == tracked.program)
                    {
                        attached.program.known = Default::default();
                    }
                }
                Err(error) => {
                    tracked.gone = true;
                    if tracked.collector.pid == self.process.pid() && tracked.collector.interpreter.id() == 0
                    {
                        result = Err(error.into());
                    }
                }
            }
        }
        result
    }

    fn emit(&mut self, pauses: &mut Vec<Pause>) {
        let from = pauses.len();
        for tracked in &mut self.tracked {
            tracked.collector.pauses(self.window, self.trap, pauses, &mut self.details);
        }
        pauses[from..].sort_by_key(|p| p.start_ns);
        self.seen += (pauses.len() - from) as u64;
        if let Some(stacks) = &mut self.stacks {
            for caught in stacks.details(&pauses[from..], self.trap.warm_ns * TRAPS_INSIDE) {
                let same = |d: &&mut Detail| (d.pid, d.start_ns) == (caught.pid, caught.start_ns);
                match self.details.iter_mut().find(same) {
                    Some(known) => known.stack = caught.stack,
                    None => self.details.push(caught),
                }
            }
        }
        let main = self.process.pid();
        let (retired, ended) = (&mut self.retired, &mut self.ended);
        self.tracked.retain(|t| {
            let keep = !t.gone || (t.collector.pid == main && t.collector.interpreter.id() == 0);
            if !keep {
                t.collector.add_to(retired);
                if t.collector.pid == main {
                    (0..3).for_each(|g| ended[g] += t.collector.happened()[g]);
                }
            }
            keep
        });
        let tracked = &self.tracked;
        self.programs.retain(|p| tracked.iter().any(|t| t.program == p.id));
    }

    /// Reads the stacks of collections that have run for long.
    fn look(&mut self) {
        let Some(stacks) = &mut self.stacks else { return };
        for tracked in &self.tracked {
            let Some((start, tid)) = tracked.collector.running() else { continue };
            let (pid, now) = (tracked.collector.pid, now_ns());
            if stacks.wants(pid, start, now) {
                let stack = tracked.collector.interpreter.stack(pid, tid).unwrap_or_default();
                stacks.keep(pid, now, stack);
            }
        }
    }
}

impl PauseSource for WatchSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Watchpoint
    }

    fn interval(&self) -> Duration {
        let of = |open| self.budget.as_ref().map_or(INTERVAL, |b| Duration::from_secs_f64(b.interval(open)));
        let own = match self.window {
            Window::Open { .. } => of(true),
            Window::Closing { .. } => CLOSING,
            Window::Closed { .. } => return of(false),
        };
        self.stacks.as_ref().map_or(own, |s| s.interval().min(own))
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let before = now_ns();
        let states: Vec<_> = self.tracked.iter().map(|t| t.collector.interpreter.read()).collect();
        self.rings.drain(&mut self.pending);
        self.pending.sort_by_key(Record::time);
        let ready = self.pending.partition_point(|r| r.time() <= before);
        let settled = ready == self.pending.len() && matches!(self.window, Window::Open { .. });
        let records: Vec<Record> = self.pending.drain(..ready).collect();
        for record in &records {
            self.handle(record);
        }
        if self.endless {
            self.programs.clear();
            return Err(Error::Obstacle(Obstacle::ExclusivePairs));
        }
        if matches!(self.window, Window::Closed { .. }) {
            // All that was told until the watch closed has been read: an end that was not will not come.
            self.tracked.iter_mut().for_each(|t| t.collector.unwatched());
        }
        self.rescan(before);
        let result = self.reconcile(states, before, settled);
        self.look();
        self.emit(pauses);
        if result.is_ok() {
            self.steer(before);
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
        let mut coverage = self.retired;
        for tracked in &self.tracked {
            tracked.collector.add_to(&mut coverage);
        }
        let now = now_ns();
        coverage.wall_ns = now - self.start_ns;
        let since = if matches!(self.window, Window::Open { .. }) { now - self.opened_ns } else { 0 };
        coverage.open_ns = self.open_ns + since;
        coverage
    }

    fn interpreters(&self) -> Vec<InterpreterCollections> {
        let mine = self.tracked.iter().map(|t| &t.collector).filter(|c| c.pid == self.process.pid());
        by_interpreter(mine.map(|c| (c.interpreter.id(), c.happened())), self.ended)
    }
}
