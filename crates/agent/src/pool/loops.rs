//! The turns of event loops, counted for those services that ask for it.

use crate::service_name::name_matches;
use m5_cpython::{Interpreter, PythonThreads};
use m5_kernel::{Error, LoopCounter, Turns};
use m5_process::Process;
use std::collections::BTreeMap;

/// Which services ask for their turns to be counted: by the first name that fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnsOf {
    /// Names (`*` and `?` stand for any), and whether those ask for it.
    pub names: Vec<(String, bool)>,
}

impl TurnsOf {
    /// Whether a service asks for it.
    #[must_use]
    pub fn asks(&self, service: &str) -> bool {
        self.names.iter().find(|(name, _)| name_matches(name, service)).is_some_and(|(_, asks)| *asks)
    }

    /// Whether any may.
    #[must_use]
    pub fn any(&self) -> bool {
        self.names.iter().any(|(_, asks)| *asks)
    }
}

/// Counts turns of processes.
#[derive(Debug, Default)]
pub(super) struct Loops {
    wanted: TurnsOf,
    counter: Option<LoopCounter>,
    /// By process, which of its threads are Python's.
    counted: BTreeMap<i32, PythonThreads>,
}

impl Loops {
    /// Counts those of services that ask for it from now on. Where the kernel refuses, it is only known who asks.
    pub(super) fn want(&mut self, wanted: TurnsOf) -> Result<(), Error> {
        self.wanted = wanted;
        if self.counter.is_none() && self.wanted.any() {
            self.counter = Some(LoopCounter::new()?);
        }
        Ok(())
    }

    pub(super) fn asks(&self, service: &str) -> bool {
        self.wanted.asks(service)
    }

    pub(super) fn add(&mut self, pid: i32, max_overhead: f64) {
        if let Some(counter) = &mut self.counter
            && counter.add(pid, max_overhead).is_ok()
        {
            self.counted.insert(pid, PythonThreads::default());
        }
    }

    pub(super) fn forget(&mut self, pid: i32) {
        if self.counted.remove(&pid).is_some()
            && let Some(counter) = &mut self.counter
        {
            counter.forget(pid);
        }
    }

    pub(super) fn any(&self) -> bool {
        !self.counted.is_empty()
    }

    /// Keeps to the budgets. What the kernel refuses is seen as turns that are not covered.
    pub(super) fn step(&mut self) {
        if self.any()
            && let Some(counter) = &mut self.counter
        {
            let _refused = counter.step();
        }
    }

    /// Those of a process, without threads that run no Python.
    pub(super) fn turns(&mut self, process: &Process, interpreter: Option<&Interpreter>) -> Option<Turns> {
        let python = self.counted.get_mut(&process.pid())?;
        // While it cannot be told, every thread counts.
        let _told = interpreter.map(|interpreter| python.look(process, interpreter));
        self.counter.as_mut()?.turns(process.pid(), |tid| python.may_run(tid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_fits_says_it() {
        let names = [("api/admin", false), ("api*", true)].map(|(name, asks)| (name.to_owned(), asks));
        let wanted = TurnsOf { names: names.to_vec() };
        assert_eq!(["api/admin", "api", "batch"].map(|s| wanted.asks(s)), [false, true, false]);
        assert!(wanted.any() && !TurnsOf::default().any());
    }
}
