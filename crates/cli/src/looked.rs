//! What a command looks at, and whether that goes on in the same execution to the end: pid and start time outlive an
//! exec, and two programs must not be told as one.

use crate::error::CliError;
use crate::signals::Stop;
use m5_process::{Execution, Process};
use std::cell::{OnceCell, RefCell};
use std::time::{Duration, Instant};

/// The processes that a command looks at, each in the execution in which it was chosen.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    executions: RefCell<Vec<Execution>>,
    /// The first that was found to execute something else, and when.
    replaced: RefCell<Option<(i32, Duration)>>,
    /// Whether what a recording began with is what was chosen.
    begun: OnceCell<bool>,
}

/// The longest that a wait takes to notice that there is nothing to wait for.
const STEP: Duration = Duration::from_millis(50);

impl Looked {
    /// A process that is looked at from now on.
    pub(crate) fn at(&self, process: &Process) {
        self.executions.borrow_mut().push(Execution::held(process));
    }

    /// How long it was looked at until one was found to execute another program.
    pub(crate) fn replaced_seconds(&self) -> Option<f64> {
        self.replaced().map(|(_, after)| after.as_secs_f64())
    }

    /// The error to end with where one executes another program by now.
    pub(crate) fn whole(&self) -> Result<(), CliError> {
        self.replaced().map_or(Ok(()), |(pid, after)| Err(CliError::Replaced { pid, after: Some(after) }))
    }

    /// The same where a target seems to have ended.
    pub(crate) fn whole_in_the_end(&self) -> Result<(), CliError> {
        // What is replaced stays so.
        let _ = self.executions.borrow().iter().any(Execution::replaced_in_the_end);
        self.whole()
    }

    /// To be asked all the time while something is recorded: false where, as that began, one executed another program
    /// already.
    pub(crate) fn begun(&self) -> bool {
        *self.begun.get_or_init(|| self.replaced().is_none())
    }

    /// The error to end with, in place of a report, where a recording began with another program than was chosen.
    pub(crate) fn recorded(&self) -> Result<(), CliError> {
        if self.begun() { Ok(()) } else { self.whole() }
    }

    /// Waits, no longer than all go on in the same execution; false where they did not, or somebody asked to stop.
    pub(crate) fn wait(&self, time: Duration, stop: &Stop) -> bool {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) {
            if !self.go_on() || !stop.wait(left.min(STEP)) {
                return false;
            }
        }
        self.go_on()
    }

    /// Whether all go on, in the same execution.
    pub(crate) fn go_on(&self) -> bool {
        self.replaced().is_none() && self.executions.borrow().iter().all(Execution::goes_on)
    }

    fn replaced(&self) -> Option<(i32, Duration)> {
        let mut known = self.replaced.borrow_mut();
        if known.is_none() {
            let executions = self.executions.borrow();
            *known = executions.iter().find_map(|e| Some((e.process().pid(), e.replaced_after()?)));
        }
        *known
    }
}
