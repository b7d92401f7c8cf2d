//! Pauses that somebody in the kernel tells, each with its generation: one debug register is enough for that.

use crate::counts::{Counts, by_interpreter, now_ns};
use crate::watch::{Resting, Traps};
use crate::{Coverage, Detail, InterpreterCollections, Pause, PauseSource, Result, SourceKind};
use m5_cpython::layout::Collector;
use m5_cpython::{Interpreter, PyFrame};
use m5_process::cpu_ns;
use std::time::Duration;

/// How often what was told is taken.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often interpreters are listed again.
const RESCAN_NS: u64 = 1_000_000_000;

/// A pause as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldPause {
    /// The interpreter that collected.
    pub interpreter: i64,
    /// Its thread.
    pub tid: i32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub start_ns: u64,
    /// With what one trap takes in it, nanoseconds.
    pub duration_ns: u64,
    /// The generation whose counter rose; none where none did.
    pub generation: Option<u8>,
    /// Objects freed.
    pub collected: Option<u64>,
    /// The stack at the very start, innermost first.
    pub stack: Vec<PyFrame>,
}

/// Who tells pauses, all of them.
pub trait Teller: Send {
    /// The pauses that ended since the last call.
    fn told(&mut self) -> Vec<ToldPause>;

    /// What was lost, in beginnings and ends.
    fn lost(&self) -> u64;
}

/// One interpreter.
struct Lane {
    interpreter: Interpreter,
    counts: Counts,
}

/// What is told, beside the interpreters' own counters.
pub(crate) struct ToldSource {
    main: Interpreter,
    teller: Box<dyn Teller>,
    lanes: Vec<Lane>,
    retired: Coverage,
    ended: [u64; 3],
    unlabelled: u64,
    details: Vec<Detail>,
    stacks_above_ns: Option<u64>,
    trap: Traps,
    resting: Resting,
    last_stop: u64,
    start_ns: u64,
    scanned_ns: u64,
}

impl ToldSource {
    pub(crate) fn new(main: &Interpreter, teller: Box<dyn Teller>, trap: Traps) -> Result<Self> {
        let now = now_ns();
        let mut source = Self {
            main: main.clone(),
            teller,
            lanes: Vec::new(),
            retired: Coverage::default(),
            ended: [0; 3],
            unlabelled: 0,
            details: Vec::new(),
            stacks_above_ns: None,
            trap,
            resting: Resting::new(now, cpu_ns(main.pid())),
            last_stop: 0,
            start_ns: now,
            scanned_ns: now,
        };
        for interpreter in main.all()? {
            let counts = Counts::from(interpreter.read()?.generations.map(|g| g.collections));
            source.lanes.push(Lane { interpreter, counts });
        }
        // What was told before the counters were read is no part of it.
        source.start_ns = now_ns();
        Ok(source)
    }

    /// Interpreters that came and went.
    fn rescan(&mut self) {
        let Ok(listed) = self.main.all() else { return };
        let same = |a: &Interpreter, b: &Interpreter| (a.address(), a.id()) == (b.address(), b.id());
        let (retired, ended) = (&mut self.retired, &mut self.ended);
        self.lanes.retain(|lane| {
            let keep = listed.iter().any(|i| same(i, &lane.interpreter));
            if !keep {
                lane.counts.add_to(retired);
                (0..3).for_each(|g| ended[g] += lane.counts.happened()[g]);
            }
            keep
        });
        for interpreter in listed {
            if !self.lanes.iter().any(|lane| same(&lane.interpreter, &interpreter)) {
                self.lanes.push(Lane { interpreter, counts: Counts::from([0; 3]) });
            }
        }
    }

    fn take(&mut self, told: ToldPause, pauses: &mut Vec<Pause>) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.interpreter.id() == told.interpreter) else {
            return;
        };
        // An increment may return before it counts.
        let incremental = lane.interpreter.layout().collector == Collector::Incremental;
        let generation = told.generation.or(incremental.then_some(1));
        match generation {
            Some(generation) => lane.counts.seen[usize::from(generation)] += 1,
            None => self.unlabelled += 1,
        }
        let stop = told.start_ns + told.duration_ns;
        let idle = told.start_ns.saturating_sub(std::mem::replace(&mut self.last_stop, stop));
        let duration_ns = told.duration_ns.saturating_sub(self.trap.of(self.resting.share()).after(idle));
        let (pid, start_ns) = (lane.interpreter.pid(), told.start_ns);
        if self.stacks_above_ns.is_some_and(|limit| duration_ns >= limit) && !told.stack.is_empty() {
            self.details.push(Detail {
                pid,
                start_ns,
                stack: told.stack,
                at_start: true,
                ..Detail::default()
            });
        }
        pauses.push(Pause {
            start_ns,
            duration_ns,
            generation,
            pid,
            interpreter: told.interpreter,
            tid: Some(told.tid),
            collected: told.collected,
            ..Pause::default()
        });
    }
}

impl PauseSource for ToldSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Watchpoint
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let now = now_ns();
        if now.saturating_sub(self.scanned_ns) >= RESCAN_NS {
            self.scanned_ns = now;
            self.rescan();
        }
        self.resting.look(now, cpu_ns(self.main.pid()));
        // Before the counters: nothing is seen more often than it happened.
        let mut told = self.teller.told();
        told.sort_by_key(|t| t.start_ns);
        let begun = self.start_ns;
        for pause in told.into_iter().filter(|t| t.start_ns >= begun) {
            self.take(pause, pauses);
        }
        let mut result = Ok(());
        for lane in &mut self.lanes {
            match lane.interpreter.read() {
                Ok(state) => lane.counts.set(state.generations.map(|g| g.collections)),
                Err(error) if lane.interpreter.id() == 0 => result = Err(error.into()),
                Err(_) => {}
            }
        }
        result
    }

    fn stacks_above(&mut self, limit: Duration) {
        self.stacks_above_ns = Some(limit.as_nanos() as u64);
    }

    fn details(&mut self, details: &mut Vec<Detail>) {
        details.append(&mut self.details);
    }

    fn coverage(&self) -> Coverage {
        let mut coverage = self.retired;
        self.lanes.iter().for_each(|lane| lane.counts.add_to(&mut coverage));
        coverage.unlabelled.seen += self.unlabelled;
        coverage.unlabelled.happened += self.unlabelled;
        coverage.lost += self.teller.lost();
        coverage.wall_ns = now_ns() - self.start_ns;
        coverage.open_ns = coverage.wall_ns;
        coverage
    }

    fn interpreters(&self) -> Vec<InterpreterCollections> {
        let there = self.lanes.iter().map(|l| (l.interpreter.id(), l.counts.happened()));
        by_interpreter(there, self.ended)
    }
}
