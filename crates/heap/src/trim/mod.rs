//! Memory that the C library holds free is given back to the system, from outside.
//!
//! The allocator's own books say what is free. They are read of a process that stands still, at a moment in which no
//! thread is inside the allocator, and only whole pages strictly inside a free chunk or the unused top go: the books
//! themselves stay as they are. It is what `malloc_trim` does, with no code of the target run.

mod allowed;
mod arenas;
mod error;
mod give;
mod library;
mod lists;
mod moment;
pub(crate) mod others;
mod pinned;
mod plan;
mod progress;
mod refusal;
mod stock;

pub use error::TrimError;
pub use others::{FreeElsewhere, OtherAllocator, RETURNING, Returning};
pub use pinned::{Pinned, pinned};
pub use progress::{Progress, ToTheEnd};
pub use stock::FreePart;

use crate::trim::give::{Given, Giver, Left};
use crate::trim::library::Library;
use crate::trim::moment::Inside;
use m5_process::{
    CallCode, Execution, FirstVictim, Guard, Headroom, Mapping, Process, TraceError, may_call, with_tracer,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrimOptions {
    /// Longest single stop of the target.
    pub max_pause: Duration,
    /// Less than so many bytes are not worth a stop.
    pub least_bytes: u64,
    /// Longest time for all of it.
    pub most_time: Duration,
}

impl Default for TrimOptions {
    fn default() -> Self {
        Self {
            max_pause: Duration::from_millis(5),
            least_bytes: 10 << 20,
            most_time: Duration::from_secs(60),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All that was free went back.
    Done,
    /// Less was free than is worth a stop.
    TooLittle,
    /// It was only looked.
    Looked,
    /// A thread was inside the allocator whenever the process was stopped.
    Busy,
    /// Where the thread stood could not be told from the inside of the allocator.
    Unclear,
    /// To stop all threads takes longer than a pause may.
    Late,
    /// Some lists are too long to be followed within a pause.
    OutOfReach,
    /// The time was over, or it was asked to end.
    Stopped,
    /// The kernel would not take some of it.
    Refused,
}

/// What was free, what went back, at which cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trim {
    /// Version of the GNU C library.
    pub library: String,
    /// Free memory by arena, before.
    pub free: Vec<FreePart>,
    /// How it ended.
    pub ended: Ended,
    /// Bytes in memory that went back.
    pub given_bytes: u64,
    /// Bytes that the kernel would not take.
    pub refused_bytes: u64,
    /// Its reason, an error number.
    pub refusal: Option<i32>,
    /// System calls that were made for it.
    pub calls: u64,
    /// Stops of the target, with those that found somebody inside the allocator.
    pub stops: u64,
    /// Those.
    pub missed_moments: u64,
    /// The longest stop.
    pub longest_stop_seconds: Option<f64>,
    /// The longest that one thread stood, which waited for a processor to make m5's calls, where all others had been let go.
    #[serde(default)]
    pub longest_alone_seconds: Option<f64>,
    /// All stops together.
    pub stopped_seconds: f64,
    /// From the first look to the last release.
    pub total_seconds: f64,
}

impl Trim {
    /// Bytes that could go back, before.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.free.iter().map(FreePart::bytes).sum()
    }

    /// Bytes that are free and must stay.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.free.iter().map(|part| part.kept_bytes).sum()
    }

    fn looked(library: &Library, free: Vec<FreePart>, began: Instant) -> Self {
        Self {
            library: format!("2.{}", library.minor),
            free,
            ended: Ended::Looked,
            given_bytes: 0,
            refused_bytes: 0,
            refusal: None,
            calls: 0,
            stops: 0,
            missed_moments: 0,
            longest_stop_seconds: None,
            longest_alone_seconds: None,
            stopped_seconds: 0.0,
            total_seconds: began.elapsed().as_secs_f64(),
        }
    }

    fn gave(&mut self, given: &Given, began: Instant) {
        self.given_bytes = given.bytes;
        self.refused_bytes = given.refused_bytes;
        self.refusal = given.refusal;
        self.calls = given.calls;
        self.stops = given.stops.len() as u64;
        self.missed_moments = given.missed;
        self.longest_stop_seconds = given.stops.iter().max().map(Duration::as_secs_f64);
        self.longest_alone_seconds = given.alone.map(|stood| stood.as_secs_f64());
        self.stopped_seconds = given.stops.iter().sum::<Duration>().as_secs_f64();
        self.total_seconds = began.elapsed().as_secs_f64();
        self.ended = match given.left {
            Some(Left::Inside(Inside::Code | Inside::Signal)) => Ended::Unclear,
            Some(Left::Inside(Inside::Locked | Inside::Asleep)) => Ended::Busy,
            Some(Left::Late) => Ended::Late,
            Some(Left::OutOfReach) => Ended::OutOfReach,
            Some(Left::Ended) => Ended::Stopped,
            None if given.refused_bytes > 0 => Ended::Refused,
            None => Ended::Done,
        };
    }
}

/// Looks what could go back; the process runs on and is not touched.
///
/// # Errors
/// [`TrimError`] where its allocator is not known.
pub fn look(process: &Process) -> Result<Trim, TrimError> {
    let began = Instant::now();
    let library = Library::find(process, &mappings(process)?)?;
    let plan = plan::plan(process, &library)?;
    Ok(Trim::looked(&library, plan.stocks.iter().map(|s| s.part).collect(), began))
}

/// Its mappings; who has ended and was not asked for its end yet has none, and nothing to give back.
fn mappings(process: &Process) -> Result<Vec<Mapping>, TrimError> {
    let maps = process.maps()?;
    if maps.is_empty() && !process.alive() {
        return Err(m5_process::Error::NoSuchProcess { pid: process.pid() }.into());
    }
    Ok(maps)
}

/// Allocators beside the C library's.
///
/// # Errors
/// [`TrimError`] where its mappings may not be read: it has ended, or may not be traced.
pub fn other_allocators(process: &Process) -> Result<Vec<OtherAllocator>, TrimError> {
    let told = || {
        process.environment().is_ok_and(|e| e.iter().any(|line| line.starts_with("PYTHONMALLOC=mimalloc")))
    };
    let built = || m5_cpython::Interpreter::attach(process).is_ok_and(|i| i.layout().free_threaded);
    Ok(others::others(&process.maps()?, told() || built()))
}

/// Gives back what is free.
///
/// # Errors
/// [`TrimError`] where that is not safe, or the process is gone.
pub fn trim(process: &Process, options: &TrimOptions, progress: &dyn Progress) -> Result<Trim, TrimError> {
    let began = Instant::now();
    let _first = FirstVictim::begin();
    let execution = Execution::held(process);
    let library = Library::find(process, &mappings(process)?)?;
    refusal::check(process)?;
    may_call(process)?;
    let mut plan = plan::plan(process, &library)?;
    let mut trim = Trim::looked(&library, plan.stocks.iter().map(|s| s.part).collect(), began);
    if trim.free_bytes() < options.least_bytes {
        trim.ended = Ended::TooLittle;
        return Ok(trim);
    }
    let headroom = Headroom::of(process.pid());
    let mut given = Given::default();
    let done = with_tracer(|| {
        let guard = Guard::start(&headroom)
            .map_err(|source| TraceError::System { what: "the guard process", source })?;
        let code = CallCode::find(process)?;
        code.reap_strays(process, &guard, options.max_pause)?;
        let giver = Giver {
            process,
            guard: &guard,
            code,
            execution: &execution,
            library: &library,
            max_pause: options.max_pause,
            end: began + options.most_time,
            progress,
        };
        Ok(giver.give(&mut plan, &mut given))
    });
    if execution.replaced() {
        return Err(TraceError::Replaced.into());
    }
    done??;
    trim.gave(&given, began);
    Ok(trim)
}
