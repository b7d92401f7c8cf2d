//! One process of a recording: its open files, its interpreter, its tracer, and what was recorded so far.

use super::hear::Hear;
use super::pace::Pace;
use super::sample::{allocator_sample, collector_sample, population_sample, process_sample};
use super::{describe, record_of, unread};
use crate::m5mem_page::SharedPage;
use crate::watched::Interpreters;
use m5_cpython::{Allocators, GcState, Interpreter};
use m5_gc::{Coverage, Detail, InterpreterCollections, Pause, TraceOptions, Tracer};
use m5_process::{
    ConnectionGroup, FdCounts, Process, Sampler, SocketTables, Throttling, monotonic_ns, thread_cpu_ns,
    ticks_per_second,
};
use m5_report::doc::{ConnectionsAt, LongPauses, PauseLog, ProcessRecord, RollupAt, Sample};
use std::time::Duration;

/// Rounds in which an interpreter that is not there yet (a child before its exec) is looked for again.
const ATTEMPTS: u32 = 5;
/// Groups of connections kept in one entry, the largest first.
const GROUPS: usize = 200;
/// The allocator is read so often at most, and for a five-thousandth of the time.
const POOLS_SECONDS: f64 = 5.0;

/// How the pauses of a member are traced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracing {
    pub(super) options: TraceOptions,
    pub(super) stacks_above: Option<Duration>,
}

pub(super) struct Member {
    sampler: Sampler,
    interpreter: Option<Interpreter>,
    interpreters: Interpreters,
    attempts: u32,
    tracing: Option<Tracing>,
    tracer: Option<Tracer>,
    /// What the tracers before this one saw and missed (a program that was executed anew has another), and what this
    /// one did before the recording began.
    earlier: Coverage,
    before: Coverage,
    counted_before: Vec<InterpreterCollections>,
    drained: Vec<Pause>,
    details: Vec<Detail>,
    rollup: Pace,
    page: SharedPage,
    /// `None` inside: it was looked for and is not there.
    allocators: Option<Option<Allocators>>,
    pools: Pace,
    record: ProcessRecord,
    connections: Vec<ConnectionGroup>,
    /// What the CPU quota had done before the recording.
    throttled_before: Option<Throttling>,
    ticks: f64,
}

impl Member {
    /// Opens a process. An interpreter that cannot be read leaves the figures of the process.
    pub(super) fn open(process: &Process, tracing: &Option<Tracing>) -> m5_process::Result<Self> {
        let sampler = Sampler::open(process)?;
        let record = record_of(process, &process.stat()?, &process.status().unwrap_or_default());
        let mut member = Self {
            sampler,
            interpreter: None,
            interpreters: Interpreters::default(),
            attempts: ATTEMPTS,
            tracing: *tracing,
            tracer: None,
            earlier: Coverage::default(),
            before: Coverage::default(),
            counted_before: Vec::new(),
            drained: Vec::new(),
            details: Vec::new(),
            // The kernel holds the target's mmap lock while it counts: a ten-thousandth of the time at most.
            rollup: Pace::new(60.0, 3600.0, 10_000.0),
            page: SharedPage::default(),
            allocators: None,
            pools: Pace::new(POOLS_SECONDS, 600.0, 5000.0),
            record,
            connections: Vec::new(),
            throttled_before: None,
            ticks: ticks_per_second(),
        };
        member.attach();
        Ok(member)
    }

    pub(super) fn pid(&self) -> i32 {
        self.record.identity.pid
    }

    pub(super) fn running(&self) -> bool {
        !self.record.exited
    }

    /// Notices its end.
    pub(super) fn look(&mut self) {
        self.record.exited = self.record.exited || !self.sampler.process().alive();
    }

    pub(super) fn rss(&self) -> Option<u64> {
        self.record.samples.rss_bytes.last().copied().flatten()
    }

    pub(super) fn pauses(&self) -> u64 {
        self.record.pauses.as_ref().map_or(0, PauseLog::seen)
    }

    pub(super) fn children(&self) -> Vec<i32> {
        if self.running() { self.sampler.process().children().unwrap_or_default() } else { Vec::new() }
    }

    pub(super) fn drain_interval(&self) -> Option<Duration> {
        self.tracer.as_ref().map(Tracer::interval)
    }

    fn attach(&mut self) {
        let process = self.sampler.process().clone();
        let attached = Interpreter::attach(&process).and_then(|i| i.read().map(|state| (i, state)));
        match attached {
            Ok((interpreter, state)) => {
                self.record.unread = None;
                self.record.interpreter = Some(describe(&process, &interpreter, state));
                self.trace(&process, &interpreter);
                self.interpreter = Some(interpreter);
            }
            Err(error) => {
                self.attempts = self.attempts.saturating_sub(1);
                self.record.unread = Some(unread(&error));
            }
        }
    }

    fn trace(&mut self, process: &Process, interpreter: &Interpreter) {
        let Some(tracing) = &self.tracing else { return };
        if let Ok(mut tracer) = Tracer::attach(process, interpreter, &tracing.options) {
            let log = self.record.pauses.get_or_insert_with(|| PauseLog::new(tracer.kind()));
            log.choice = Some(tracer.choice().clone());
            (self.earlier, self.before) = (log.coverage, Coverage::default());
            self.counted_before = Vec::new();
            if let Some(limit) = tracing.stacks_above {
                tracer.stacks_above(limit);
                log.long.get_or_insert_with(|| LongPauses::above(limit));
            }
            self.tracer = Some(tracer);
        }
    }

    /// Takes one sample; a process that has ended stays as it was last seen. `spent` grows by the time that
    /// socket tables took, nanoseconds.
    pub(super) fn sample(&mut self, t_seconds: f64, tables: Option<&mut SocketTables>, spent: &mut u64) {
        if !self.running() {
            return;
        }
        let reading = match self.sampler.read() {
            Ok(reading) => reading,
            Err(error) => {
                self.record.exited = matches!(error, m5_process::Error::NoSuchProcess { .. });
                return;
            }
        };
        let mut sample = process_sample(&reading, t_seconds, self.ticks);
        if let (Some(tables), Some(fds)) = (tables, &reading.fds) {
            let before = thread_cpu_ns();
            sample.connections = self.note_connections(t_seconds, tables, fds);
            *spent += thread_cpu_ns() - before;
        }
        self.record.cgroup = self.sampler.process().cgroup();
        if let Some(throttling) = self.record.cgroup.as_mut().and_then(|c| c.throttling.as_mut()) {
            *throttling = throttling.since(self.throttled_before.get_or_insert(*throttling));
        }
        if let Some(cgroup) = &self.record.cgroup {
            sample.cgroup_current_bytes = cgroup.current_bytes;
            sample.cgroup_pressure_some_percent = cgroup.pressure_some_percent;
        }
        if let Some(state) = self.collector() {
            let main = self.interpreter.as_ref();
            let all = main.map_or(state, |main| self.interpreters.together(main, &state));
            collector_sample(&mut sample, &all);
            if let Some(population) = self.interpreter.as_ref().and_then(|i| i.population().ok()) {
                population_sample(&mut sample, &population);
            }
            self.note_pools(&mut sample);
        }
        self.record.application = self.page.read(self.sampler.process());
        self.note_rollup(t_seconds, false);
        if self.record.samples.t_seconds.last().is_none_or(|last| *last < t_seconds) {
            self.record.samples.push(&sample);
        }
    }

    /// The collector's state; an interpreter that vanished (an exec) is looked for again.
    fn collector(&mut self) -> Option<GcState> {
        if self.interpreter.is_none() && self.attempts > 0 {
            self.attach();
        }
        let state = self.interpreter.as_ref()?.read().ok();
        match state {
            Some(state) => {
                if let Some(known) = &mut self.record.interpreter {
                    known.gc_end = state;
                }
            }
            None => {
                (self.interpreter, self.tracer, self.allocators) = (None, None, None);
                self.interpreters = Interpreters::default();
                self.attempts = self.attempts.saturating_sub(1);
            }
        }
        state
    }

    /// What Python's allocator holds, where it is time to look.
    fn note_pools(&mut self, sample: &mut Sample) {
        let Some(interpreter) = self.interpreter.as_ref().filter(|_| self.pools.due(sample.t_seconds)) else {
            return;
        };
        let process = self.sampler.process();
        let find = || Allocators::find(process, interpreter);
        let Some(allocators) = self.allocators.get_or_insert_with(find) else { return };
        let before = thread_cpu_ns();
        if let Ok(used) = allocators.read() {
            allocator_sample(sample, &used);
        }
        self.pools.done(sample.t_seconds, (thread_cpu_ns() - before) as f64 / 1e9);
    }

    fn note_connections(&mut self, t_seconds: f64, tables: &mut SocketTables, fds: &FdCounts) -> Option<u64> {
        let mut groups = tables.connections(self.sampler.process(), &fds.socket_inodes).ok()?;
        let established = groups.iter().filter(|g| g.state == "ESTABLISHED").map(|g| g.count).sum();
        keep_largest(&mut groups);
        self.connections = groups;
        // The more was written already, the rarer another entry: a server with ever new peers stays bounded.
        let spacing = self.record.connections.len() as f64 * 0.01;
        if self.record.connections.last().is_none_or(|last| t_seconds - last.t_seconds >= spacing) {
            self.write_connections(t_seconds);
        }
        Some(established)
    }

    fn write_connections(&mut self, t_seconds: f64) {
        let last = self.record.connections.last();
        if last.map_or(!self.connections.is_empty(), |last| last.groups != self.connections) {
            self.record.connections.push(ConnectionsAt { t_seconds, groups: self.connections.clone() });
        }
    }

    fn note_rollup(&mut self, t_seconds: f64, last: bool) {
        let recent = self.record.rollups.last().is_some_and(|r| t_seconds - r.t_seconds < 10.0);
        if !(self.rollup.due(t_seconds) || last && !recent) {
            return;
        }
        let before = monotonic_ns();
        let rollup = self.sampler.process().rollup();
        self.rollup.done(t_seconds, (monotonic_ns() - before) as f64 / 1e9);
        if let Ok(rollup) = rollup {
            let (pss_bytes, uss_bytes) = (rollup.pss_bytes, rollup.uss_bytes);
            self.record.rollups.push(RollupAt { t_seconds, pss_bytes, uss_bytes });
        }
    }

    /// The recording begins: what ended before is no part of it, seen or not.
    pub(super) fn begin(&mut self) {
        let Some(tracer) = &mut self.tracer else { return };
        // A target that has gone says so at the next call.
        let _ = tracer.drain(&mut self.drained);
        tracer.details(&mut self.details);
        self.drained.clear();
        self.details.clear();
        (self.before, self.counted_before) = (tracer.coverage(), tracer.interpreters());
    }

    /// Takes the pauses that ended since the last call.
    pub(super) fn drain(&mut self, begin_ns: u64, hear: &mut Hear<'_>) {
        let (Some(tracer), Some(log)) = (&mut self.tracer, &mut self.record.pauses) else { return };
        let drained = tracer.drain(&mut self.drained);
        self.details.clear();
        tracer.details(&mut self.details);
        for pause in self.drained.drain(..) {
            log.push(&pause, begin_ns);
            let detail = detail(&self.details, &pause);
            if let Some(stops) = detail.and_then(|d| d.world) {
                log.world.get_or_insert_default().push(&stops);
            }
            if let Some(long) = log.long.as_mut().filter(|l| l.holds(&pause)) {
                let lived = self.interpreter.as_ref().and_then(|i| survivors(i, &pause));
                long.push(&pause, detail, lived, begin_ns);
            }
            hear(&pause, detail);
        }
        log.source = tracer.kind();
        log.coverage = self.earlier.plus(&tracer.coverage().since(&self.before));
        let mut counted = tracer.interpreters();
        for row in &mut counted {
            let before = self.counted_before.iter().find(|b| b.interpreter == row.interpreter);
            let before = before.map_or([0; 3], |b| b.happened);
            row.happened = [0, 1, 2].map(|g| row.happened[g].saturating_sub(before[g]));
        }
        log.count(&counted);
        if drained.is_err() {
            self.tracer = None;
        }
    }

    pub(super) fn finish(mut self, t_seconds: f64) -> ProcessRecord {
        if self.running() {
            self.note_rollup(t_seconds, true);
            self.write_connections(t_seconds);
        }
        self.record
    }
}

/// Groups of connections in the order in which they are told, bounded.
pub(crate) fn keep_largest(groups: &mut Vec<ConnectionGroup>) {
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.peer.cmp(&b.peer)));
    groups.truncate(GROUPS);
}

/// What more is known of a pause.
fn detail<'a>(details: &'a [Detail], pause: &Pause) -> Option<&'a Detail> {
    details.iter().find(|d| (d.pid, d.start_ns) == (pause.pid, pause.start_ns))
}

/// What a full collection left, read right after it; with several interpreters it could be another's.
fn survivors(interpreter: &Interpreter, pause: &Pause) -> Option<u64> {
    let alone = pause.generation == Some(2) && interpreter.all().is_ok_and(|all| all.len() == 1);
    alone.then(|| interpreter.population().ok()?.long_lived).flatten()
}
