//! The loop of a soak test.

use super::{Clock, check, finish};
use m5_process::{Process, monotonic_ns, unix_ns};
use m5_report::doc::{End, Segment, Stress, StressCheck};
use std::path::PathBuf;
use std::time::Duration;

/// How to run a test.
#[derive(Debug, Clone)]
pub struct Options {
    /// Wall time between samples.
    pub interval: Duration,
    /// Go on after an anomaly.
    pub keep_going: bool,
    /// The test's clock.
    pub clock: Clock,
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// A moment passed; several times a second.
    Tick {
        /// Seconds of the test that are done.
        done_seconds: f64,
        /// Resident memory at the last sample.
        rss_bytes: Option<u64>,
    },
    /// A check was made.
    Check(&'a StressCheck),
    /// The test so far is worth keeping.
    Keep(&'a Stress),
}

/// Why a test could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// The process cannot be read.
    #[error(transparent)]
    Process(#[from] m5_process::Error),
    /// The target does not tell its event time.
    #[error("no event time in {}", .0.display())]
    NoClock(PathBuf),
}

const NAP: Duration = Duration::from_millis(100);
/// Wall time that a target may take to tell its first event time.
const PATIENCE_NS: u64 = 120_000_000_000;
/// Wall time between keepings, besides those after each check.
const KEEP_NS: u64 = 60_000_000_000;

/// Samples a process until the plan is done, an anomaly is found, the process ends, or `on` says stop.
///
/// A test that holds the same process already goes on with it; another process opens a new segment.
///
/// # Errors
/// Where the process cannot be read at all, or tells no event time.
pub fn run(
    stress: &mut Stress,
    process: &Process,
    options: &Options,
    on: &mut dyn FnMut(Event<'_>) -> bool,
) -> Result<(), SoakError> {
    open_segment(stress, process)?;
    let (begin, wall_before) = (monotonic_ns(), stress.wall_seconds);
    let (mut kept, mut told, mut sampled) = (begin, None, None);
    stress.end = loop {
        let now = monotonic_ns();
        stress.wall_seconds = wall_before + (now - begin) as f64 / 1e9;
        if sampled.is_none_or(|at| now >= at + options.interval.as_nanos() as u64) {
            sampled = Some(now);
            match sample(stress, process, &options.clock) {
                Sampled::Gone => break End::TargetExited,
                Sampled::Silent if told.is_none() && now - begin > PATIENCE_NS => {
                    let Clock::Events(path) = &options.clock else { break End::TargetExited };
                    return Err(SoakError::NoClock(path.clone()));
                }
                Sampled::Silent => {}
                Sampled::At(t) => told = Some(t),
            }
            if let Some(found) = due(stress, told) {
                let stop = !found.anomalies.is_empty() && !options.keep_going;
                on(Event::Check(&found));
                stress.checks.push(found);
                on(Event::Keep(stress));
                kept = now;
                if stop {
                    break End::Interrupted;
                }
            }
            if stress.done_seconds() >= stress.plan.duration_seconds {
                break End::Complete;
            }
        }
        if now - kept > KEEP_NS {
            on(Event::Keep(stress));
            kept = now;
        }
        let rss_bytes = stress.segments.last().and_then(|s| s.rss_bytes.last()).copied();
        if !on(Event::Tick { done_seconds: stress.done_seconds(), rss_bytes }) {
            break End::Interrupted;
        }
        std::thread::sleep(NAP.min(options.interval));
    };
    if stress.end == End::Complete {
        finish(stress);
    }
    Ok(())
}

/// Takes up the segment of the same process, or begins one.
fn open_segment(stress: &mut Stress, process: &Process) -> Result<(), SoakError> {
    let offset_seconds = stress.done_seconds();
    if stress.segments.last().is_some_and(|s| s.identity == process.identity()) {
        return Ok(());
    }
    stress.segments.push(Segment {
        identity: process.identity(),
        command: crate::record::redact(&process.command()?),
        started_unix_seconds: unix_ns() as f64 / 1e9,
        offset_seconds,
        t_seconds: Vec::new(),
        rss_bytes: Vec::new(),
        fds: Vec::new(),
    });
    Ok(())
}

enum Sampled {
    At(f64),
    /// The target runs and tells no time yet.
    Silent,
    Gone,
}

fn sample(stress: &mut Stress, process: &Process, clock: &Clock) -> Sampled {
    let Some(segment) = stress.segments.last_mut() else { return Sampled::Gone };
    let Some(rss) = process.status().ok().and_then(|s| s.rss_bytes).filter(|_| process.alive()) else {
        return Sampled::Gone;
    };
    let Some(seconds) = clock.seconds(segment.started_unix_seconds) else { return Sampled::Silent };
    let t = segment.offset_seconds + seconds;
    // A clock that stands still adds nothing: the target is busy with something else.
    if segment.t_seconds.last().is_none_or(|last| t > *last) {
        segment.t_seconds.push(t);
        segment.rss_bytes.push(rss);
        segment.fds.push(process.fds().ok().map(|f| f.total));
    }
    Sampled::At(t)
}

/// The check of the latest full interval that was not checked yet.
fn due(stress: &Stress, told: Option<f64>) -> Option<StressCheck> {
    let every = stress.plan.check_seconds;
    let at = (told?.min(stress.plan.duration_seconds) / every + 1e-9).floor() * every;
    let last = stress.checks.last().map_or(0.0, |c| c.t_seconds);
    (at > last + 0.5 * every).then(|| check(&stress.segments, at, &stress.plan)).flatten()
}
