//! Which threads of a process run Python: a library's own (gRPC, ZeroMQ, a runtime in Rust) may do what Python's do, and are none.

use crate::{Interpreter, Result, living_threads};
use m5_process::Process;
use std::collections::HashSet;

/// The threads that were seen with a state of the interpreter, and those that were seen to live without one.
#[derive(Debug, Default)]
pub struct PythonThreads {
    with: HashSet<i32>,
    without: HashSet<i32>,
}

impl PythonThreads {
    /// Looks at the threads that live now.
    ///
    /// # Errors
    /// [`crate::Error`] where they cannot be listed: the process has ended.
    pub fn look(&mut self, process: &Process, interpreter: &Interpreter) -> Result<()> {
        let alive = living_threads(process)?;
        let (mut states, mut found) = (0, HashSet::new());
        for each in interpreter.each()? {
            states += each.threads()?.len();
            found.extend(each.thread_states(&alive)?.into_iter().map(|(tid, _)| tid));
        }
        // A state whose thread is not known may be that of any.
        if states == found.len() {
            self.without.extend(alive.into_values().filter(|tid| !found.contains(tid)));
        }
        self.with.extend(found);
        Ok(())
    }

    /// Whether a thread was looked at.
    #[must_use]
    pub fn knows(&self, tid: i32) -> bool {
        self.with.contains(&tid) || self.without.contains(&tid)
    }

    /// Whether a thread may run Python: all but those that were only ever seen without a state.
    #[must_use]
    pub fn may_run(&self, tid: i32) -> bool {
        self.with.contains(&tid) || !self.without.contains(&tid)
    }
}
