//! The programs under watch: the target, and the Python programs among its descendants if they are wanted.

use super::arch::REGISTERS;
use super::attach::{Group, Rings};
use super::collector::Collector;
use super::endless;
use super::program::{Program, flag_site};
use crate::perf::{OpenError, Record};
use crate::tracer::now_ns;
use m5_cpython::Interpreter;
use m5_process::Process;
use std::time::Duration;

/// Readings of a beginning until one falls between two collections' writes; each takes a fraction of a
/// millisecond.
const QUIET_TRIES: usize = 50;
/// A write is in memory a moment before its record is in the ring.
const TRAP: Duration = Duration::from_micros(40);

/// A program under watch, with the processes forked from it.
pub(crate) struct Attached {
    pub(crate) id: u64,
    pub(crate) process: Process,
    pub(crate) program: Program,
    main: Group,
    /// Further interpreters' flags, each switched with the rest, closed when the interpreter goes.
    others: Vec<(u64, Group)>,
    children: bool,
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
        if endless::would_be(process, interpreters) {
            return Err(endless::REFUSED);
        }
        let mut registers = REGISTERS;
        loop {
            let program = Program::new(interpreters, registers).ok().flatten();
            let program = program.ok_or(OpenError(libc::ESRCH))?;
            let of = |stands: bool| {
                let sites = program.sites.iter().filter(|s| s.write.stands() == stands);
                sites.map(|s| s.watched).collect()
            };
            let mut main = Group::new(of(true), of(false), children);
            match main.cover(process, rings, records) {
                Ok(()) => {
                    let (process, image) = (process.clone(), image(process.pid()));
                    return Ok(Self { id, process, program, main, others: Vec::new(), children, image });
                }
                Err(OpenError(libc::ENOSPC)) if registers > 1 => {
                    registers -= 1;
                    rings.forget(process);
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
                let collectors = interpreters.iter().cloned().zip(&states);
                return Ok((collectors.map(|(i, s)| Collector::new(pid, i, s)).collect(), after));
            }
        }
    }

    /// Watches what escaped; the threads born of watched ones need nothing.
    pub(crate) fn cover(&mut self, rings: &mut Rings, records: &mut Vec<Record>) {
        // What cannot be watched shows in the coverage.
        let _ = self.main.cover(&self.process, rings, records);
    }

    /// Opens or closes the watch.
    pub(crate) fn switch(&mut self, on: bool) {
        self.main.switch(on);
        for (_, group) in &mut self.others {
            group.switch(on);
        }
    }

    /// Watches a further interpreter where a register is free.
    pub(crate) fn join(&mut self, interpreter: &Interpreter, rings: &Rings) {
        if self.program.sites.len() >= REGISTERS {
            return;
        }
        let site = flag_site(interpreter.collecting_address());
        let mut group = Group::new(Vec::new(), vec![site.watched], self.children);
        group.switch(self.main.on());
        if group.add(&self.process, rings).is_ok() {
            self.program.sites.push(site);
            self.others.push((site.flag, group));
        }
    }

    /// Stops watching an interpreter that has gone: its memory belongs to others now.
    pub(crate) fn leave(&mut self, flag: u64) {
        self.others.retain(|(of, _)| *of != flag);
        self.program.sites.retain(|s| s.flag != flag);
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
