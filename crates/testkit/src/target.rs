//! A Python program under test: ends with the value, speaks in lines over pipes.

use crate::Python;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while a child is forked that does not execute its program yet.
static FORKING: Mutex<()> = Mutex::new(());

/// While this is held no test of this binary starts a program through this crate. Until it executes, a child holds copies
/// of all descriptors, also of those that are closed here meanwhile: a debug register that was given back is not free.
pub fn nothing_starts() -> MutexGuard<'static, ()> {
    FORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts it; when this returns, it executes its program.
pub(crate) fn start(command: &mut Command) -> std::io::Result<Child> {
    let _alone = nothing_starts();
    command.spawn()
}

/// A running program. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Target {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Target {
    /// Starts `program` (the text of a Python script) with `python -I -c`; what it prints on standard output
    /// is read line by line with [`Target::line`], what it reads from standard input comes from
    /// [`Target::say`].
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(python: &Python, program: &str) -> Self {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", program]);
        Self::spawn(command)
    }

    /// Starts any command with its standard input and output piped.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start(command).expect("target starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for its next line.
    ///
    /// # Panics
    /// Where it ended without one.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let n = self.output.read_line(&mut line).expect("readable");
        assert!(n > 0, "the target ended before it said anything: {:?}", self.child.try_wait());
        line.truncate(line.trim_end().len());
        line
    }

    /// The numbers of its next line.
    ///
    /// # Panics
    /// Where a word of it is no number.
    pub fn numbers<T: std::str::FromStr>(&mut self) -> Vec<T> {
        let line = self.line();
        let parse = |w: &str| w.parse().unwrap_or_else(|_| panic!("not a number in {line:?}"));
        line.split_whitespace().map(parse).collect()
    }

    /// Sends it a line.
    ///
    /// # Panics
    /// Where it no longer reads.
    pub fn say(&mut self, line: &str) {
        // In one piece: a target may end on its first byte.
        if let Err(error) = self.input.write_all(format!("{line}\n").as_bytes()) {
            panic!("the target does not listen: {error}; {:?}", self.child.try_wait());
        }
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
