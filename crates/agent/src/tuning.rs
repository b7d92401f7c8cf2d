//! Tuning that is proved on the live process: measure, set, measure again for the same time, keep what helped,
//! take the rest back.

use crate::derive::complete;
use crate::objectives::ObjectivesByService;
use crate::record::{Progress, RecordOptions, record};
use m5_cpython::Interpreter;
use m5_gc::tune::{
    InterpreterSettings, Limits, Outcome, Proposal, Reject, Settings, TuneError, Tuner, Window, judge,
    propose,
};
use m5_process::Process;
use m5_report::doc::{Baseline, End, Optimization, ProcessRecord, Recorded, Trial};

/// How to tune.
#[derive(Debug, Clone)]
pub struct TuneOptions {
    /// How to measure each window.
    pub record: RecordOptions,
    /// What a change may cost.
    pub limits: Limits,
    /// Leave what helped when m5 ends.
    pub keep: bool,
}

/// What happens next, for the person who watches.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Thresholds are about to be set.
    Set {
        /// The settings now.
        from: Settings,
        /// The settings then.
        to: Settings,
    },
}

/// Slices of a window, at most: the more, the surer the interval.
const SLICES: usize = 60;

/// The window that a recording of one process is; `None` where its interpreter was not read.
#[must_use]
pub fn window(
    process: &ProcessRecord,
    recorded: &Recorded,
    settings: Settings,
    long_lived: Option<u64>,
) -> Option<Window> {
    let derived = process.derived.as_ref()?;
    let (gc, interpreter) = (derived.gc.as_ref()?, process.interpreter.as_ref()?);
    let log = process.pauses.as_ref()?;
    let seconds = log.coverage.wall_ns as f64 / 1e9;
    let unfreed =
        |state: &m5_cpython::GcState| state.generations.iter().map(|g| g.uncollectable).sum::<u64>();
    let mut slices = vec![0.0; SLICES];
    for (start, length) in log.start_seconds.iter().zip(&log.duration_seconds) {
        let at = (start / seconds * SLICES as f64).max(0.0) as usize;
        slices[at.min(SLICES - 1)] += length;
    }
    Some(Window {
        seconds,
        settings,
        pauses: [0, 1, 2].map(|g| log.durations(|of| of == Some(g))),
        slices,
        // By the tracer's own count, over the very time in which pauses were seen.
        happened: log.coverage.generations.map(|g| g.happened),
        collected: gc.generations.map(|g| g.collected),
        uncollectable: unfreed(&interpreter.gc_end).saturating_sub(unfreed(&interpreter.gc_begin)),
        unfinished: gc.unfinished_seconds,
        long_lived,
        rss_max: derived.memory.rss.map(|l| l.max as u64),
        rss_slope: derived
            .memory
            .rss
            .and_then(|l| m5_stats::rate(l.last - l.first, derived.observed_seconds)),
        ended_seconds: recorded.started_unix_seconds + recorded.observed_seconds,
        cpu_seconds: derived.cpu_ratio.map(|r| r * seconds),
    })
}

/// Tries what is worth it, the best first, until something helps. Whatever happens, what did not help is taken
/// back, and what did too unless it was to be kept.
///
/// # Errors
/// Where the settings cannot be written; then the old ones are back.
pub fn optimize(
    process: &Process,
    interpreter: &Interpreter,
    tuner: &Tuner,
    before: &Window,
    options: &TuneOptions,
    say: &mut dyn FnMut(Step),
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Optimization, TuneError> {
    let mut tried =
        Optimization { before: before.settings, trials: Vec::new(), stays: false, interrupted: false };
    for proposal in propose(before, interpreter.layout().collector, &options.limits) {
        let to = before.settings.with(proposal.thresholds);
        say(Step::Set { from: before.settings, to });
        let set = Set { tuner, before: tuner.set(Some(proposal.thresholds), None)? };
        let Some(trial) = try_out(process, interpreter, before, (proposal, to), options, go_on)? else {
            tried.interrupted = true;
            break;
        };
        let outcome = trial.judgement.outcome;
        tried.trials.push(trial);
        match outcome {
            Outcome::Keep if options.keep => {
                set.leave();
                tried.stays = true;
                break;
            }
            Outcome::Keep | Outcome::Reject(Reject::LoadChanged | Reject::TooFew) => break,
            Outcome::Reject(_) => {}
        }
    }
    Ok(tried)
}

/// Windows of one trial, at most: where too little happens in the first, it is made longer.
const MOST_WINDOWS: usize = 4;

/// Measures what a proposal brings; `None` where something stopped it.
fn try_out(
    process: &Process,
    interpreter: &Interpreter,
    before: &Window,
    (proposal, settings): (Proposal, Settings),
    options: &TuneOptions,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Option<Trial>, TuneError> {
    let mut after: Option<Window> = None;
    let mut trial = None;
    for _ in 0..MOST_WINDOWS {
        let (recorded, ended) = measure(process, options, go_on)?;
        let long_lived = interpreter.population().ok().and_then(|p| p.long_lived);
        let next =
            recorded.processes.first().and_then(|p| window(p, &recorded.recorded, settings, long_lived));
        let Some(next) = next.filter(|_| ended == Ended::Judgeable) else { return Ok(None) };
        let whole = match after.take() {
            Some(earlier) => earlier.join(next),
            None => next,
        };
        let seed = before
            .happened
            .iter()
            .chain(&whole.happened)
            .fold(1_u64, |seed, n| seed.wrapping_mul(31).wrapping_add(*n));
        let judgement = judge(before, &whole, &options.limits, seed);
        after = Some(whole);
        trial = Some(Trial { proposal, judgement });
        if judgement.outcome != Outcome::Reject(Reject::Unproven) {
            break;
        }
    }
    Ok(trial)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Its time was up, or memory ran over the limit: either can be judged.
    Judgeable,
    /// Somebody stopped it, or the target ended.
    Early,
}

/// A recording of one process; it ends at once when memory passes the limit.
fn measure(
    process: &Process,
    options: &TuneOptions,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> m5_process::Result<(Baseline, Ended)> {
    let mut over = false;
    let mut recorded = record(std::slice::from_ref(process), &options.record, &mut |progress| {
        over = options.limits.max_rss.zip(progress.rss_bytes).is_some_and(|(max, rss)| rss > max);
        !over && go_on(progress)
    })?;
    complete(&mut recorded, &ObjectivesByService::default());
    let judgeable = over || recorded.recorded.end == End::Complete;
    Ok((recorded, if judgeable { Ended::Judgeable } else { Ended::Early }))
}

/// Settings that are put back when the value goes, on every way out.
struct Set<'a> {
    tuner: &'a Tuner,
    before: Vec<InterpreterSettings>,
}

impl Set<'_> {
    fn leave(mut self) {
        self.before.clear();
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        if !self.before.is_empty() {
            // What cannot be put back now stays in the journal, for `m5 gc --undo`.
            let _ = self.tuner.restore(&self.before);
        }
    }
}
