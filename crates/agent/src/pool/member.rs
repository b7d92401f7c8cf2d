//! One watched process: what was read last, its series, its pauses, its verdict.

use super::PauseLog;
use super::attached::{Attached, Readable};
use super::chart_points::{ChartPoint, ChartPoints};
use crate::Discovered;
use crate::watched::{MemoryVerdict, WatchedProcess, established};
use m5_cpython::{GcState, Population};
use m5_gc::{SourceKind, Tracer};
use m5_kernel::Turns;
use m5_process::{
    Cgroup, Cgroups, ConnectionGroup, Error, Execution, Identity, Process, Reading, Result, SocketTables,
    Stat, monotonic_ns, ticks_per_second, unix_ns,
};
use m5_report::doc::Application;
use m5_stats::{Assessment, BetweenRestarts, Life};
use std::os::fd::BorrowedFd;

/// The cgroup is read every so many samples.
const CGROUP_EVERY: u64 = 4;

/// Who tells nothing is listened to so often all the same: its threads come and go.
const SILENT_NS: u64 = 1_000_000_000;

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// Taken.
    Done,
    /// The process has ended.
    Ended,
    /// It could not be read.
    Failed,
}

/// What a process is to the pool that takes it in.
pub(super) struct Place {
    pub(super) service: String,
    pub(super) slot: usize,
    /// The most that tracing may add to its CPU, as a share; `None`: it is not traced.
    pub(super) overhead: Option<f64>,
    /// Whether the turns of its event loops are asked for.
    pub(super) asks_for_turns: bool,
    /// Whether it was watched already, in an execution that has just ended.
    pub(super) anew: bool,
}

/// One watched process.
pub struct Member {
    watched: WatchedProcess,
    pub(super) attached: Attached,
    execution: Execution,
    service: String,
    slot: usize,
    /// Read once: another reading of the two clocks would be another moment, which looks like a restart.
    started_unix_seconds: f64,
    /// When its execution began, CLOCK_MONOTONIC nanoseconds, where the process is older.
    anew_ns: Option<u64>,
    samples: u64,
    /// Resident memory right after a full collection since the last point of the charts.
    collected_full: Option<f64>,
    sampled_ns: u64,
    drained_ns: u64,
    pub(super) cgroup_fresh: bool,
    memory: MemoryVerdict,
    chart_points: ChartPoints,
    /// Cores in use between the last two samples; absent until there are two.
    pub cpu: Option<f64>,
    /// The last reading.
    pub reading: Reading,
    /// The collector's state at the last sample.
    pub gc: Option<GcState>,
    /// Connections at the last sample.
    pub connections: Option<Vec<ConnectionGroup>>,
    /// The memory cgroup.
    pub cgroup: Option<Cgroup>,
    /// Soft limit of open descriptors.
    pub max_fds: Option<u64>,
    /// Resident memory right after the last full collection, bytes.
    pub post_gc_bytes: Option<f64>,
    /// Pauses.
    pub pauses: PauseLog,
    /// Whether the turns of its event loops are asked for.
    pub asks_for_turns: bool,
    /// The turns of its event loops, where they are counted.
    pub turns: Option<Turns>,
    /// What it says of itself.
    pub application: Option<Application>,
}

impl Member {
    pub(super) fn new(found: Discovered, place: Place) -> Result<Self> {
        let Discovered { process, mut execution, interpreter } = found;
        execution.hold();
        let now_ns = monotonic_ns();
        Ok(Self {
            watched: WatchedProcess::open(&process)?,
            max_fds: process.max_fds(),
            attached: Attached::new(&process, interpreter, place.overhead, now_ns),
            started_unix_seconds: crate::record::started_unix_seconds(process.identity()),
            execution,
            service: place.service,
            slot: place.slot,
            anew_ns: place.anew.then_some(now_ns),
            samples: 0,
            sampled_ns: 0,
            drained_ns: 0,
            cgroup_fresh: false,
            memory: MemoryVerdict::default(),
            chart_points: ChartPoints::default(),
            collected_full: None,
            cpu: None,
            reading: Reading::default(),
            gc: None,
            connections: None,
            cgroup: None,
            post_gc_bytes: None,
            pauses: PauseLog::default(),
            asks_for_turns: place.asks_for_turns,
            turns: None,
            application: None,
        })
    }

    /// Goes on with charts that were begun by another.
    pub(super) fn go_on_with(&mut self, points: ChartPoints) {
        self.chart_points = points;
    }

    /// Pid and start time.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.process().identity()
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.watched.process()
    }

    /// The service that it belongs to.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Which worker of the service it is.
    #[must_use]
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Whether its pauses are traced exactly.
    #[must_use]
    pub fn traced(&self) -> bool {
        self.attached.tracer.is_some()
    }

    /// How pauses are seen, where they are.
    #[must_use]
    pub fn source(&self) -> Option<SourceKind> {
        self.attached.tracer.as_ref().map(Tracer::kind)
    }

    /// Whether its interpreter is read.
    #[must_use]
    pub fn readable(&self) -> &Readable {
        &self.attached.readable
    }

    /// Whether its interpreter may not be read: the kernel does not allow it.
    #[must_use]
    pub fn refused(&self) -> bool {
        let permission =
            |e: &m5_cpython::Error| matches!(e, m5_cpython::Error::Process(Error::Permission { .. }));
        self.attached.unread.as_ref().is_some_and(permission)
    }

    /// When it was last sampled, CLOCK_MONOTONIC nanoseconds.
    #[must_use]
    pub fn sampled_ns(&self) -> u64 {
        self.sampled_ns
    }

    /// The latest samples, oldest first.
    pub fn chart_points(&self) -> impl Iterator<Item = &ChartPoint> {
        self.chart_points.iter()
    }

    /// When it started, Unix seconds.
    #[must_use]
    pub fn started_unix_seconds(&self) -> f64 {
        self.started_unix_seconds
    }

    /// Runs, and in the same execution still: after an exec everything that was known of it is void.
    pub(super) fn alive(&self) -> bool {
        self.process().alive() && self.execution.goes_on()
    }

    /// Runs on, but executes something else, or the same file anew.
    pub(super) fn replaced(&self) -> bool {
        self.execution.replaced()
    }

    /// How many objects the collector keeps; nothing of an execution that is over.
    pub(super) fn population(&self) -> Option<Population> {
        let population = self.attached.interpreter.as_ref()?.population().ok()?;
        self.execution.goes_on().then_some(population)
    }

    /// What becomes readable long before pauses could be lost.
    pub(super) fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        self.attached.tracer.as_ref().map(Tracer::wakers).unwrap_or_default()
    }

    pub(super) fn drain(&mut self, on_pause: &mut super::pauses::OnPause<'_>) {
        let (identity, now) = (self.process().identity(), monotonic_ns());
        let Some(tracer) = &mut self.attached.tracer else { return };
        if tracer.is_silent() && now - self.drained_ns < SILENT_NS {
            return;
        }
        self.drained_ns = now;
        let mut fresh = Vec::new();
        if tracer.drain(&mut fresh).is_err() {
            // The next sample finds out whether it ended.
            return;
        }
        if !fresh.is_empty() && self.execution.replaced() {
            // Read at addresses of what is no more.
            return;
        }
        // Nobody here reads them; untaken they would pile up for as long as the watch lasts.
        tracer.details(&mut Vec::new());
        self.pauses.coverage = tracer.coverage();
        let full = fresh.iter().any(|p| p.generation == Some(2));
        let source = tracer.kind();
        for pause in fresh {
            on_pause(identity, source, &pause);
            self.pauses.add(pause);
        }
        if full && let Ok(reading) = self.watched.read() {
            self.post_gc_bytes = reading.status.rss_bytes.map(|b| b as f64);
            self.collected_full = self.post_gc_bytes;
        }
    }

    /// The collectors of all interpreters together.
    fn collectors(&mut self) -> Option<GcState> {
        let main = self.attached.interpreter.as_ref()?;
        let state = main.read().ok()?;
        Some(self.watched.collectors(main, &state))
    }

    pub(super) fn sample(
        &mut self,
        now_ns: u64,
        tables: &mut SocketTables,
        cgroups: &mut Cgroups,
    ) -> Sampled {
        match self.watched.read() {
            Ok(reading) => {
                self.cpu = self.cores_since(&reading, now_ns);
                self.reading = reading;
            }
            Err(Error::NoSuchProcess { .. }) => return Sampled::Ended,
            Err(_) => return Sampled::Failed,
        }
        let fds = self.reading.fds.as_ref();
        self.connections = fds.and_then(|fds| self.watched.connections(tables, fds).ok());
        self.attached.look_again(self.watched.process(), now_ns);
        let before = self.gc.map(|gc| gc.generations[2].collections);
        self.gc = self.collectors();
        let full = self.gc.zip(before).is_some_and(|(gc, before)| gc.generations[2].collections > before);
        self.cgroup_fresh = self.samples.is_multiple_of(CGROUP_EVERY);
        if self.cgroup_fresh {
            self.cgroup = self.process().cgroup_names().ok().and_then(|names| cgroups.of(&names));
        }
        self.application = self.watched.application();
        if !self.execution.goes_on() {
            // Some of it may have been read of another execution than the rest.
            return Sampled::Ended;
        }
        self.samples += 1;
        self.sampled_ns = now_ns;
        self.memory.push(now_ns, &self.reading.status, self.cpu);
        if let Some(rss) = self.reading.status.rss_bytes {
            let rss = rss as f64;
            self.chart_points.push(ChartPoint {
                unix_seconds: unix_ns() as f64 / 1e9,
                rss_bytes: rss,
                post_gc_bytes: self.collected_full.take().or_else(|| full.then_some(rss)),
                fds: self.reading.fds.as_ref().map(|f| f.total as f64),
                connections: self.established().map(|n| n as f64),
                collections: self.gc.map(|gc| gc.generations.map(|g| g.collections)),
            });
        }
        Sampled::Done
    }

    /// Cores in use from the last sample to this reading.
    fn cores_since(&self, reading: &Reading, now_ns: u64) -> Option<f64> {
        let seconds =
            now_ns.checked_sub(self.sampled_ns).filter(|ns| *ns > 0 && self.samples > 0)? as f64 / 1e9;
        let ticks = |stat: &Stat| stat.user_ticks + stat.system_ticks;
        let spent = ticks(&reading.stat).checked_sub(ticks(&self.reading.stat))?;
        Some(spent as f64 / ticks_per_second() / seconds)
    }

    pub(super) fn due(&self) -> bool {
        self.memory.due()
    }

    pub(super) fn judged_ns(&self) -> u64 {
        self.memory.judged_ns()
    }

    /// When it was found to execute something anew, CLOCK_MONOTONIC nanoseconds; `None` in its first execution that was
    /// watched.
    #[must_use]
    pub fn anew_ns(&self) -> Option<u64> {
        self.anew_ns
    }

    /// When this execution began, seconds of CLOCK_MONOTONIC.
    fn began(&self) -> f64 {
        let age = unix_ns() as f64 / 1e9 - crate::record::started_unix_seconds(self.identity());
        let born = monotonic_ns() as f64 / 1e9 - age;
        self.anew_ns.map_or(born, |ns| ns as f64 / 1e9)
    }

    /// What is left of it when it is over.
    pub(super) fn life(&self) -> Option<Life> {
        self.memory.life(self.began())
    }

    /// Judges its memory, alone and beside the lives before it.
    pub(super) fn judge(&mut self, limit: Option<f64>, lives: Vec<Life>) {
        let (began, limit) = (self.began(), self.limit_bytes().or(limit));
        self.memory.judge(began, limit, lives);
    }

    /// The verdict on its memory.
    #[must_use]
    pub fn assessment(&self) -> Assessment {
        self.memory.assessment()
    }

    /// What it and the lives before it in its slot say together, where there are enough.
    #[must_use]
    pub fn between_restarts(&self) -> Option<BetweenRestarts> {
        self.memory.between_restarts()
    }

    /// Established connections; absent where the descriptors may not be listed.
    #[must_use]
    pub fn established(&self) -> Option<u64> {
        self.connections.as_deref().map(established)
    }

    /// The cgroup's limit, where there is one.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<f64> {
        self.cgroup.as_ref().and_then(|c| c.max_bytes).map(|b| b as f64)
    }
}
