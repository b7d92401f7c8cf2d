//! The Python programs below a process, found again and again.

use m5_cpython::Interpreter;
use m5_process::Process;
use std::path::PathBuf;

/// What was found out about a process's descendants.
#[derive(Debug)]
pub(crate) struct Descendants {
    root: i32,
    /// Processes that run something else, by what they run: they may run Python later.
    others: Vec<(i32, Option<PathBuf>)>,
}

impl Descendants {
    pub(crate) fn of(root: i32) -> Self {
        Self { root, others: Vec::new() }
    }

    /// Descendants that run Python and are not known yet, each with its interpreters.
    pub(crate) fn new_programs(&mut self, known: impl Fn(i32) -> bool) -> Vec<(Process, Vec<Interpreter>)> {
        let mut found = Vec::new();
        let below = Process::descendants(self.root).unwrap_or_default();
        self.others.retain(|(pid, _)| below.contains(pid));
        for pid in below.into_iter().filter(|p| !known(*p)) {
            let program = (pid, std::fs::read_link(format!("/proc/{pid}/exe")).ok());
            if self.others.contains(&program) {
                continue;
            }
            let Ok(process) = Process::open(pid) else { continue };
            match Interpreter::attach(&process).and_then(|main| main.all()) {
                Ok(interpreters) => found.push((process, interpreters)),
                // One that is still starting is asked again.
                Err(m5_cpython::Error::Starting { .. }) => {}
                Err(_) => self.others.push(program),
            }
        }
        found
    }
}
