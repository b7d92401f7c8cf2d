//! Picks the best source that the build and the machine allow, and says which and why.

use crate::counts::now_ns;
use crate::poll::PollSource;
use crate::ring::RingSource;
use crate::told::{Teller, ToldSource};
use crate::watch::{Traps, Wanted, WatchSource, diagnose};
use crate::{
    Choice, Coverage, Detail, Error, InterpreterCollections, Obstacle, Pause, PauseSource, Result, SourceKind,
};
use m5_cpython::Interpreter;
use m5_cpython::layout::Stats;
use m5_process::{Execution, Process};
use std::os::fd::BorrowedFd;
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
    execution: Execution,
    /// What was counted when the process was last seen to go on, for a source that reads its memory.
    last: (Coverage, Vec<InterpreterCollections>),
    /// It executes something else.
    over: bool,
    /// What is polled should the source have to be given up; `None` where the caller wants this source or none.
    polled: Option<(Interpreter, i32)>,
    choice: Choice,
    reason: String,
}

impl Tracer {
    /// Starts tracing.
    ///
    /// # Errors
    /// Where the interpreter cannot be read, or the source that was asked for cannot be had.
    pub fn attach(process: &Process, interpreter: &Interpreter, options: &TraceOptions) -> Result<Self> {
        Self::attach_seeded(process, interpreter, options, now_ns())
    }

    /// The same; where registers are short, `teller` may stand in, which takes a single one.
    ///
    /// # Errors
    /// As [`Tracer::attach`].
    pub fn attach_or_told(
        process: &Process,
        interpreter: &Interpreter,
        options: &TraceOptions,
        teller: &dyn Fn() -> Option<Box<dyn Teller>>,
    ) -> Result<Self> {
        Self::begin(process, interpreter, options, now_ns(), teller)
    }

    /// The same, with the seed of the chance that opens and closes the watch when the overhead is limited.
    ///
    /// # Errors
    /// As [`Tracer::attach`].
    pub fn attach_seeded(
        process: &Process,
        interpreter: &Interpreter,
        options: &TraceOptions,
        seed: u64,
    ) -> Result<Self> {
        Self::begin(process, interpreter, options, seed, &|| None)
    }

    fn begin(
        process: &Process,
        interpreter: &Interpreter,
        options: &TraceOptions,
        seed: u64,
        teller: &dyn Fn() -> Option<Box<dyn Teller>>,
    ) -> Result<Self> {
        let execution = Execution::held(process);
        let (source, choice) = choose(process, interpreter, options, seed, teller)?;
        let polled = options.source.is_none().then(|| (interpreter.clone(), process.pid()));
        let (last, over) = ((source.coverage(), source.interpreters()), false);
        Ok(Self { source, execution, last, over, polled, reason: choice.to_string(), choice })
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

    /// How often [`Tracer::drain`] should be called; ask again after each call.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.source.interval()
    }

    /// What becomes readable long before anything could be lost. Who waits for these may put [`Tracer::drain`] off for longer
    /// than [`Tracer::interval`], up to a second; none where it may not be put off. Ask again after each call.
    #[must_use]
    pub fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        self.source.wakers()
    }

    /// Whether nothing was told since the last call of [`Tracer::drain`], where it would have been.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.source.is_silent()
    }

    /// Appends the pauses that ended since the last call.
    ///
    /// # Errors
    /// Where the target can no longer be read, or executes something else; what was seen before stays valid.
    pub fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let from = pauses.len();
        let drained = match self.source.drain(pauses) {
            Err(Error::Obstacle(obstacle)) if self.polled.is_some() => self.give_up(obstacle),
            done => done,
        };
        if !self.source.told() {
            self.over |= self.execution.replaced();
            if self.over {
                // What was just read may be of what it executes now.
                pauses.truncate(from);
                self.source.details(&mut Vec::new());
                return Err(m5_process::Error::NoSuchProcess { pid: self.execution.process().pid() }.into());
            }
            self.last = (self.source.coverage(), self.source.interpreters());
        }
        drained
    }

    /// Polls from here on.
    fn give_up(&mut self, obstacle: Obstacle) -> Result<()> {
        if let Some((interpreter, pid)) = self.polled.take() {
            self.source = Box::new(PollSource::new(&interpreter, pid)?);
            self.choice = Choice::Fallback { obstacle };
            self.reason = self.choice.to_string();
        }
        Ok(())
    }

    /// From now on, reads the Python stack of the collecting thread during pauses longer than this; they come
    /// with the details. To catch them, `interval` becomes half of it. It costs the target nothing, m5 a little.
    pub fn stacks_above(&mut self, limit: Duration) {
        self.source.stacks_above(limit);
    }

    /// Appends what more is known of the pauses drained so far.
    pub fn details(&mut self, details: &mut Vec<Detail>) {
        self.source.details(details);
    }

    /// What was seen and missed so far.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        if self.over { self.last.0 } else { self.source.coverage() }
    }

    /// What each interpreter of the process collected, the main one first.
    #[must_use]
    pub fn interpreters(&self) -> Vec<InterpreterCollections> {
        if self.over { self.last.1.clone() } else { self.source.interpreters() }
    }
}

fn choose(
    process: &Process,
    interpreter: &Interpreter,
    options: &TraceOptions,
    seed: u64,
    teller: &dyn Fn() -> Option<Box<dyn Teller>>,
) -> Result<(Box<dyn PauseSource + Send>, Choice)> {
    let pid = process.pid();
    /// A ring of fewer records is overwritten between two looks.
    const ENOUGH: u8 = 3;
    let records = interpreter.rings()?.is_some();
    let all_records = records && interpreter.records_kept() >= Some(ENOUGH);
    let asked = |source| Choice::Asked { source };
    let (children, max_overhead) = (options.children, options.max_overhead);
    let watch = || WatchSource::new(process, interpreter, Wanted { children, max_overhead, seed });
    Ok(match options.source {
        None if all_records => {
            (Box::new(RingSource::new(process, interpreter, options.children)?), Choice::Records)
        }
        None => match watch() {
            Ok(source) => {
                let Some((free, wanted)) = source.few_registers() else {
                    let choice = if records { Choice::FewRecords } else { Choice::Best };
                    return Ok((Box::new(source), choice));
                };
                // Within a budget a program in the kernel looks in windows only, and full collections outside of them would be
                // missed: this watch sees those.
                if options.max_overhead.is_some() {
                    return Ok((Box::new(source), Choice::FewRegisters { free, wanted }));
                }
                // The registers that it got are what the program in the kernel needs.
                drop(source);
                if let Some(source) = told(interpreter, options, teller) {
                    return Ok((Box::new(source), Choice::Counters { free, wanted }));
                }
                match watch() {
                    Ok(source) => (Box::new(source), Choice::FewRegisters { free, wanted }),
                    Err(error) => {
                        let obstacle = diagnose(error);
                        (Box::new(PollSource::new(interpreter, pid)?), Choice::Fallback { obstacle })
                    }
                }
            }
            Err(error) => {
                let obstacle = diagnose(error);
                (Box::new(PollSource::new(interpreter, pid)?), Choice::Fallback { obstacle })
            }
        },
        Some(SourceKind::Ring) if !records => return Err(Error::NoRecords),
        Some(kind @ SourceKind::Ring) => {
            (Box::new(RingSource::new(process, interpreter, options.children)?), asked(kind))
        }
        Some(kind @ SourceKind::Watchpoint) => {
            let source = watch().map_err(|error| Error::Obstacle(diagnose(error)))?;
            (Box::new(source), asked(kind))
        }
        Some(kind @ SourceKind::Poll) => (Box::new(PollSource::new(interpreter, pid)?), asked(kind)),
    })
}

/// What a program in the kernel tells, of builds whose counters it can read.
fn told(
    interpreter: &Interpreter,
    options: &TraceOptions,
    teller: &dyn Fn() -> Option<Box<dyn Teller>>,
) -> Option<ToldSource> {
    let layout = interpreter.layout();
    let counted = matches!(layout.stats, Stats::Inline { .. }) && !layout.free_threaded;
    if options.children || !counted {
        return None;
    }
    ToldSource::new(interpreter, teller()?, Traps::measured().ok()?).ok()
}
