//! A command that m5 starts and stops: found as soon as there is an interpreter in it or below it.
use crate::ctx::Ctx;
use crate::error::CliError;
use m5_cpython::Interpreter;
use m5_process::{Process, ends_with_us};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long an interpreter may take to start.
const START: Duration = Duration::from_secs(10);
/// How long a started command may take to end when asked to.
const STOP: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// A running command; dropped, it is asked to end, and made to.
#[derive(Debug)]
pub(crate) struct Launched {
    child: RefCell<Child>,
}

impl Launched {
    /// Starts a command to look at it: it is asked to end when m5 ends, also where m5 is killed. Where the report goes to standard output, what the command prints goes to standard
    /// error, so that the two do not mix.
    pub(crate) fn start(command: &[OsString], ctx: &Ctx) -> Result<Self, CliError> {
        Self::spawn(command, ctx, |start| {
            ends_with_us(start, signal_hook::consts::SIGTERM);
        })
    }

    /// Starts a service, which goes on where m5 is killed: whoever watches it may be worth less than it is.
    pub(crate) fn service(command: &[OsString], ctx: &Ctx) -> Result<Self, CliError> {
        Self::spawn(command, ctx, |_| ())
    }

    fn spawn(command: &[OsString], ctx: &Ctx, prepare: impl FnOnce(&mut Command)) -> Result<Self, CliError> {
        let (program, args) = command.split_first().ok_or(CliError::NoTarget)?;
        let mut start = Command::new(program);
        prepare(start.args(args));
        if ctx.owns_stdout() {
            start.stdout(std::io::stderr());
        }
        let child = start.stdin(Stdio::inherit()).spawn().map_err(|e| CliError::Spawn {
            command: program.to_string_lossy().into_owned(),
            reason: e.to_string(),
        })?;
        Ok(Self { child: RefCell::new(child) })
    }

    /// The first process at or below the command that has a running interpreter.
    pub(crate) fn python(&self) -> Result<Process, CliError> {
        let deadline = Instant::now() + START;
        let pid = self.child.borrow().id() as i32;
        loop {
            if self.ended() {
                return Err(CliError::EndedEarly);
            }
            let tree = std::iter::once(pid).chain(Process::descendants(pid).unwrap_or_default());
            let mut last = None;
            for process in tree.filter_map(|pid| Process::open(pid).ok()) {
                match Interpreter::attach(&process) {
                    Ok(_) => return Ok(process),
                    Err(error) => last = last.or(Some(error)),
                }
            }
            if Instant::now() > deadline {
                return Err(last.map_or(CliError::EndedEarly, Into::into));
            }
            sleep(STEP);
        }
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.child.borrow_mut().try_wait().map_or(true, |status| status.is_some())
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if self.ended() {
            return;
        }
        // The child was not waited for yet, so the pid is still its own.
        if let Some(pid) = Pid::from_raw(self.child.borrow().id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP;
        while !self.ended() {
            if Instant::now() > deadline {
                let mut child = self.child.borrow_mut();
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            sleep(STEP);
        }
    }
}
