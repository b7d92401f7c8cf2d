//! The stream itself: rings in, pauses out, the interpreters' own counters beside it.

use super::attach::{Watched, Watches};
use super::calibrate;
use super::classify::{Event, Instructions, Write};
use super::collector::{Collector, Labels};
use crate::perf::{OpenError, Record};
use crate::tracer::now_ns;
use crate::{Coverage, Pause, PauseSource, Result, SourceKind};
use m5_cpython::Interpreter;
use m5_cpython::layout::Collector as Organisation;
use m5_target::Process;
use std::time::Duration;

/// How often the threads are listed again, in case one escaped.
const RESCAN_NS: u64 = 1_000_000_000;
/// Readings of the beginning until one falls between two collections' writes; each takes microseconds.
const QUIET_TRIES: usize = 100;
/// A write is in memory a moment before its record is in the ring.
const TRAP: Duration = Duration::from_micros(100);

/// Watches the collectors of one process and, if wanted, of the processes forked from it.
pub(crate) struct WatchSource {
    process: Process,
    children: bool,
    watches: Watches,
    sites: Vec<Site>,
    labels: Labels,
    collectors: Vec<Tracked>,
    known: Instructions,
    pending: Vec<Record>,
    /// What processes that have ended left behind.
    retired: Coverage,
    trap_ns: u64,
    start_ns: u64,
    scanned_ns: u64,
}

/// A watched address and its meaning.
#[derive(Debug, Clone, Copy)]
struct Site {
    addr: u64,
    interpreter: usize,
    write: Write,
}

/// A collector and the interpreter it stands for, by its number in the parent.
struct Tracked {
    interpreter: usize,
    collector: Collector,
    gone: bool,
}

/// Which counters to watch so that each collection is labelled with the fewest traps.
fn labels(organisation: Organisation) -> Labels {
    match organisation {
        Organisation::Generational => Labels { watched: &[2, 1], otherwise: Some(0) },
        // An increment may return before it counts.
        Organisation::Incremental => Labels { watched: &[2, 0], otherwise: Some(1) },
    }
}

impl WatchSource {
    pub(crate) fn new(
        process: &Process,
        interpreters: Vec<Interpreter>,
        children: bool,
    ) -> std::result::Result<Self, OpenError> {
        let main = &interpreters[0];
        let labels = labels(main.layout().collector);
        let mut sites = Vec::new();
        let mut watched = Vec::new();
        for (interpreter, of) in interpreters.iter().enumerate() {
            let addr = of.collecting_address();
            sites.push(Site { addr, interpreter, write: Write::Flag });
            watched.push(Watched { addr, len: 4 });
        }
        let (addresses, len) = main.label_addresses().map_err(|_| OpenError(libc::ESRCH))?;
        for generation in labels.watched {
            let addr = addresses[usize::from(*generation)];
            sites.push(Site { addr, interpreter: 0, write: Write::Label(*generation) });
            watched.push(Watched { addr, len });
        }
        let trap_ns = calibrate::trap_ns()?.unwrap_or(0);
        let watches = Watches::open(process, &watched, children)?;
        let mut source = Self {
            process: process.clone(),
            children,
            watches,
            sites,
            labels,
            collectors: Vec::new(),
            known: Instructions::default(),
            pending: Vec::new(),
            retired: Coverage::default(),
            trap_ns,
            start_ns: now_ns(),
            scanned_ns: now_ns(),
        };
        source.watches.cover(process, &mut source.pending)?;
        source.begin(interpreters)?;
        Ok(source)
    }

    /// Takes each collector's state at a moment when nothing happened, and drops what came before.
    fn begin(&mut self, interpreters: Vec<Interpreter>) -> std::result::Result<(), OpenError> {
        let pid = self.process.pid();
        for _ in 0..QUIET_TRIES {
            let before = now_ns();
            let states: std::result::Result<Vec<_>, _> = interpreters.iter().map(Interpreter::read).collect();
            let states = states.map_err(|_| OpenError(libc::ESRCH))?;
            let after = now_ns();
            std::thread::sleep(TRAP);
            self.watches.drain(&mut self.pending);
            self.start_ns = after;
            let every = interpreters.iter().cloned().zip(&states).enumerate();
            let new = every.map(|(interpreter, (of, state))| Tracked {
                interpreter,
                collector: Collector::new(pid, of, state),
                gone: false,
            });
            self.collectors = new.collect();
            let margin = TRAP.as_nanos() as u64;
            if !self.pending.iter().any(|r| (before - margin..=after).contains(&r.time())) {
                break;
            }
        }
        self.pending.retain(|r| r.time() > self.start_ns);
        Ok(())
    }

    fn handle(&mut self, record: &Record) {
        match *record {
            Record::Sample(sample) => {
                let Some(site) = self.sites.iter().find(|s| s.addr == sample.addr).copied() else { return };
                let event = Event { time: sample.time, tid: sample.tid, ip: sample.ip, write: site.write };
                let labels = self.labels;
                let labels =
                    if site.interpreter == 0 { labels } else { Labels { otherwise: None, ..labels } };
                let found = self.collectors.iter_mut();
                let mut found =
                    found.filter(|c| c.collector.pid == sample.pid && c.interpreter == site.interpreter);
                if let Some(tracked) = found.next() {
                    tracked.collector.feed(&event, &mut self.known, labels);
                }
            }
            Record::Fork { pid, parent, .. } if pid != parent && self.children => self.fork(parent, pid),
            Record::Lost { until, count, .. } => {
                self.retired.lost += count;
                for tracked in &mut self.collectors {
                    tracked.collector.lose(until);
                }
            }
            Record::Exit { .. } | Record::Fork { .. } => {}
        }
    }

    fn fork(&mut self, parent: i32, pid: i32) {
        if self.collectors.iter().any(|c| c.collector.pid == pid && !c.gone) {
            return;
        }
        let born: Vec<Tracked> = self
            .collectors
            .iter()
            .filter(|c| c.collector.pid == parent)
            .map(|c| Tracked { interpreter: c.interpreter, collector: c.collector.forked(pid), gone: false })
            .collect();
        self.collectors.extend(born);
    }

    fn retire(&mut self) {
        let main = self.process.pid();
        let retired = &mut self.retired;
        self.collectors.retain(|c| {
            let keep = !c.gone || c.collector.pid == main;
            if !keep {
                c.collector.add_to(retired);
            }
            keep
        });
    }
}

impl PauseSource for WatchSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Watchpoint
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let from = pauses.len();
        let before = now_ns();
        let states: Vec<_> = self.collectors.iter().map(|c| c.collector.interpreter.read()).collect();
        if before - self.scanned_ns > RESCAN_NS {
            self.scanned_ns = before;
            let _ = self.watches.cover(&self.process, &mut self.pending);
        }
        self.watches.drain(&mut self.pending);
        self.pending.sort_by_key(Record::time);
        let ready = self.pending.partition_point(|r| r.time() <= before);
        let settled = ready == self.pending.len();
        let records: Vec<Record> = self.pending.drain(..ready).collect();
        for record in &records {
            self.handle(record);
        }
        let mut failed = None;
        for (tracked, state) in self.collectors.iter_mut().zip(states) {
            match state {
                Ok(state) => {
                    if tracked.collector.reconcile(&state, settled) {
                        self.known = Instructions::default();
                    }
                }
                Err(error) => {
                    tracked.gone = true;
                    if tracked.collector.pid == self.process.pid() {
                        failed = Some(error);
                    }
                }
            }
        }
        for tracked in &mut self.collectors {
            tracked.collector.pauses(self.trap_ns, pauses);
        }
        self.retire();
        pauses[from..].sort_by_key(|p| p.start_ns);
        failed.map_or(Ok(()), |e| Err(e.into()))
    }

    fn coverage(&self) -> Coverage {
        let mut coverage = self.retired;
        for tracked in &self.collectors {
            tracked.collector.add_to(&mut coverage);
        }
        coverage.wall_ns = now_ns() - self.start_ns;
        coverage.open_ns = coverage.wall_ns;
        coverage
    }
}
