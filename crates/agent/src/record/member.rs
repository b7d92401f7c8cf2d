//! One process of a recording: its open files, its interpreter, its tracer, and what was recorded so far.

use super::on_pause::OnPause;
use super::pace::Pace;
use super::sample::{allocator_sample, collector_sample, population_sample, process_sample, uncollected};
use super::traced::{Traced, Tracing};
use super::{describe, record_of, unread};
use crate::service_name;
use crate::watched::{WatchedProcess, established};
use m5_cpython::{Allocators, GcState, Interpreter};
use m5_process::{
    Cgroups, ConnectionGroup, EndOf, Execution, FdCounts, Process, SocketTables, Throttling, monotonic_ns,
    thread_cpu_ns, ticks_per_second,
};
use m5_report::doc::{ConnectionsAt, PauseLog, ProcessRecord, RollupAt, Sample};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Rounds in which an interpreter that is not there yet (a child before its exec) is looked for again.
const ATTEMPTS: u32 = 5;
/// Groups of connections kept in one entry, the largest first.
const GROUPS: usize = 200;
/// Which groups a process is in is asked at every so manieth sample: hardly any process is ever moved.
const GROUPS_EVERY: u64 = 10;
/// The allocator is read so often at most, and for a five-thousandth of the time.
const POOLS_SECONDS: f64 = 5.0;

pub(super) struct Member {
    watched: WatchedProcess,
    /// What is recorded is this execution and no other.
    execution: Execution,
    /// Its end, where it can be waited for.
    end: Option<EndOf>,
    /// The groups that it is in, as they were read for the last time.
    groups: String,
    samples: u64,
    /// Born while its parent was recorded.
    born: bool,
    interpreter: Option<Interpreter>,
    attempts: u32,
    traced: Traced,
    rollup: Pace,
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
        let execution = Execution::held(process);
        let watched = WatchedProcess::open(process)?;
        let mut record = record_of(process, &process.stat()?, &process.status().unwrap_or_default());
        record.service = Some(service_name(process));
        let mut member = Self {
            watched,
            execution,
            end: EndOf::of(process.identity()),
            groups: String::new(),
            samples: 0,
            born: false,
            interpreter: None,
            attempts: ATTEMPTS,
            traced: Traced::new(*tracing),
            // The kernel holds the target's mmap lock while it counts: a ten-thousandth of the time at most.
            rollup: Pace::new(60.0, 3600.0, 10_000.0),
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

    /// One that was born while its parent was recorded.
    pub(super) fn born(process: &Process, tracing: &Option<Tracing>) -> m5_process::Result<Self> {
        Ok(Self { born: true, ..Self::open(process, tracing)? })
    }

    /// Whether it was no more than a child between its birth and the program that it executes.
    pub(super) fn was_on_its_way(&self) -> bool {
        self.born && self.record.re_executed_seconds.is_some() && self.record.samples.t_seconds.len() < 2
    }

    /// Whether it goes on, in the same execution.
    pub(super) fn running(&self) -> bool {
        !self.record.exited && self.record.re_executed_seconds.is_none()
    }

    /// Notices its end, and that it executes something else; `t_seconds` is now.
    pub(super) fn look(&mut self, t_seconds: f64) {
        if !self.running() || self.execution.goes_on() {
            return;
        }
        match self.execution.replaced() {
            true => self.record.re_executed_seconds = Some(t_seconds),
            false => self.record.exited = !self.watched.process().alive(),
        }
    }

    pub(super) fn rss(&self) -> Option<u64> {
        self.record.samples.rss_bytes.last().copied().flatten()
    }

    pub(super) fn pauses(&self) -> u64 {
        self.record.pauses.as_ref().map_or(0, PauseLog::seen)
    }

    pub(super) fn children(&self) -> Vec<i32> {
        if self.running() { self.watched.process().children().unwrap_or_default() } else { Vec::new() }
    }

    pub(super) fn drain_interval(&self) -> Option<Duration> {
        self.traced.interval()
    }

    /// What becomes readable when it ends, or long before pauses could be lost.
    pub(super) fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = self.traced.wakers();
        fds.extend(self.end.as_ref().map(AsFd::as_fd));
        fds
    }

    /// Whether whoever waits for it hears of pauses before they could be lost.
    pub(super) fn is_never_full(&self) -> bool {
        !self.traced.wakers().is_empty()
    }

    fn attach(&mut self) {
        let process = self.watched.process().clone();
        let attached = Interpreter::attach(&process).and_then(|i| i.read().map(|state| (i, state)));
        match attached {
            Ok((interpreter, state)) => {
                self.record.unread = None;
                self.record.interpreter = Some(describe(&process, &interpreter, state));
                self.traced.attach(&process, &interpreter, &mut self.record.pauses);
                self.interpreter = Some(interpreter);
            }
            Err(error) => {
                self.attempts = self.attempts.saturating_sub(1);
                self.record.unread = Some(unread(&error));
            }
        }
    }

    /// Takes one sample; a process that has ended stays as it was last seen. `spent` grows by the time that
    /// socket tables took, nanoseconds.
    pub(super) fn sample(
        &mut self,
        t_seconds: f64,
        tables: Option<&mut SocketTables>,
        cgroups: &mut Cgroups,
        spent: &mut u64,
    ) {
        if !self.running() {
            return;
        }
        let reading = match self.watched.read() {
            Ok(reading) => reading,
            Err(error) => {
                self.record.exited = matches!(error, m5_process::Error::NoSuchProcess { .. });
                return;
            }
        };
        let mut sample = process_sample(&reading, t_seconds, self.ticks);
        let state = self.collector();
        if let Some(state) = &state {
            let main = self.interpreter.as_ref();
            let all = main.map_or(*state, |main| self.watched.collectors(main, state));
            collector_sample(&mut sample, &all);
            if let Some(population) = self.interpreter.as_ref().and_then(|i| i.population().ok()) {
                population_sample(&mut sample, &population);
                let begin = self.record.interpreter.as_ref().map(|known| &known.gc_begin);
                let counted = || uncollected(begin?, state, &population);
                sample.gc_live_objects = sample.gc_live_objects.or_else(counted);
            }
            self.note_pools(&mut sample);
        }
        let application = self.watched.application();
        self.look(t_seconds);
        if !self.running() {
            // Some of it may be of another program.
            return;
        }
        self.record.application = application;
        if let (Some(known), Some(state)) = (&mut self.record.interpreter, state) {
            known.gc_end = state;
        }
        if let (Some(tables), Some(fds)) = (tables, &reading.fds) {
            let before = thread_cpu_ns();
            sample.connections = self.note_connections(t_seconds, tables, fds);
            *spent += thread_cpu_ns() - before;
        }
        self.note_cgroup(&mut sample, cgroups);
        self.note_rollup(t_seconds, false);
        if self.record.samples.t_seconds.last().is_none_or(|last| *last < t_seconds) {
            self.record.samples.push(&sample);
        }
    }

    fn note_cgroup(&mut self, sample: &mut Sample, cgroups: &mut Cgroups) {
        if self.samples.is_multiple_of(GROUPS_EVERY) {
            self.groups = self.watched.process().cgroup_names().unwrap_or_default();
        }
        self.samples += 1;
        self.record.cgroup = cgroups.of(&self.groups);
        if let Some(throttling) = self.record.cgroup.as_mut().and_then(|c| c.throttling.as_mut()) {
            *throttling = throttling.since(self.throttled_before.get_or_insert(*throttling));
        }
        if let Some(cgroup) = &self.record.cgroup {
            sample.cgroup_current_bytes = cgroup.current_bytes;
            sample.cgroup_pressure_some_percent = cgroup.pressure_some_percent;
        }
    }

    /// The collector's state; an interpreter that was not set up yet is looked for again.
    fn collector(&mut self) -> Option<GcState> {
        if self.interpreter.is_none() && self.attempts > 0 {
            self.attach();
        }
        let state = self.interpreter.as_ref()?.read().ok();
        if state.is_none() {
            (self.interpreter, self.allocators) = (None, None);
            self.traced.detach();
            self.watched.forget_interpreters();
            self.attempts = self.attempts.saturating_sub(1);
        }
        state
    }

    /// What Python's allocator holds, where it is time to look.
    fn note_pools(&mut self, sample: &mut Sample) {
        let Some(interpreter) = self.interpreter.as_ref().filter(|_| self.pools.due(sample.t_seconds)) else {
            return;
        };
        let process = self.watched.process();
        let find = || Allocators::find(process, interpreter);
        let Some(allocators) = self.allocators.get_or_insert_with(find) else { return };
        let before = thread_cpu_ns();
        if let Ok(used) = allocators.read() {
            allocator_sample(sample, &used);
        }
        self.pools.done(sample.t_seconds, (thread_cpu_ns() - before) as f64 / 1e9);
    }

    fn note_connections(&mut self, t_seconds: f64, tables: &mut SocketTables, fds: &FdCounts) -> Option<u64> {
        let mut groups = self.watched.connections(tables, fds).ok()?;
        let established = established(&groups);
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
        let rollup = self.watched.process().rollup();
        self.rollup.done(t_seconds, (monotonic_ns() - before) as f64 / 1e9);
        if let Ok(rollup) = rollup {
            let (pss_bytes, uss_bytes) = (rollup.pss_bytes, rollup.uss_bytes);
            self.record.rollups.push(RollupAt { t_seconds, pss_bytes, uss_bytes });
        }
    }

    /// The recording begins: what ended before is no part of it, seen or not.
    pub(super) fn begin(&mut self) {
        self.traced.begin();
    }

    /// Takes the pauses that ended since the last call.
    pub(super) fn drain(&mut self, begin_ns: u64, on_pause: &mut OnPause<'_>) {
        if let Some(log) = &mut self.record.pauses {
            self.traced.drain(log, self.interpreter.as_ref(), begin_ns, on_pause);
        }
        self.look((monotonic_ns() - begin_ns) as f64 / 1e9);
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
