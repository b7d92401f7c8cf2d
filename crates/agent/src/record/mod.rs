//! The sampling loop: rounds of samples at fixed moments, pauses drained in between, until time is up, somebody
//! stops it, or every target has ended.

mod bare;
mod describe;
#[cfg(test)]
#[allow(clippy::panic)]
mod layers_live;
mod member;
mod on_pause;
mod pace;
mod redact;
mod sample;
mod starts;
mod traced;

pub use bare::bare_record;
pub(crate) use bare::{record_of, started_unix_seconds};
pub(crate) use describe::unread;
pub use describe::{describe, version};
pub(crate) use member::keep_largest;
pub use on_pause::OnPause;
pub(crate) use pace::Pace;
pub use redact::redact;
pub(crate) use sample::{collector_sample, population_sample, process_sample};

use crate::workload::{WorkloadSource, WorkloadWatch};
use m5_process::{
    Cgroups, Machine, Process, SocketTables, monotonic_ns, nap, nap_on, settle_memory, unix_ns,
};
use m5_report::doc::{BASELINE_SCHEMA, Baseline, End, Recorded};
use member::Member;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;
use traced::Tracing;

/// How to record.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// How long.
    pub duration: Duration,
    /// Time between samples.
    pub interval: Duration,
    /// Follow child processes.
    pub children: bool,
    /// Whether to trace pauses; undecided, they are traced of at most [`TRACED`] processes.
    pub pauses: Option<bool>,
    /// The most that tracing may add to a target's CPU, as a share.
    pub max_overhead: Option<f64>,
    /// Find out what pauses longer than this were doing.
    pub stacks_above: Option<Duration>,
    /// A load to hold growth against, in place of CPU time.
    pub workload: Option<WorkloadSource>,
}

/// Processes whose pauses are traced where nobody decided.
pub const TRACED: usize = 8;
/// How long the loop may sleep before it asks whether to stop.
const NAP_NS: u64 = 1_000_000_000;
/// Connections are read at least so often, whatever that costs.
const SOCKETS_SECONDS: f64 = 10.0;
/// Pauses are taken at least so often where nothing is lost meanwhile and nobody listens.
const UNHEARD_NS: u64 = 1_000_000_000;
/// Whoever has something to tell at every moment is listened to no more often than this.
const LEAST_NS: u64 = 1_000_000;
/// How long an ended target may go unnoticed between rare rounds.
const LOOK_NS: u64 = 1_000_000_000;

/// How far a recording is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Seconds since its begin.
    pub elapsed_seconds: f64,
    /// Resident memory of the first process at the last sample.
    pub rss_bytes: Option<u64>,
    /// Pauses seen so far, all processes.
    pub pauses: u64,
    /// Processes that still run.
    pub running: usize,
}

/// Records processes. `go_on` is asked several times a second.
///
/// # Errors
/// Where none of the processes can be opened.
pub fn record(
    processes: &[Process],
    options: &RecordOptions,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> m5_process::Result<Baseline> {
    recorded(Recorder::new(processes, options)?, &mut |_, _| {}, go_on)
}

/// The same; `on_pause` is told every pause soon after it ended, and what more is known of it.
///
/// # Errors
/// As [`record`].
pub fn record_heard(
    processes: &[Process],
    options: &RecordOptions,
    on_pause: &mut OnPause<'_>,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> m5_process::Result<Baseline> {
    let recorder = Recorder { heard: true, ..Recorder::new(processes, options)? };
    recorded(recorder, on_pause, go_on)
}

fn recorded(
    mut recorder: Recorder,
    on_pause: &mut OnPause<'_>,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> m5_process::Result<Baseline> {
    let end = recorder.run(on_pause, go_on);
    Ok(recorder.finish(end, on_pause))
}

struct Recorder {
    options: RecordOptions,
    members: Vec<Member>,
    begin_ns: u64,
    begin_unix_ns: u64,
    rounds_taken: u64,
    sockets: Pace,
    cgroups: Cgroups,
    tables: SocketTables,
    workload: Option<WorkloadWatch>,
    /// Somebody listens: pauses are told soon.
    heard: bool,
}

impl Recorder {
    fn new(processes: &[Process], options: &RecordOptions) -> m5_process::Result<Self> {
        let mut recorder = Self {
            options: options.clone(),
            members: Vec::new(),
            begin_ns: monotonic_ns(),
            begin_unix_ns: unix_ns(),
            rounds_taken: 0,
            sockets: Pace::new(0.0, SOCKETS_SECONDS.min(options.duration.as_secs_f64() / 30.0), 10_000.0),
            cgroups: Cgroups::default(),
            tables: SocketTables::default(),
            workload: None,
            heard: false,
        };
        let traced = options.pauses.unwrap_or(processes.len() <= TRACED);
        for process in processes {
            recorder.members.push(Member::open(process, &recorder.tracing(traced))?);
        }
        // Looking for an interpreter takes far more than what is kept of it.
        settle_memory();
        // Attaching takes time; the recording begins when everything is open.
        recorder.members.iter_mut().for_each(Member::begin);
        recorder.begin_ns = monotonic_ns();
        recorder.begin_unix_ns = unix_ns();
        let watched = |source| WorkloadWatch::start(source, options.duration, options.interval);
        recorder.workload = options.workload.clone().map(watched);
        Ok(recorder)
    }

    fn tracing(&self, traced: bool) -> Option<Tracing> {
        let max_overhead = self.options.max_overhead;
        let options = m5_gc::TraceOptions { source: None, max_overhead, children: false };
        traced.then_some(Tracing { options, stacks_above: self.options.stacks_above })
    }

    fn run(&mut self, on_pause: &mut OnPause<'_>, go_on: &mut dyn FnMut(&Progress) -> bool) -> End {
        let interval = self.options.interval.as_nanos() as u64;
        let total = self.options.duration.as_nanos() as u64;
        let (mut round, mut drained, mut looked, mut woken) = (0_u64, 0_u64, 0_u64, false);
        loop {
            let elapsed = monotonic_ns() - self.begin_ns;
            if elapsed >= round.saturating_mul(interval).min(total) {
                self.round(elapsed as f64 / 1e9, elapsed >= total);
                // Rounds that are past are lost, not made up for: a burst of samples would say nothing.
                round = elapsed / interval.max(1) + 1;
                if elapsed >= total {
                    return End::Complete;
                }
            }
            let drain = self.drain_interval();
            // A little early rather than once more: it keeps in step with the rounds.
            if woken || drain.is_some_and(|every| elapsed >= drained + every - every / 8) {
                self.drain(on_pause);
                drained = elapsed;
            }
            if interval > LOOK_NS && elapsed >= looked + LOOK_NS {
                self.members.iter_mut().for_each(|m| m.look(elapsed as f64 / 1e9));
                looked = elapsed;
            }
            if self.members.iter().all(|m| !m.running()) {
                return End::TargetExited;
            }
            if !go_on(&self.progress()) {
                self.round((monotonic_ns() - self.begin_ns) as f64 / 1e9, true);
                return End::Interrupted;
            }
            let mut next = round.saturating_mul(interval).min(total).min(elapsed + NAP_NS);
            // Asked anew: what was just taken may have been so much that nobody would be woken in time.
            if let Some(every) = self.drain_interval() {
                next = next.min(drained + every);
            }
            woken = self.sleep_until(next);
        }
    }

    /// Sleeps until that moment of the recording; true where somebody has something to tell before.
    fn sleep_until(&self, next: u64) -> bool {
        let fds: Vec<BorrowedFd<'_>> =
            self.members.iter().filter(|m| m.running()).flat_map(Member::wakers).collect();
        let now = || monotonic_ns() - self.begin_ns;
        let begin = now();
        nap_on(&fds, Duration::from_nanos(next.saturating_sub(begin)));
        let woken = now();
        if woken < next && woken - begin < LEAST_NS {
            nap(Duration::from_nanos(LEAST_NS));
        }
        woken < next
    }

    /// One sample of every process; the last one has everything in it.
    fn round(&mut self, t_seconds: f64, last: bool) {
        self.rounds_taken += 1;
        self.adopt();
        let sockets_due = last || self.sockets.due(t_seconds);
        let mut tables = sockets_due.then_some(&mut self.tables);
        if let Some(tables) = &mut tables {
            tables.begin_round();
        }
        let mut spent = 0;
        self.cgroups.begin_round();
        for member in &mut self.members {
            member.sample(t_seconds, tables.as_deref_mut(), &mut self.cgroups, &mut spent);
        }
        if sockets_due {
            self.sockets.done(t_seconds, spent as f64 / 1e9);
        }
    }

    /// New children of the processes become members.
    fn adopt(&mut self) {
        if !self.options.children {
            return;
        }
        self.members.retain(|m| !m.was_on_its_way());
        let mut next = 0;
        while let Some(member) = self.members.get(next) {
            next += 1;
            let known: Vec<i32> = self.members.iter().filter(|m| m.running()).map(Member::pid).collect();
            let born = member.children().into_iter().filter(|pid| !known.contains(pid));
            let traced = self.tracing(self.options.pauses.unwrap_or(self.members.len() < TRACED));
            let open = |pid| Member::born(&Process::open(pid).ok()?, &traced).ok();
            self.members.extend(born.filter_map(open).collect::<Vec<_>>());
        }
    }

    fn drain(&mut self, on_pause: &mut OnPause<'_>) {
        let begin = self.begin_ns;
        self.members.iter_mut().for_each(|m| m.drain(begin, on_pause));
    }

    fn drain_interval(&self) -> Option<u64> {
        let of = |member: &Member| Some((member.drain_interval()?.as_nanos() as u64, member.is_never_full()));
        let may_wait = |(every, waits): (u64, bool)| {
            if waits && !self.heard { UNHEARD_NS } else { every }
        };
        self.members.iter().filter_map(of).map(may_wait).min()
    }

    fn progress(&self) -> Progress {
        Progress {
            elapsed_seconds: (monotonic_ns() - self.begin_ns) as f64 / 1e9,
            rss_bytes: self.members.first().and_then(Member::rss),
            pauses: self.members.iter().map(Member::pauses).sum(),
            running: self.members.iter().filter(|m| m.running()).count(),
        }
    }

    fn finish(mut self, end: End, on_pause: &mut OnPause<'_>) -> Baseline {
        self.drain(on_pause);
        let observed_seconds = (monotonic_ns() - self.begin_ns) as f64 / 1e9;
        let interval_seconds = self.options.interval.as_secs_f64();
        let observed = observed_seconds.min(self.options.duration.as_secs_f64());
        Baseline {
            schema: BASELINE_SCHEMA.to_owned(),
            m5_version: env!("CARGO_PKG_VERSION").to_owned(),
            recorded: Recorded {
                ended_early: false,
                started_unix_seconds: self.begin_unix_ns as f64 / 1e9,
                observed_seconds,
                requested_seconds: self.options.duration.as_secs_f64(),
                interval_seconds,
                rounds_due: (observed / interval_seconds + 1e-6) as u64 + 1,
                rounds_taken: self.rounds_taken,
                end,
                load: self.workload.and_then(WorkloadWatch::finish),
            },
            machine: Machine::read(Path::new("/proc")),
            processes: self.members.into_iter().map(|m| m.finish(observed_seconds)).collect(),
            objectives_from: None,
            comparison: None,
        }
    }
}
