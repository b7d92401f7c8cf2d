//! What the second source takes of the target's time, and when its next window may open.

use m5_process::perf::Alarm;
use m5_process::thread_cpu_ns;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;

/// What an open window takes of the time that the target runs, beside alarms: it waits for memory that is being read, where alarms say
/// when, and where the flag is read again and again; on a single processor all of it.
const READING: [f64; 2] = [0.01, 0.08];
/// Alarms of a collection: where it begins and where it ends.
const ALARMS: f64 = 2.0;
/// What an alarm takes where it cannot be measured, nanoseconds; and how much more it is in a target, which m5 waits for beside.
const USUAL_NS: f64 = 12_000.0;
const DEARER: f64 = 1.5;
/// Writes of each batch of the measure, and batches: the cheapest was disturbed least.
const WRITES: u32 = 50;
const BATCHES: usize = 5;
/// What is planned with, of what may be spent; and the largest share of the time in which windows are open.
const PLAN: f64 = 0.7;
const MOST_OPEN: f64 = 0.5;
/// The target's running counts as this share of all time at least; and how long the share of the time goes over in which it runs,
/// nanoseconds.
const LEAST_RUN: f64 = 0.01;
const RUNS_OVER_NS: f64 = 400e6;
/// By how much of what is earned a window may come later, by chance, and the longest time between two, nanoseconds.
const SPREAD: f64 = 0.2;
const LONGEST_GAP_NS: f64 = 60e9;

/// Keeps to a budget.
#[derive(Debug)]
pub(super) struct Spending {
    /// What is planned with: a share of the time that the target runs.
    budget: f64,
    alarm_ns: f64,
    alone: bool,
    window_ns: f64,
    spent_ns: f64,
    run_ns: f64,
    /// The share of the time that it runs, and when that was last looked at with what it was by then.
    runs: f64,
    read: (u64, u64),
}

impl Spending {
    /// From now on, of a target that has run for so long.
    pub(super) fn new(max_overhead: f64, now_ns: u64, ran_ns: u64) -> Self {
        let alone = available_parallelism().map_or(1, usize::from) == 1;
        let alarm_ns = DEARER * alarm_ns().unwrap_or(USUAL_NS);
        Self::with(max_overhead, alarm_ns, alone, (now_ns, ran_ns))
    }

    fn with(max_overhead: f64, alarm_ns: f64, alone: bool, read: (u64, u64)) -> Self {
        let budget = PLAN * max_overhead.clamp(1e-5, 1.0);
        Self { budget, alarm_ns, alone, window_ns: 0.0, spent_ns: 0.0, run_ns: 0.0, runs: 0.5, read }
    }

    /// The target has run for so long by now; nothing is told of one that is gone.
    pub(super) fn ran(&mut self, now_ns: u64, ran_ns: Option<u64>) {
        let Some(ran_ns) = ran_ns else { return };
        let all = now_ns.saturating_sub(self.read.0) as f64;
        let ran = (ran_ns.saturating_sub(self.read.1) as f64).clamp(LEAST_RUN * all, all);
        self.read = (now_ns, ran_ns);
        self.run_ns += ran;
        if all > 0.0 {
            self.runs += (ran / all - self.runs) * (all / RUNS_OVER_NS).min(0.25);
        }
    }

    /// A window is over: how long it was open, whether alarms woke m5, and how many collections were in it.
    pub(super) fn window(&mut self, open_ns: f64, woken: bool, collections: u64) {
        let reading = if self.alone { 1.0 } else { READING[usize::from(!woken)] };
        let alarms = if woken { ALARMS * collections as f64 * self.alarm_ns } else { 0.0 };
        self.window_ns = open_ns;
        self.spent_ns += reading * open_ns * self.runs + alarms;
    }

    /// How long to wait for the next one, nanoseconds; `unit` is a random number from 0 to 1.
    pub(super) fn gap_ns(&self, unit: f64) -> u64 {
        let gap = self.window_ns * (1.0 / MOST_OPEN - 1.0) * (0.5 + unit);
        let lacks = (self.spent_ns - self.budget * self.run_ns) / (self.budget * self.runs);
        gap.max(lacks.clamp(0.0, LONGEST_GAP_NS) * (1.0 + SPREAD * unit)) as u64
    }

    /// The share of the target's time that was spent.
    pub(super) fn share(&self) -> f64 {
        self.spent_ns / self.run_ns.max(1.0)
    }
}

/// What an alarm takes of a thread that it is set upon: measured on m5 itself; `None` where that is not allowed.
fn alarm_ns() -> Option<f64> {
    let word = AtomicU32::new(0);
    let alarm = Alarm::new(0, word.as_ptr() as u64, 4).ok()?;
    let batch = |on: bool| {
        alarm.switch(on).ok()?;
        let begin = thread_cpu_ns();
        (0..WRITES).for_each(|n| black_box(&word).store(n, Ordering::SeqCst));
        let took = (thread_cpu_ns() - begin) as f64 / f64::from(WRITES);
        alarm.switch(false).ok()?;
        Alarm::wait(&[&alarm], std::time::Duration::ZERO);
        Some(took)
    };
    let (mut alone, mut watched) = (f64::MAX, f64::MAX);
    for _ in 0..BATCHES {
        alone = alone.min(batch(false)?);
        watched = watched.min(batch(true)?);
    }
    Some((watched - alone).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_stats::Random;

    #[test]
    fn the_budget_holds_however_often_it_collects() {
        for (per_ms, runs) in [(0.01, 1.0), (1.0, 1.0), (20.0, 1.0), (1.0, 0.1), (20.0, 0.02)] {
            let mut random = Random::new(7);
            let mut spending = Spending::with(0.01, 15_000.0, false, (0, 0));
            let (mut now, mut open) = (0f64, 0f64);
            while now < 60e9 {
                let window = 10e6f64;
                let collections = (window * runs / (1e6 / per_ms + 30_000.0)).round() as u64;
                spending.window(window, true, collections);
                open += window;
                now += window + spending.gap_ns(random.unit()) as f64;
                spending.ran(now as u64, Some((now * runs) as u64));
            }
            let share = spending.share();
            assert!(share <= 0.0105 * PLAN, "{per_ms} {runs}: {share}");
            // Half of the time where that is cheap, and what the budget bears where it is not.
            assert!(open / now > 0.4 || share > 0.8 * PLAN * 0.01, "{per_ms} {runs}: {share} {}", open / now);
        }
    }
}
