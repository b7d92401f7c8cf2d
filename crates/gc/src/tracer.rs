//! Picks the best source that the build and the machine allow, and says which and why.
#![allow(unsafe_code)]

use crate::poll::PollSource;
use crate::ring::RingSource;
use crate::watch::{WatchSource, diagnose};
use crate::{Choice, Coverage, Error, GenerationCoverage, Pause, PauseSource, Result, SourceKind};
use m5_cpython::{GcState, Interpreter};
use m5_target::Process;
use std::time::Duration;

/// How to trace.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TraceOptions {
    /// Use this source or fail, instead of the best one.
    pub source: Option<SourceKind>,
    /// The most that tracing may add to the target's CPU, as a share (0.01 is 1 %); `None` is no limit.
    pub max_overhead: Option<f64>,
    /// Follow child processes too, where the source can.
    pub children: bool,
}

/// A running trace of one process.
pub struct Tracer {
    source: Box<dyn PauseSource + Send>,
    choice: Choice,
    reason: String,
}

impl Tracer {
    /// Starts tracing.
    ///
    /// # Errors
    /// Where the interpreter cannot be read, or the source that was asked for cannot be had.
    pub fn attach(process: &Process, interpreter: &Interpreter, options: &TraceOptions) -> Result<Self> {
        let (source, choice) = choose(process, interpreter, options)?;
        Ok(Self { source, reason: choice.to_string(), choice })
    }

    /// How pauses are seen.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.source.kind()
    }

    /// Why this source was chosen.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The same in a few English words for a log; reports translate the choice instead.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How often [`Tracer::drain`] should be called.
    #[must_use]
    pub fn interval(&self) -> Duration {
        match self.kind() {
            SourceKind::Poll => Duration::from_millis(1),
            SourceKind::Ring => Duration::from_millis(10),
            SourceKind::Watchpoint => Duration::from_millis(20),
        }
    }

    /// Appends the pauses that ended since the last call.
    ///
    /// # Errors
    /// Where the target can no longer be read; what was seen before stays valid.
    pub fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        self.source.drain(pauses)
    }

    /// What was seen and missed so far.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.source.coverage()
    }
}

fn choose(
    process: &Process,
    interpreter: &Interpreter,
    options: &TraceOptions,
) -> Result<(Box<dyn PauseSource + Send>, Choice)> {
    let (interpreter, pid) = (interpreter.clone(), process.pid());
    let records = interpreter.rings()?.is_some();
    let asked = |source| Choice::Asked { source };
    let watch = || WatchSource::new(process, vec![interpreter.clone()], options.children);
    Ok(match options.source {
        None if records => (Box::new(RingSource::new(interpreter, pid)?), Choice::Records),
        None => match watch() {
            Ok(source) => (Box::new(source), Choice::Best),
            Err(error) => {
                let obstacle = diagnose(error);
                (Box::new(PollSource::new(interpreter, pid)?), Choice::Fallback { obstacle })
            }
        },
        Some(SourceKind::Ring) if !records => return Err(Error::NoRecords),
        Some(kind @ SourceKind::Ring) => (Box::new(RingSource::new(interpreter, pid)?), asked(kind)),
        Some(kind @ SourceKind::Watchpoint) => {
            let source = watch().map_err(|error| Error::Obstacle(diagnose(error)))?;
            (Box::new(source), asked(kind))
        }
        Some(kind @ SourceKind::Poll) => (Box::new(PollSource::new(interpreter, pid)?), asked(kind)),
    })
}

/// CLOCK_MONOTONIC, the clock of every pause.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusively borrowed timespec; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seen against happened: the interpreter's counters at the start and now.
pub(crate) struct Counts {
    start_ns: u64,
    start: [u64; 3],
    now: [u64; 3],
    pub(crate) seen: [u64; 3],
}

impl Counts {
    pub(crate) fn new(state: &GcState) -> Self {
        let start = state.generations.map(|g| g.collections);
        Self { start_ns: now_ns(), start, now: start, seen: [0; 3] }
    }

    pub(crate) fn update(&mut self, state: &GcState) {
        self.now = state.generations.map(|g| g.collections);
    }

    pub(crate) fn coverage(&self, lost: u64) -> Coverage {
        let wall_ns = now_ns() - self.start_ns;
        let generations = [0, 1, 2].map(|g| GenerationCoverage {
            seen: self.seen[g],
            happened: self.now[g].saturating_sub(self.start[g]),
        });
        Coverage { generations, lost, open_ns: wall_ns, wall_ns, ..Coverage::default() }
    }
}
