//! The stream itself: rings in, pauses out, the interpreters' own counters beside it.

use super::attach::Rings;
use super::calibrate;
use super::classify::{Event, Write};
use super::collector::Collector;
use super::family::Attached;
use super::window::Window;
use crate::budget::{Budget, Step};
use crate::kin::Kin;
use crate::perf::{OpenError, Record, Sample};
use crate::tracer::now_ns;
use crate::{Coverage, Pause, PauseSource, Result, SourceKind};
use m5_cpython::Interpreter;
use m5_target::{Process, cpu_ns};
use std::time::Duration;

/// How often threads, processes and interpreters are listed again, in case one escaped.
const RESCAN_NS: u64 = 1_000_000_000;
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
    process: Process,
    children: bool,
    rings: Rings,
    programs: Vec<Attached>,
    tracked: Vec<Tracked>,
    pending: Vec<Record>,
    /// What processes that have ended left behind.
    retired: Coverage,
    window: Window,
    opened_ns: u64,
    open_ns: u64,
    budget: Option<Budget>,
    last: Totals,
    traps: u64,
    seen: u64,
    trap_ns: u64,
    start_ns: u64,
    scanned_ns: u64,
    kin: Option<Kin>,
    programs_so_far: u64,
}

/// A collector and the program it belongs to.
struct Tracked {
    program: u64,
    collector: Collector,
    gone: bool,
}

/// Totals at the last step of the budget.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    time: u64,
    cpu: u64,
    collections: u64,
    traps: u64,
    seen: u64,
}

impl WatchSource {
    pub(crate) fn new(
        process: &Process,
        main: &Interpreter,
        wanted: Wanted,
    ) -> std::result::Result<Self, OpenError> {
        let trap_ns = calibrate::trap_ns()?.unwrap_or(0);
        let cost = trap_ns as f64 / 1e9 * TRAP_COST;
        let now = now_ns();
        let mut source = Self {
            process: process.clone(),
            children: wanted.children,
            rings: Rings::open(process)?,
            programs: Vec::new(),
            tracked: Vec::new(),
            pending: Vec::new(),
            retired: Coverage::default(),
            window: Window::Open { from: now },
            opened_ns: now,
            open_ns: 0,
            budget: wanted.max_overhead.map(|share| Budget::new(share, cost, wanted.seed)),
            last: Totals::default(),
            traps: 0,
            seen: 0,
            trap_ns,
            start_ns: now,
            scanned_ns: now,
            kin: wanted.children.then(|| Kin::of(process.pid())),
            programs_so_far: 0,
        };
        let interpreters = main.all().map_err(|_| OpenError(libc::ESRCH))?;
        let start = source.attach(process, &interpreters)?;
        source.pending.retain(|r| r.time() > start);
        source.window = Window::Open { from: start };
        (source.start_ns, source.opened_ns) = (start, start);
        source.last = source.totals();
        source.adopt();
        Ok(source)
    }

    /// Watches one program; returns when its collectors' state was taken.
    fn attach(
        &mut self,
        process: &Process,
        interpreters: &[Interpreter],
    ) -> std::result::Result<u64, OpenError> {
        self.programs_so_far += 1;
        let id = self.programs_so_far;
        let (rings, records) = (&mut self.rings, &mut self.pending);
        let mut attached = Attached::open(id, process, interpreters, self.children, rings, records)?;
        let begun = attached.begin(interpreters, &mut self.rings, &mut self.pending);
        let (collectors, start) = begun.map_err(|_| OpenError(libc::ESRCH))?;
        if !matches!(self.window, Window::Open { .. }) {
            attached.switch(false);
        }
        self.programs.push(attached);
        self.tracked.extend(collectors.into_iter().map(|collector| Tracked {
            program: id,
            collector,
            gone: false,
        }));
        Ok(start)
    }

    /// Watches the Python programs among the descendants that no watched process was forked into.
    fn adopt(&mut self) {
        let Some(kin) = &mut self.kin else { return };
        let tracked = &self.tracked;
        let known = |pid| tracked.iter().any(|t| t.collector.pid == pid && !t.gone);
        for (process, interpreters) in kin.new_programs(known) {
            // What cannot be watched is not claimed either.
            let _ = self.attach(&process, &interpreters);
        }
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
            if site.write == Write::Flag {
                attached.program.look_at(ip);
            }
            let labels = attached.program.labels(site.flag);
            let event = Event { time, tid, ip, write: site.write };
            tracked.collector.feed(&event, &mut attached.program.known, labels);
            return;
        }
    }

    fn fork(&mut self, parent: i32, pid: i32) {
        if self.tracked.iter().any(|t| t.collector.pid == pid && !t.gone) {
            return;
        }
        let of_parent = self.tracked.iter().filter(|t| t.collector.pid == parent && !t.gone);
        let born: Vec<Tracked> = of_parent
            .map(|t| Tracked { program: t.program, collector: t.collector.forked(pid), gone: false })
            .collect();
        self.tracked.extend(born);
    }

    /// Compares with what the interpreters say; returns the error of the target itself.
    fn reconcile(
        &mut self,
        states: Vec<m5_cpython::Result<m5_cpython::GcState>>,
        settled: bool,
    ) -> Result<()> {
        let main = self.process.pid();
        let is_main = |t: &Tracked| t.collector.pid == main && t.collector.interpreter.id() == 0;
        let mut result = match self.tracked.iter().any(|t| t.gone && is_main(t)) {
            true => Err(m5_target::Error::NoSuchProcess { pid: main }.into()),
            false => Ok(()),
        };
        // What the rescan has just found has no state yet; what it found gone has one that means nothing.
        for (tracked, state) in self.tracked.iter_mut().zip(states).filter(|(t, _)| !t.gone) {
            match state {
                Ok(state) => {
                    if tracked.collector.reconcile(&state, settled)
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
            tracked.collector.pauses(self.window, self.trap_ns, pauses);
        }
        pauses[from..].sort_by_key(|p| p.start_ns);
        self.seen += (pauses.len() - from) as u64;
        let main = self.process.pid();
        let retired = &mut self.retired;
        self.tracked.retain(|t| {
            let keep = !t.gone || (t.collector.pid == main && t.collector.interpreter.id() == 0);
            if !keep {
                t.collector.add_to(retired);
            }
            keep
        });
        let tracked = &self.tracked;
        self.programs.retain(|p| tracked.iter().any(|t| t.program == p.id));
    }

    /// Looks for threads that escaped, programs that were replaced, interpreters that came and went.
    fn rescan(&mut self, now: u64) {
        let due = now - self.scanned_ns >= RESCAN_NS;
        for i in 0..self.programs.len() {
            let id = self.programs[i].id;
            if due || self.tracked.iter().filter(|t| t.program == id).count() > 1 {
                self.relist(i);
            }
        }
        if !due {
            return;
        }
        self.scanned_ns = now;
        for attached in &mut self.programs {
            attached.cover(&mut self.rings, &mut self.pending);
        }
        for tracked in &mut self.tracked {
            let of = self.programs.iter().find(|p| p.id == tracked.program);
            tracked.gone |= of.is_none_or(|p| !p.same_program(tracked.collector.pid));
        }
        self.adopt();
    }

    /// Compares the interpreters of a program with those under watch.
    fn relist(&mut self, program: usize) {
        let attached = &mut self.programs[program];
        let Ok(listed) = attached.program.main.all() else { return };
        let (pid, id) = (attached.process.pid(), attached.id);
        let same = |a: &Interpreter, b: &Interpreter| a.address() == b.address() && a.id() == b.id();
        let mine = self.tracked.iter_mut().filter(|t| t.collector.pid == pid && t.program == id);
        let mut known = Vec::new();
        for tracked in mine {
            let interpreter = &tracked.collector.interpreter;
            if interpreter.id() != 0 && !listed.iter().any(|l| same(l, interpreter)) {
                tracked.gone = true;
                attached.leave(interpreter.collecting_address());
            }
            known.push(interpreter.clone());
        }
        for new in listed.iter().filter(|l| !known.iter().any(|k| same(l, k))) {
            attached.join(new, &self.rings);
            if let Ok(state) = new.read() {
                let collector = Collector::new(pid, new.clone(), &state);
                self.tracked.push(Tracked { program: id, collector, gone: false });
            }
        }
    }

    /// Opens, closes, or lets be, as the budget says.
    fn steer(&mut self, now: u64) {
        let totals = self.totals();
        let last = std::mem::replace(&mut self.last, totals);
        let Some(budget) = &mut self.budget else { return };
        let open = budget.next(&Step {
            wall: totals.time.saturating_sub(last.time) as f64 / 1e9,
            cpu: totals.cpu.saturating_sub(last.cpu) as f64 / 1e9,
            collections: totals.collections.saturating_sub(last.collections),
            seen: totals.seen - last.seen,
            traps: totals.traps - last.traps,
        });
        match self.window {
            Window::Open { from } if !open => {
                self.window = Window::Closing { from, until: now };
                self.open_ns += now - self.opened_ns;
                self.close();
            }
            Window::Closing { .. } => self.close(),
            Window::Closed { .. } if open => self.open(),
            Window::Open { .. } | Window::Closed { .. } => {}
        }
    }

    /// Switches the watch off as soon as nothing runs that began in the window.
    fn close(&mut self) {
        let Window::Closing { from, until } = self.window else { return };
        let running = self.tracked.iter().any(|t| {
            let since = t.collector.classifier.running_since();
            since.is_some_and(|s| s <= until) || t.collector.interpreter.read().is_ok_and(|s| s.collecting)
        });
        if !running {
            self.programs.iter_mut().for_each(|p| p.switch(false));
            self.window = Window::Closed { from, until };
        }
    }

    fn open(&mut self) {
        self.pending.clear();
        self.programs.iter_mut().for_each(|p| p.switch(true));
        self.tracked.iter_mut().for_each(|t| t.collector.reopen());
        let from = now_ns();
        self.window = Window::Open { from };
        self.opened_ns = from;
    }

    fn totals(&self) -> Totals {
        let mut pids: Vec<i32> = self.tracked.iter().map(|t| t.collector.pid).collect();
        pids.dedup();
        Totals {
            time: now_ns(),
            cpu: pids.into_iter().filter_map(cpu_ns).sum(),
            collections: self.coverage().happened(),
            traps: self.traps,
            seen: self.seen,
        }
    }
}

impl PauseSource for WatchSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Watchpoint
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(20)
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
        self.rescan(before);
        let result = self.reconcile(states, settled);
        self.emit(pauses);
        if result.is_ok() {
            self.steer(before);
        }
        result
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
}
