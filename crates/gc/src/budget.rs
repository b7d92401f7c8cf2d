//! How much of the time to watch: each trap costs the target, and the budget says how much in all.
//!
//! It is a share of the target's CPU time, but never less than a floor: a target that hardly runs is watched all
//! the time, for what that costs matters to nobody.
//!
//! Time is cut into the intervals between two drains. For each one the watch is open or closed by chance, with
//! the probability that the budget affords, so that the pauses seen are a fair sample of those that happened.

use m5_stats::Random;

/// What happened in the interval that has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Step {
    /// Its length, seconds.
    pub(crate) wall: f64,
    /// CPU time of the target in it, seconds.
    pub(crate) cpu: f64,
    /// Collections that happened.
    pub(crate) collections: u64,
    /// Collections that were seen whole.
    pub(crate) seen: u64,
    /// What the traps that it took cost it, CPU seconds.
    pub(crate) trapped: f64,
    /// Times that the watch was switched on or off.
    pub(crate) switches: u64,
    /// Whether it was open.
    pub(crate) open: bool,
    /// CPU seconds a second that an open watch costs without any collection: registers are loaded at every
    /// context switch.
    pub(crate) standing: f64,
}

/// Seconds over which rates are averaged, and over which a debt is paid back.
const HORIZON: f64 = 1.0;
/// What any target may be charged, as a share of one core.
const FLOOR: f64 = 0.001;
/// Seconds of allowance that may be saved up, or owed.
const SAVED: f64 = 5.0;
/// What switching the watch on or off costs the target, seconds: an interrupt to its CPU.
const SWITCH: f64 = 5e-6;
/// What is spent while a debt is paid back, of what comes in: of a time that has no chance to be seen nothing stands for what
/// happens in it.
const LEAST: f64 = 0.25;
/// What is planned with, of what may be spent. Windows are opened by chance, so more is spent at times; and what a trap costs
/// beyond its own time, in the caches, nobody tells: `m5-bench-gc-overhead` shows that all together stays within the share.
const PLANNED: f64 = 0.75;
/// Traps that a collection takes until there are enough to tell, and collections that those are of: its two ends, and now and
/// then a counter.
const PRIOR: (f64, f64) = (22.0, 10.0);
/// What is kept of that experience when there is a newer one.
const FORGET: f64 = 0.95;
/// An interval lasts this long, and a window, where they must be few, this long.
const INTERVAL: f64 = 0.02;
const WINDOW: f64 = 0.005;

/// Decides, interval by interval.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    share: f64,
    random: Random,
    collections: f64,
    cpu: f64,
    trapped: f64,
    seen: f64,
    balance: f64,
    window: f64,
    gap: f64,
    /// The part of the time to watch, as it was last found.
    part: f64,
}

impl Budget {
    /// At most `share` of the target's CPU time (or the floor, where that is more; 0 spends nothing), where a trap costs it
    /// about `trap` seconds until it is known better.
    pub(crate) fn new(share: f64, trap: f64, seed: u64) -> Self {
        let random = Random::new(seed);
        let (traps, seen) = PRIOR;
        let (trapped, window, gap) = (traps * trap, INTERVAL, INTERVAL);
        let share = share * PLANNED;
        Self {
            share,
            random,
            collections: 0.0,
            cpu: 0.0,
            trapped,
            seen,
            balance: 0.0,
            window,
            gap,
            part: 1.0,
        }
    }

    /// Intervals without a watch last this long, seconds.
    pub(crate) fn gaps_of(&mut self, gap: f64) {
        self.gap = gap;
    }

    /// Whether to watch during the next interval.
    pub(crate) fn next(&mut self, step: &Step) -> bool {
        let part = self.part(step);
        self.window = if part < 0.5 { WINDOW } else { INTERVAL };
        // Windows and the gaps between them differ in length: so many of all must be windows.
        let (open, closed) = (part * self.gap, (1.0 - part) * self.window);
        let chance = if part >= 1.0 { 1.0 } else { open / (open + closed) };
        self.part = part;
        self.random.unit() < chance
    }

    /// The part of the time that the last decision wanted to watch: the chance with which any moment of then was seen.
    pub(crate) fn chance(&self) -> f64 {
        self.part
    }

    /// Whether all of the time can be afforded, as far as is known: nothing has to be decided soon.
    pub(crate) fn affords_all(&self) -> bool {
        self.part >= 1.0
    }

    /// How long the interval should last that `next` has decided on.
    pub(crate) fn interval(&self, open: bool) -> f64 {
        if open { self.window } else { self.gap }
    }

    /// The part of the time to watch.
    fn part(&mut self, step: &Step) -> f64 {
        let weight = (step.wall / HORIZON).clamp(0.0, 1.0);
        let rate = |amount: f64| if step.wall > 0.0 { amount / step.wall } else { 0.0 };
        self.collections += weight * (rate(step.collections as f64) - self.collections);
        self.cpu += weight * (rate(step.cpu) - self.cpu);
        // What is watched all the time says nothing about the cost of an open window.
        if step.open && step.trapped > 0.0 {
            self.trapped = self.trapped * FORGET + step.trapped;
            self.seen = self.seen * FORGET + step.seen as f64;
        }
        let floor = if self.share > 0.0 { FLOOR } else { 0.0 };
        let income = (self.share * self.cpu).max(floor);
        let standing = if step.open { step.standing * step.wall } else { 0.0 };
        let spent = step.trapped + step.switches as f64 * SWITCH + standing;
        self.balance += (self.share * step.cpu).max(floor * step.wall) - spent;
        self.balance = self.balance.clamp(-income * SAVED, income * SAVED);
        let demand = self.collections * self.trapped / self.seen.max(1.0) + step.standing;
        let affordable = (income + self.balance / HORIZON).max(LEAST * income);
        if demand <= affordable || demand <= 0.0 { 1.0 } else { affordable / demand }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A target that collects at a steady rate: the share of its CPU that traps took, and of time that was open.
    fn steady(share: f64, rate: f64, cpu: f64, seed: u64) -> (f64, f64) {
        let (trap, total) = (12e-6, 100.0);
        let mut budget = Budget::new(share, trap, seed);
        let (mut open, mut now, mut opened, mut spent) = (true, 0.0, 0.0, 0.0);
        while now < total {
            let wall = budget.interval(open);
            let collections = ((now + wall) * rate) as u64 - (now * rate) as u64;
            now += wall;
            let seen = if open { collections } else { 0 };
            opened += if open { wall } else { 0.0 };
            let trapped = 2.0 * seen as f64 * trap;
            let step = Step { wall, cpu: cpu * wall, collections, seen, trapped, open, ..Step::default() };
            spent += trapped;
            open = budget.next(&step);
        }
        (spent / (cpu * now), opened / now)
    }

    #[test]
    fn open_all_the_time_where_it_is_cheap() {
        let (cost, open) = steady(0.01, 50.0, 1.0, 1);
        assert!(cost < 0.01 * PLANNED && open == 1.0, "{cost} {open}");
    }

    #[test]
    fn nothing_to_spend_opens_nothing() {
        let (cost, _) = steady(0.0, 5000.0, 1.0, 1);
        assert!(cost < 1e-4, "{cost}");
    }

    #[test]
    fn a_target_that_hardly_runs_is_watched_all_the_time() {
        for (rate, cpu) in [(0.1, 0.0005), (1.0, 0.002), (20.0, 0.01)] {
            let (_, open) = steady(0.01, rate, cpu, 1);
            assert_eq!(open, 1.0, "{rate} a second");
        }
    }

    #[test]
    fn many_context_switches_close_it_too() {
        let mut budget = Budget::new(0.01, 12e-6, 1);
        let mut open = 0;
        for _ in 0..1000 {
            let step = Step { wall: 0.02, cpu: 0.02, open: true, standing: 0.05, ..Step::default() };
            open += u32::from(budget.next(&step));
        }
        // A quarter of what comes in, in windows that are short beside the gaps.
        assert!(open < 200, "{open}");
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_used(
            share in 0.002f64..0.05, rate in 20.0f64..10_000.0, cpu in 0.05f64..1.0, seed in any::<u64>()
        ) {
            let (cost, open) = steady(share, rate, cpu, seed);
            let share = (share * PLANNED).max(FLOOR / cpu);
            prop_assert!(cost < share * 1.1 + 2e-4, "cost {cost} of {share}, open {open}");
            prop_assert!(cost > share * 0.8 || open > 0.99, "cost {cost} of {share}, open {open}");
        }
    }
}
