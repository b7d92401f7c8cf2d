//! The programs under watch: the target, and the Python programs among its descendants if they are wanted.

use super::arch::REGISTERS;
use super::collector::{Collector, Watching};
use super::exclusive_pairs;
use super::group::{Group, Set};
use super::program::Program;
use super::rings::Rings;
use crate::perf::{OpenError, Record};
use m5_cpython::{Interpreter, living_threads};
use m5_process::Process;
use m5_process::monotonic_ns as now_ns;
use std::time::Duration;

/// Readings of a beginning until one falls between two collections' writes; each takes a fraction of a
/// millisecond.
const QUIET_TRIES: usize = 50;
/// Threads that may be without a watch for a moment so that one of them gets a set of its own.
const HEIRS: usize = 256;
/// Registers come free a moment after the watch that had them was closed: they are asked for so often, so long apart.
const RELEASE_TRIES: usize = 20;
/// So often before one is done without: with one less a generation may not be told.
const LATE_TRIES: usize = 5;
const RELEASE: Duration = Duration::from_millis(1);
/// A thread that starts while its parent's events are opened may swap contexts with it: what is opened next no longer fits
/// its group (EINVAL), and all are opened anew, so often.
const SWAP_TRIES: usize = 5;
/// A write is in memory a moment before its record is in the ring.
const TRAP: Duration = Duration::from_micros(40);

/// A program under watch, with the processes forked from it.
pub(crate) struct Attached {
    pub(crate) id: u64,
    pub(crate) process: Process,
    pub(crate) program: Program,
    main: Group,
    /// A further interpreter whose threads are not known, watched in all that have a register left: its flag in
    /// windows, and the ends of its full collections at other times.
    sought: Option<(u64, Group)>,
    /// Threads may have sets of their own: where processes are followed, they would lose what they inherited.
    own_sets: bool,
    children: bool,
    /// A thread was seen in an interpreter where it had not been before.
    pub(crate) met: bool,
    /// The newest interpreter when they were last listed.
    pub(crate) newest: u64,
    image: Vec<u8>,
}

impl Attached {
    /// Watches a process with as many registers as are free; appends the records that came in meanwhile.
    pub(crate) fn open(
        id: u64,
        process: &Process,
        interpreters: &[Interpreter],
        children: bool,
        rings: &mut Rings,
        records: &mut Vec<Record>,
    ) -> Result<Self, OpenError> {
        if exclusive_pairs::would_be(process, interpreters) {
            return Err(exclusive_pairs::REFUSED);
        }
        let mut registers = REGISTERS;
        let (mut waits, mut late, mut swapped) = (0, 0, 0);
        loop {
            let program = Program::new(interpreters, registers).ok().flatten();
            let program = program.ok_or(OpenError(libc::ESRCH))?;
            let mut main = Group::new(program.usual(), children);
            match main.cover(process, rings, records) {
                Ok(()) => {
                    let (process, image) = (process.clone(), image(process.pid()));
                    let own_sets = !children || !rings.inherits();
                    let newest = program.main.newest().unwrap_or(0);
                    let (sought, met) = (None, false);
                    let mut attached =
                        Self { id, process, program, main, sought, own_sets, children, met, newest, image };
                    attached.settle(interpreters, true, rings);
                    return Ok(attached);
                }
                Err(OpenError(libc::ENOSPC)) if late < LATE_TRIES => {
                    late += 1;
                    rings.forget(process);
                    std::thread::sleep(RELEASE);
                }
                Err(OpenError(libc::ENOSPC)) if registers > 1 => {
                    (registers, late) = (registers - 1, 0);
                    rings.forget(process);
                }
                Err(OpenError(libc::EINVAL)) if swapped < SWAP_TRIES => {
                    swapped += 1;
                    rings.forget(process);
                    std::thread::sleep(RELEASE);
                }
                Err(OpenError(libc::ENOSPC)) if waits < RELEASE_TRIES => {
                    waits += 1;
                    rings.forget(process);
                    std::thread::sleep(RELEASE);
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Takes each collector's state at a moment when nothing happened; returns that moment.
    pub(crate) fn begin(
        &self,
        interpreters: &[Interpreter],
        rings: &mut Rings,
        records: &mut Vec<Record>,
    ) -> m5_cpython::Result<(Vec<Collector>, u64)> {
        let margin = TRAP.as_nanos() as u64;
        let mut tries = 0;
        loop {
            let before = now_ns();
            let states: m5_cpython::Result<Vec<_>> = interpreters.iter().map(Interpreter::read).collect();
            let after = now_ns();
            let states = states?;
            std::thread::sleep(TRAP);
            rings.drain(records);
            let busy = before - margin..=after;
            tries += 1;
            if tries >= QUIET_TRIES || !records.iter().any(|r| busy.contains(&r.time())) {
                let pid = self.process.pid();
                let collectors = interpreters.iter().cloned().zip(&states).map(|(interpreter, state)| {
                    let mut collector = Collector::new(pid, interpreter, state);
                    collector.mark(after, state);
                    collector
                });
                return Ok((collectors.collect(), after));
            }
        }
    }

    /// Watches what escaped; the threads born of watched ones need nothing.
    pub(crate) fn cover(&mut self, rings: &mut Rings, records: &mut Vec<Record>) {
        // What cannot be watched shows in the coverage.
        let _ = self.main.cover(&self.process, rings, records);
    }

    /// Opens or closes the watch.
    pub(crate) fn switch(&mut self, on: bool, rings: &Rings) {
        self.main.switch(on, rings);
        if let Some((_, group)) = &mut self.sought {
            group.switch(on, rings);
        }
    }

    /// These interpreters are there: gives each thread the words of those that it runs, where it can be told, and
    /// looks for the threads of the others. `ask` the interpreters for their threads, too.
    pub(crate) fn settle(&mut self, interpreters: &[Interpreter], ask: bool, rings: &mut Rings) {
        self.program.list(interpreters);
        let further = interpreters.get(1..).filter(|_| ask).unwrap_or_default();
        let alive =
            (!further.is_empty()).then(|| living_threads(&self.process).ok()).flatten().unwrap_or_default();
        for further in further {
            for (tid, _) in further.thread_states(&alive).unwrap_or_default() {
                self.program.at_home(tid, further.collecting_address());
            }
        }
        if self.own_sets {
            self.give_sets(rings);
        }
        self.seek(rings);
    }

    fn give_sets(&mut self, rings: &mut Rings) {
        let alive = self.process.threads().unwrap_or_default();
        loop {
            let main = &self.main;
            let may = |tid| alive.contains(&tid) && main.shares(tid, rings) <= HEIRS;
            let Some((tid, set)) = self.program.unsettled(may) else { return };
            // What is sought may hold the register.
            self.sought = None;
            // What cannot be watched shows in the coverage.
            let _ = self.main.replace(tid, set, &self.process, rings);
        }
    }

    fn seek(&mut self, rings: &Rings) {
        let sought = self.program.sought().filter(|_| self.program.has_room());
        if self.sought.as_ref().map(|(flag, _)| *flag) == sought.map(|(flag, _)| flag.flag) {
            return;
        }
        self.sought = None;
        let Some((flag, end)) = sought else { return };
        let set = Set { words: vec![flag.watched], instead: Some(end.watched) };
        let mut group = Group::new(set, self.children);
        group.switch(self.main.on(), rings);
        let mut tids = self.process.threads().unwrap_or_default();
        tids.retain(|tid| !self.program.has_own(*tid));
        if group.add(&tids, rings).is_ok() {
            self.sought = Some((flag.flag, group));
        }
    }

    /// What is watched of the interpreter with this flag.
    pub(crate) fn watching(&self, flag: u64) -> Watching {
        let sought = self.sought.as_ref().is_some_and(|(sought, _)| *sought == flag);
        match self.program.watches(flag) {
            false if !sought => Watching::Nothing,
            _ if self.program.tells_by_counts(flag, sought) => Watching::FlagAlone,
            _ => Watching::Whole,
        }
    }

    /// Words that are watched in windows only.
    pub(crate) fn switched(&self) -> usize {
        1 + usize::from(self.sought.is_some())
    }

    /// Whether the process still runs the program that was attached.
    pub(crate) fn same_program(&self, pid: i32) -> bool {
        image(pid) == self.image
    }
}

/// What tells a program in memory from the next one in the same process: where the kernel put its parts.
fn image(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/auxv")).unwrap_or_default()
}
