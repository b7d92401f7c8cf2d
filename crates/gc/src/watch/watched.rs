//! What is under watch, and what comes and goes meanwhile: threads, forked processes, programs, interpreters.

use super::attached::Attached;
use super::collector::{Collector, Watching};
use super::rings::Rings;
use crate::descendants::Descendants;
use crate::perf::{OpenError, Record};
use m5_cpython::{GcState, Interpreter};
use m5_process::{Process, monotonic_ns as now_ns};

/// How often threads, processes and interpreters are listed again, in case one escaped.
const RESCAN_NS: u64 = 1_000_000_000;

/// Moments at which collectors are read of which not all is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// What is watched in windows is about to be.
    Opens,
    /// It is watched now.
    Opened,
    /// It is about to be watched no more.
    Closes,
}

/// A collector and the program it belongs to.
pub(super) struct Tracked {
    pub(super) program: u64,
    pub(super) collector: Collector,
    pub(super) gone: bool,
}

/// The collectors of one process and, if wanted, of its descendants, with what watches them.
pub(super) struct Watched {
    pub(super) process: Process,
    /// Its pid as the kernel's records have it: another one where its first thread has ended.
    group: i32,
    pub(super) children: bool,
    pub(super) rings: Rings,
    pub(super) programs: Vec<Attached>,
    pub(super) tracked: Vec<Tracked>,
    /// Records that were read and not yet looked at.
    pub(super) pending: Vec<Record>,
    /// Whether what is watched in windows only is watched now.
    on: bool,
    descendants: Option<Descendants>,
    programs_so_far: u64,
    scanned_ns: u64,
}

impl Watched {
    /// Nothing yet of this process.
    pub(super) fn new(process: &Process, children: bool, now: u64) -> Result<Self, OpenError> {
        Ok(Self {
            process: process.clone(),
            group: process.thread_group().unwrap_or(process.pid()),
            children,
            rings: Rings::open(process)?,
            programs: Vec::new(),
            tracked: Vec::new(),
            pending: Vec::new(),
            on: true,
            descendants: children.then(|| Descendants::of(process.pid())),
            programs_so_far: 0,
            scanned_ns: now,
        })
    }

    /// The processes, each once.
    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self.tracked.iter().map(|t| t.collector.pid).collect();
        pids.dedup();
        pids
    }

    /// What each collector says of itself, in their order.
    pub(super) fn states(&self) -> Vec<m5_cpython::Result<GcState>> {
        self.tracked.iter().map(|t| t.collector.interpreter.read()).collect()
    }

    /// The records until then, in the order of time, and whether there are no later ones yet.
    pub(super) fn records(&mut self, until: u64) -> (Vec<Record>, bool) {
        self.rings.drain(&mut self.pending);
        self.pending.sort_by_key(Record::time);
        let ready = self.pending.partition_point(|r| r.time() <= until);
        let all = ready == self.pending.len();
        let (group, pid) = (self.group, self.process.pid());
        (self.pending.drain(..ready).map(|record| record.renamed(group, pid)).collect(), all)
    }

    /// Takes out the collectors that are gone, but for the main one of the process itself, and the programs that
    /// nothing belongs to any more.
    pub(super) fn forget_gone(&mut self) -> Vec<Collector> {
        let pid = self.process.pid();
        let gone = self
            .tracked
            .extract_if(.., |t| t.gone && !t.collector.is_main_of(pid))
            .map(|t| t.collector)
            .collect();
        let tracked = &self.tracked;
        self.programs.retain(|p| tracked.iter().any(|t| t.program == p.id));
        gone
    }

    /// The process itself has ended, or executes something else.
    pub(super) fn ended(&mut self) {
        let pid = self.process.pid();
        self.tracked.iter_mut().filter(|t| t.collector.pid == pid).for_each(|t| t.gone = true);
    }

    /// Opens or closes what is watched in windows only.
    pub(super) fn switch(&mut self, on: bool) {
        let rings = &self.rings;
        self.programs.iter_mut().for_each(|p| p.switch(on, rings));
        self.on = on;
    }

    /// Whether full collections of the process are bounded by readings of the flag, for want of a register.
    pub(super) fn bounds_full(&self) -> bool {
        self.programs.first().is_some_and(|p| p.program.bounds_full())
    }

    /// Whether all that tells collections is watched in every interpreter, and in every thread from its birth.
    pub(super) fn is_whole(&self) -> bool {
        let whole = |t: &Tracked| {
            let of = self.programs.iter().find(|p| p.id == t.program);
            of.is_some_and(|p| p.watching(t.collector.interpreter.collecting_address()) == Watching::Whole)
        };
        self.rings.inherits() && self.tracked.iter().filter(|t| !t.gone).all(whole)
    }

    /// Reads collectors of which not all is watched.
    pub(super) fn mark(&mut self, moment: Moment) {
        let Self { programs, tracked, .. } = self;
        for tracked in tracked.iter_mut().filter(|t| !t.gone) {
            let Some(of) = programs.iter().find(|p| p.id == tracked.program) else { continue };
            let collector = &mut tracked.collector;
            let flag = collector.interpreter.collecting_address();
            let (by_counts, ends_told) =
                (of.watching(flag) == Watching::FlagAlone, of.program.ends_told(flag));
            if ends_told && !by_counts {
                continue;
            }
            let Ok(state) = collector.interpreter.read() else { continue };
            match moment {
                Moment::Opens => collector.opens(now_ns(), &state, ends_told),
                Moment::Opened => collector.opened(now_ns(), &state, ends_told),
                Moment::Closes => collector.mark(now_ns(), &state),
            }
        }
    }

    /// The flags are not watched, or have only just begun to be again.
    pub(super) fn unwatched(&mut self) {
        self.tracked.iter_mut().for_each(|t| t.collector.unwatched());
    }

    /// Watches one program; returns when its collectors' state was taken.
    pub(super) fn attach(
        &mut self,
        process: &Process,
        interpreters: &[Interpreter],
    ) -> Result<u64, OpenError> {
        self.programs_so_far += 1;
        let id = self.programs_so_far;
        let (rings, records) = (&mut self.rings, &mut self.pending);
        let mut attached = Attached::open(id, process, interpreters, self.children, rings, records)?;
        let begun = attached.begin(interpreters, &mut self.rings, &mut self.pending);
        let (collectors, start) = begun.map_err(|_| OpenError(libc::ESRCH))?;
        if !self.on {
            attached.switch(false, &self.rings);
        }
        self.programs.push(attached);
        self.tracked.extend(collectors.into_iter().map(|collector| Tracked {
            program: id,
            collector,
            gone: false,
        }));
        Ok(start)
    }

    /// Watches the Python programs among the descendants that are not known yet. One that was forked from a
    /// watched program after the beginning has inherited its watch, even if its birth was not told because the
    /// watch was closed.
    pub(super) fn adopt(&mut self, beginning: bool) {
        let Some(descendants) = &mut self.descendants else { return };
        let tracked = &self.tracked;
        let known = |pid| tracked.iter().any(|t| t.collector.pid == pid && !t.gone);
        for (process, interpreters) in descendants.new_programs(known) {
            let pid = process.pid();
            let forked_from = self.programs.iter().find(|p| p.same_program(pid)).map(|p| p.id);
            match forked_from.filter(|_| !beginning && self.rings.inherits()) {
                Some(program) => {
                    let born = interpreters.into_iter().filter_map(|interpreter| {
                        let state = interpreter.read().ok()?;
                        let collector = Collector::new(pid, interpreter, &state);
                        Some(Tracked { program, collector, gone: false })
                    });
                    self.tracked.extend(born);
                }
                // What cannot be watched is not claimed either.
                None => _ = self.attach(&process, &interpreters),
            }
        }
    }

    pub(super) fn fork(&mut self, parent: i32, pid: i32) {
        if self.tracked.iter().any(|t| t.collector.pid == pid && !t.gone) {
            return;
        }
        let of_parent = self.tracked.iter().filter(|t| t.collector.pid == parent && !t.gone);
        let born: Vec<Tracked> = of_parent
            .map(|t| Tracked { program: t.program, collector: t.collector.forked(pid), gone: false })
            .collect();
        self.tracked.extend(born);
    }

    /// Looks for threads that escaped, programs that were replaced, interpreters that came and went.
    pub(super) fn rescan(&mut self, now: u64) {
        let due = now - self.scanned_ns >= RESCAN_NS;
        for i in 0..self.programs.len() {
            let attached = &self.programs[i];
            let (id, pid) = (attached.id, attached.process.pid());
            let mine = self.tracked.iter().filter(|t| t.program == id && t.collector.pid == pid);
            let born = attached.program.main.newest().is_ok_and(|newest| newest != attached.newest);
            if due || born || attached.met || mine.count() > 1 {
                self.relist(i, due || born);
            }
            if due || !self.rings.inherits() {
                self.programs[i].cover(&mut self.rings, &mut self.pending);
            }
        }
        if !due {
            return;
        }
        self.scanned_ns = now;
        for tracked in &mut self.tracked {
            let of = self.programs.iter().find(|p| p.id == tracked.program);
            tracked.gone |= of.is_none_or(|p| !p.same_program(tracked.collector.pid));
        }
        self.adopt(false);
    }

    /// Compares the interpreters of a program with those under watch; `ask` them for their threads, too.
    fn relist(&mut self, program: usize, ask: bool) {
        let attached = &mut self.programs[program];
        let newest = attached.program.main.newest();
        let Ok(listed) = attached.program.main.all() else { return };
        attached.newest = newest.unwrap_or(attached.newest);
        let (pid, id) = (attached.process.pid(), attached.id);
        let same = |a: &Interpreter, b: &Interpreter| a.address() == b.address() && a.id() == b.id();
        let mine = self.tracked.iter_mut().filter(|t| t.collector.pid == pid && t.program == id);
        let mut known = Vec::new();
        let mut changed = std::mem::take(&mut attached.met);
        for tracked in mine {
            let interpreter = &tracked.collector.interpreter;
            if interpreter.id() != 0 && !listed.iter().any(|l| same(l, interpreter)) {
                tracked.gone = true;
                changed = true;
            }
            known.push(interpreter.clone());
        }
        let new = |i: &&Interpreter| !known.iter().any(|k| same(i, k));
        let lost = |i: &Interpreter| !attached.program.watches(i.collecting_address());
        let ask = listed.len() > 1 && (ask || listed.iter().any(lost));
        if changed || ask || listed.iter().any(|i| new(&i)) {
            attached.settle(&listed, ask, &mut self.rings);
        }
        for new in listed.iter().filter(new) {
            if let Ok(state) = new.read() {
                let collector = Collector::born(pid, new.clone(), &state);
                self.tracked.push(Tracked { program: id, collector, gone: false });
            }
        }
    }
}
