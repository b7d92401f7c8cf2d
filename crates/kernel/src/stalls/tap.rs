//! The programs, their tables, and who is watched: attached only while the turns of somebody are.

use super::cost::{Cost, Counts, Pace};
use super::lengths::{self, Counting, Lengths};
use super::program::{Division, Wanted, entries, exits, switches};
use super::record::{CLOSING, IN_TURN, IN_TURN_BYTES, LOCK, OPEN, OTHER, SOME_EPOLL, WATCHED, WATCHED_BYTES};
use crate::arch::{EPOLLS, POLLS, SELECTS};
use crate::bpf::sys::{self, Full, Table};
use crate::duty::{Duty, Gate, Spent};
use crate::{Error, Result};
use m5_process::{cpu_ns, monotonic_ns, thread_call, thread_counted};
use rustc_hash::FxHashMap;
use std::ffi::CStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What is planned with, of what may be spent: a cost is known to a quarter.
const PLAN: f64 = 0.75;
/// Threads whose turns are told apart at a time; processes that are watched at a time.
const THREADS: u32 = 4096;
const PROCESSES: u32 = 1024;
/// The kernel's first namespace of process numbers.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// A process that is watched.
#[derive(Debug)]
struct Watched {
    duty: Duty,
    /// When it was last looked at what its programs had counted, and what that was.
    at_ns: u64,
    counts: Counts,
    /// What watching it has taken of its time until then, nanoseconds.
    spent_ns: f64,
}

/// Programs at entries and exits of calls and at switches of threads, and what they fill.
#[derive(Debug)]
pub(super) struct Tap {
    threads: Table,
    lengths: Table,
    _zeroes: Table,
    watched: Table,
    /// Exits come last: no turn begins before all else is watched.
    programs: Vec<(&'static CStr, OwnedFd)>,
    links: Vec<OwnedFd>,
    processes: FxHashMap<i32, Watched>,
    cost: Cost,
}

impl Tap {
    /// Loads the programs, and tries them on m5 itself. `fine` counts for quantiles too.
    ///
    /// # Errors
    /// [`Error::Unsupported`], or what the kernel refused.
    pub(super) fn new(division: Option<Division>, fine: bool) -> Result<Self> {
        if fs::read_link("/proc/self/ns/pid").ok().as_deref() != Some(Path::new(FIRST_NAMESPACE)) {
            return Err(Error::Unsupported(
                "turns of a loop are watched from the host's namespace of processes: run m5 there",
            ));
        }
        let bytes = lengths::bytes(fine);
        let threads = Table::new(IN_TURN_BYTES as usize, THREADS, Full::OldestGoes)?;
        let lengths = Table::new(bytes, THREADS, Full::OldestGoes)?;
        let zeroes = Table::zeroes(bytes)?;
        let watched = Table::new(WATCHED_BYTES, PROCESSES, Full::NothingNew)?;
        let counting = Counting { table: lengths.fd(), zeroes: zeroes.fd(), fine };
        let wanted = Wanted { watched: watched.fd(), threads: threads.fd(), counting, division };
        let load = |name: &'static CStr, code: Option<Vec<u64>>| -> Result<(&'static CStr, OwnedFd)> {
            let code = code.ok_or(Error::Unsupported("the program does not fit"))?;
            Ok((name, sys::load(sys::Kind::RawTracepoint, &code)?))
        };
        let mut programs = vec![load(c"sys_enter", entries(&wanted))?];
        if let Some(task) = division.and_then(|d| d.task) {
            programs.push(load(c"sched_switch", switches(&wanted, task))?);
        }
        programs.push(load(c"sys_exit", exits(&wanted))?);
        let cost = Cost { call_ns: 0.0, turn_ns: 0.0 };
        let (links, processes) = (Vec::new(), FxHashMap::default());
        let mut tap = Self { threads, lengths, _zeroes: zeroes, watched, programs, links, processes, cost };
        tap.calibrate()?;
        Ok(tap)
    }

    fn calibrate(&mut self) -> Result<()> {
        let own = std::process::id().cast_signed();
        let alone = Pace::measured();
        self.open(own)?;
        self.attach()?;
        self.cost = alone.cost(Pace::measured());
        self.links.clear();
        self.clear(own);
        Ok(())
    }

    fn attach(&mut self) -> Result<()> {
        if self.links.is_empty() {
            let links = self.programs.iter().map(|(name, program)| sys::tracepoint(program, name));
            self.links = links.collect::<Result<_>>()?;
        }
        Ok(())
    }

    /// Begins to watch a process, within a share of its time.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn add(&mut self, pid: i32, max_overhead: f64) -> Result<()> {
        self.clear(pid);
        self.open(pid)?;
        self.attach()?;
        let now = monotonic_ns();
        let spent = Spent { watching_ns: 0.0, ran_ns: cpu_ns(pid).unwrap_or(0) };
        let seed = now ^ u64::from(pid.unsigned_abs());
        let duty = Duty::new(PLAN * max_overhead, now, spent, seed);
        let watched = Watched { duty, at_ns: now, counts: Counts::default(), spent_ns: 0.0 };
        self.processes.insert(pid, watched);
        Ok(())
    }

    /// Watches a process no more.
    pub(super) fn forget(&mut self, pid: i32) {
        self.processes.remove(&pid);
        self.clear(pid);
        if self.processes.is_empty() {
            self.links.clear();
        }
    }

    /// Forgets what the tables say of a process.
    fn clear(&self, pid: i32) {
        self.watched.remove(key(pid));
        for (tid, _) in self.lengths_of(pid) {
            self.lengths.remove(key(tid));
            self.threads.remove(key(tid));
        }
    }

    fn open(&self, pid: i32) -> Result<()> {
        self.say(pid, OPEN)
    }

    /// Says what holds for a process; its counts go on.
    fn say(&self, pid: i32, what: i32) -> Result<()> {
        let mut words = self.watched.get(key(pid)).unwrap_or_else(|| vec![0; WATCHED_BYTES / 8]);
        words[WATCHED.open as usize / 8] = u64::from(what.unsigned_abs());
        self.watched.put(key(pid), &words)
    }

    /// Opens and closes as the budgets ask. To be called often.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn step(&mut self) -> Result<()> {
        let now = monotonic_ns();
        let mut processes = std::mem::take(&mut self.processes);
        let mut done = Ok(());
        for (pid, watched) in &mut processes {
            done = done.and(self.step_one(*pid, watched, now));
        }
        self.processes = processes;
        if self.processes.values().all(|watched| watched.duty.gate() == Gate::Closed) {
            self.links.clear();
        }
        done
    }

    fn step_one(&mut self, pid: i32, watched: &mut Watched, now: u64) -> Result<()> {
        let before = watched.duty.gate();
        let turning = || !self.turning_of(pid).is_empty();
        let turning = before == Gate::Closing && turning();
        self.charge(pid, watched, now);
        let spent = Spent { watching_ns: watched.spent_ns, ran_ns: cpu_ns(pid).unwrap_or(0) };
        let gate = watched.duty.step(now, spent, turning);
        match gate {
            _ if gate == before => Ok(()),
            Gate::Open => {
                self.open(pid)?;
                self.attach()
            }
            Gate::Closing => self.say(pid, CLOSING),
            Gate::Closed => {
                self.charge(pid, watched, now);
                self.watched.remove(key(pid));
                watched.counts = Counts::default();
                // Turns that still last would end in another window, and a loop may be closed unseen.
                tasks(pid).into_iter().for_each(|tid| self.threads.remove(key(tid)));
                Ok(())
            }
        }
    }

    /// Counts what watching a process took since it was last looked at.
    fn charge(&self, pid: i32, watched: &mut Watched, now: u64) {
        let over_ns = now.saturating_sub(std::mem::replace(&mut watched.at_ns, now)) as f64;
        let Some(words) = self.watched.get(key(pid)) else { return };
        let count = |at: i16| words[at as usize / 8];
        let counts = Counts { calls: count(WATCHED.calls), turns: count(WATCHED.turns) };
        let before = std::mem::replace(&mut watched.counts, counts);
        watched.spent_ns += self.cost.of(counts.since(before), over_ns);
    }

    /// The share of the time in which turns that began were seen, and what that took of the process's time; `None` of one
    /// that is not watched.
    pub(super) fn share(&self, pid: i32) -> Option<(f64, f64)> {
        let (watched, now) = (self.processes.get(&pid)?, monotonic_ns());
        let duty = &watched.duty;
        Some((duty.coverage(now), watched.spent_ns / duty.age_ns(now)))
    }

    /// How long the turns of each thread of a process are.
    pub(super) fn lengths_of(&self, pid: i32) -> Vec<(i32, Lengths)> {
        let of = |tid: u32| {
            let (process, lengths) = Lengths::decode(&self.lengths.get(tid)?)?;
            (process == pid).then_some((tid.cast_signed(), lengths))
        };
        self.lengths.keys().into_iter().filter_map(of).collect()
    }

    /// The threads of a process that are in a turn, and since when.
    fn turning_of(&self, pid: i32) -> Vec<(i32, u64)> {
        tasks(pid).into_iter().filter_map(|tid| Some((tid, self.turning(tid)?))).collect()
    }

    /// What is known of the turn that a thread is in: the words of its value.
    pub(super) fn in_turn(&self, tid: i32) -> Option<Vec<u64>> {
        self.threads.get(key(tid)).filter(|words| words[IN_TURN.start as usize / 8] > 0)
    }

    /// A thread whose loop is known to run otherwise is in a turn that began before; nothing where it waits, or a turn of it was
    /// seen to begin. `epoll`: its loop may wait in epoll.
    pub(super) fn suppose(&self, pid: i32, tid: i32, epoll: bool) -> Option<()> {
        let waits =
            || thread_call(pid, tid).is_some_and(|call| WAITS.iter().any(|waits| waits.contains(&call)));
        if waits() {
            return None;
        }
        let counted = thread_counted(pid, tid).unwrap_or_default();
        let mut words = vec![0u64; IN_TURN_BYTES as usize / 8];
        let v = &IN_TURN;
        let now = monotonic_ns();
        let epoll = if epoll { u64::from(SOME_EPOLL.unsigned_abs()) } else { 0 };
        let call = thread_call(pid, tid).filter(|number| *number >= 0);
        for (field, value) in [
            (v.start, now),
            (v.before, 1),
            (v.epoll, epoll),
            (v.delay_start, counted.waited_ns),
            (v.delay_entered, counted.waited_ns),
            (v.faults_start, counted.major_faults),
            (v.entered, if call.is_some() { now } else { 0 }),
            (v.kind, if call == Some(libc::SYS_futex) { LOCK } else { OTHER }.unsigned_abs().into()),
        ] {
            words[field as usize / 8] = value;
        }
        self.threads.put_new(key(tid), &words).ok()?;
        // It may have come to its wait meanwhile.
        if waits() {
            self.threads.remove(key(tid));
            return None;
        }
        Some(())
    }

    /// When the turn of a thread began; `None` where it is in none.
    pub(super) fn turning(&self, tid: i32) -> Option<u64> {
        let words = self.threads.get(key(tid))?;
        Some(words[IN_TURN.start as usize / 8]).filter(|start| *start > 0)
    }
}

/// The calls in which loops wait.
const WAITS: [&[i64]; 3] = [EPOLLS, POLLS, SELECTS];

/// The threads of a process.
pub(super) fn tasks(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn key(number: i32) -> u32 {
    number.cast_unsigned()
}
