//! The interpreter of a watched process: read, or the reason why it is not; and the tracer of its pauses.

use m5_cpython::{Error, Interpreter};
use m5_gc::{SourceKind, TraceOptions, Tracer};
use m5_process::Process;

/// Whether and how the interpreter is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readable {
    /// It is; its layout's name.
    Yes(String),
    /// It is not, and why.
    No(String),
}

/// An interpreter that could not be read yet is looked for again after this long, then after twice as long, and so on.
const FIRST_WAIT_NS: u64 = 250_000_000;
const LONGEST_WAIT_NS: u64 = 60_000_000_000;

/// What of an interpreter is in m5's hands.
pub(super) struct Attached {
    pub(super) interpreter: Option<Interpreter>,
    pub(super) unread: Option<Error>,
    pub(super) readable: Readable,
    pub(super) tracer: Option<Tracer>,
    /// The most that tracing may add to the target's CPU, while that is still to come.
    overhead: Option<f64>,
    /// When it was last looked for, CLOCK_MONOTONIC nanoseconds.
    pub(super) looked_ns: u64,
    wait_ns: u64,
}

impl Attached {
    pub(super) fn new(
        process: &Process,
        found: m5_cpython::Result<Interpreter>,
        overhead: Option<f64>,
        now_ns: u64,
    ) -> Self {
        let mut attached = Self {
            interpreter: None,
            unread: None,
            readable: Readable::No(String::new()),
            tracer: None,
            overhead,
            looked_ns: now_ns,
            wait_ns: FIRST_WAIT_NS,
        };
        attached.take(process, found);
        attached
    }

    /// Whether its pauses are traced, or will be as soon as it can be read.
    pub(super) fn traced(&self) -> bool {
        self.tracer.is_some() || self.overhead.is_some()
    }

    fn take(&mut self, process: &Process, found: m5_cpython::Result<Interpreter>) {
        match found {
            Ok(interpreter) => {
                self.tracer = self.overhead.take().and_then(|share| trace(process, &interpreter, share));
                self.readable = Readable::Yes(interpreter.layout().name.to_owned());
                (self.interpreter, self.unread) = (Some(interpreter), None);
            }
            Err(error) => {
                self.overhead = self.overhead.filter(|_| passing(&error));
                self.readable = Readable::No(error.to_string());
                self.unread = Some(error);
            }
        }
    }

    /// Looks once more for an interpreter that was still starting.
    pub(super) fn look_again(&mut self, process: &Process, now_ns: u64) {
        let due = now_ns.saturating_sub(self.looked_ns) >= self.wait_ns;
        if due && self.unread.as_ref().is_some_and(passing) {
            self.take(process, Interpreter::attach(process));
            (self.looked_ns, self.wait_ns) = (now_ns, LONGEST_WAIT_NS.min(self.wait_ns * 2));
        }
    }
}

/// Whether it may be another moment later: half a start looks like an interpreter that nobody knows.
fn passing(error: &Error) -> bool {
    !matches!(error, Error::FreeThreaded { .. } | Error::Process(m5_process::Error::Permission { .. }))
}

fn trace(process: &Process, interpreter: &Interpreter, share: f64) -> Option<Tracer> {
    let options = TraceOptions { max_overhead: Some(share), ..TraceOptions::default() };
    let tracer = Tracer::attach(process, interpreter, &options).ok()?;
    // A polled pause is only a bound; in a histogram it would look exact.
    (tracer.kind() != SourceKind::Poll).then_some(tracer)
}
