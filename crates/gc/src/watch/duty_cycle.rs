//! When the watch is open and when it is closed, as the budget says.

use super::ledger::Ledger;
use super::resting::Resting;
use super::scheduling::{Scheduled, Scheduling};
use super::watched::{Moment, Watched};
use super::window::Window;
use crate::CERTAIN;
use crate::budget::{Budget, Step};
use crate::counts::now_ns;
use m5_process::cpu_ns;
use std::time::Duration;

/// How often the rings are read where there is no budget.
const INTERVAL: Duration = Duration::from_millis(20);
/// The same while a window waits for the end of a long collection.
const CLOSING: Duration = Duration::from_millis(1);
/// The same while the watch is closed and full collections are known by the looks.
const GAP: Duration = Duration::from_millis(4);

/// A trap costs the target this much more than the time between two of them shows.
pub(super) const TRAP_COST: f64 = 1.3;

/// Looks, and the time between them, for a moment without a collection when a window closes.
const CLOSE_TRIES: usize = 20;
const CLOSE_WAIT: Duration = Duration::from_micros(50);

/// How often context switches are counted, and what a register adds to one, seconds.
const COUNT_NS: u64 = 500_000_000;
const PER_SWITCH: f64 = 0.65e-6;

/// Totals at the last step of the budget.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    time: u64,
    cpu: u64,
    collections: u64,
    trapped_ns: u64,
    seen: u64,
    switches: u64,
}

/// The windows so far and the budget that opens them; without one the watch stays open.
pub(super) struct DutyCycle {
    window: Window,
    /// The chance with which it is open, parts per million; while it is closed, the one with which it was.
    chance_ppm: u32,
    budget: Option<Budget>,
    opened_ns: u64,
    /// Time in windows that are over, nanoseconds.
    open_ns: u64,
    last: Totals,
    resting: Resting,
    /// Times that the watch was switched on or off.
    switches: u64,
    scheduling: Scheduling,
    counted_ns: u64,
    /// What an open watch costs, CPU seconds a second.
    standing: f64,
}

impl DutyCycle {
    /// Open from that moment on.
    pub(super) fn new(budget: Option<Budget>, from: u64) -> Self {
        Self {
            window: Window::Open { from },
            chance_ppm: CERTAIN,
            budget,
            opened_ns: from,
            open_ns: 0,
            last: Totals::default(),
            resting: Resting::new(from, None),
            switches: 0,
            scheduling: Scheduling::default(),
            counted_ns: 0,
            standing: 0.0,
        }
    }

    /// From now on looks often while the watch is closed: what it sees then is bounded by the looks.
    pub(super) fn look_often(&mut self) {
        if let Some(budget) = &mut self.budget {
            budget.gaps_of(GAP.as_secs_f64());
        }
    }

    /// Begins to count what the budget is of.
    pub(super) fn begin(&mut self, watched: &Watched, ledger: &Ledger) {
        self.last = self.totals(watched, ledger);
        self.resting.look(self.last.time, Some(self.last.cpu));
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The chance with which what begins in the window is seen, parts per million.
    pub(super) fn chance_ppm(&self) -> u32 {
        self.chance_ppm
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.window, Window::Open { .. })
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.window, Window::Closed { .. })
    }

    /// The share of their time that the processes rest.
    pub(super) fn rested(&self) -> f64 {
        self.resting.share()
    }

    /// How the threads were scheduled so far; nothing where there is no budget to keep.
    pub(super) fn scheduled(&self) -> Scheduled {
        self.scheduling.total
    }

    /// Time in windows, this one included, nanoseconds.
    pub(super) fn open_ns(&self, now: u64) -> u64 {
        self.open_ns + if self.is_open() { now - self.opened_ns } else { 0 }
    }

    /// The time until the next look; `stacks` where they want one earlier while the watch is on.
    pub(super) fn interval(&self, stacks: Option<Duration>) -> Duration {
        let of = |open| self.budget.as_ref().map_or(INTERVAL, |b| Duration::from_secs_f64(b.interval(open)));
        let own = match self.window {
            Window::Open { .. } => of(true),
            Window::Closing { .. } => CLOSING,
            Window::Closed { .. } => return of(false),
        };
        stacks.map_or(own, |stacks| stacks.min(own))
    }

    /// Whether the watch is open and nothing but time would close it.
    pub(super) fn is_open_throughout(&self) -> bool {
        self.is_open() && self.budget.as_ref().is_none_or(Budget::affords_all)
    }

    /// Opens, closes, or lets be, as the budget says.
    pub(super) fn step(&mut self, watched: &mut Watched, ledger: &Ledger, now: u64) {
        let totals = self.totals(watched, ledger);
        let last = std::mem::replace(&mut self.last, totals);
        self.resting.look(totals.time, Some(totals.cpu));
        let standing = self.standing(watched, now);
        let closed = self.is_closed();
        let Some(budget) = &mut self.budget else { return };
        let open = budget.next(&Step {
            wall: totals.time.saturating_sub(last.time) as f64 / 1e9,
            cpu: totals.cpu.saturating_sub(last.cpu) as f64 / 1e9,
            collections: totals.collections.saturating_sub(last.collections),
            seen: totals.seen - last.seen,
            trapped: (totals.trapped_ns - last.trapped_ns) as f64 / 1e9 * TRAP_COST,
            switches: totals.switches - last.switches,
            open: !closed,
            standing,
        });
        if open && !matches!(self.window, Window::Closing { .. }) {
            self.chance_ppm = ((budget.chance() * f64::from(CERTAIN)) as u32).clamp(1, CERTAIN);
        }
        match self.window {
            Window::Open { from } if !open => {
                self.window = Window::Closing { from, until: now };
                self.open_ns += now - self.opened_ns;
                self.close(watched);
            }
            Window::Closing { .. } => self.close(watched),
            Window::Closed { .. } if open => self.open(watched),
            Window::Open { .. } | Window::Closed { .. } => {}
        }
    }

    /// What a window costs by being open, CPU seconds a second: each register is loaded at each context
    /// switch. The switches are counted once in a while.
    fn standing(&mut self, watched: &Watched, now: u64) -> f64 {
        if self.budget.is_some() && now - self.counted_ns >= COUNT_NS {
            let before = self.scheduling.total.switches;
            self.scheduling.read(&watched.pids());
            let switches = self.scheduling.total.switches - before;
            let seconds = (now - std::mem::replace(&mut self.counted_ns, now)) as f64 / 1e9;
            let watches = watched.programs.iter().map(|p| p.switched()).max().unwrap_or(0);
            self.standing = switches as f64 / seconds * watches as f64 * PER_SWITCH;
        }
        self.standing
    }

    /// Switches the watch off as soon as nothing runs that began in the window: collections of an interpreter
    /// follow one another, so a moment without one will do. A long one is waited for until the next drain.
    fn close(&mut self, watched: &mut Watched) {
        let Window::Closing { from, until } = self.window else { return };
        let mut running: Vec<usize> = (0..watched.tracked.len()).collect();
        for _ in 0..CLOSE_TRIES {
            running.retain(|i| watched.tracked[*i].collector.interpreter.read().is_ok_and(|s| s.collecting));
            if running.is_empty() {
                watched.mark(Moment::Closes);
                watched.switch(false);
                self.switches += 1;
                self.window = Window::Closed { from, until };
                return;
            }
            std::thread::sleep(CLOSE_WAIT);
        }
    }

    fn open(&mut self, watched: &mut Watched) {
        watched.unwatched();
        watched.mark(Moment::Opens);
        watched.switch(true);
        watched.mark(Moment::Opened);
        self.switches += 1;
        let from = now_ns();
        self.window = Window::Open { from };
        self.opened_ns = from;
    }

    fn totals(&self, watched: &Watched, ledger: &Ledger) -> Totals {
        Totals {
            time: now_ns(),
            cpu: watched.pids().into_iter().filter_map(cpu_ns).sum(),
            collections: ledger.coverage(&watched.tracked).happened(),
            trapped_ns: ledger.trapped_ns,
            seen: ledger.seen,
            switches: self.switches,
        }
    }
}
