//! When a process is watched: always where that is cheap, else in random windows.

use m5_stats::Random;

/// What has been spent is looked at after this long, nanoseconds.
const WINDOW_NS: u64 = 50_000_000;
/// Turns that began in a window are waited for, but no longer than this: their end belongs to them.
const PATIENCE_NS: u64 = 10_000_000_000;
/// Longest time between two windows, nanoseconds.
const LONGEST_GAP_NS: f64 = 600e9;

/// What holds for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Turns begin and end.
    Open,
    /// Turns that have begun end; none begins.
    Closing,
    /// Nothing is seen.
    Closed,
}

/// What is spent is weighed against the time that the process ran, but against no less than this share of all time: of one that
/// hardly runs it would be much of next to nothing.
const LEAST_RUN: f64 = 0.1;

/// What a process has spent so far, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spent {
    /// For being watched.
    pub(crate) watching_ns: f64,
    /// On processors, in all.
    pub(crate) ran_ns: u64,
}

/// Opens and closes within a budget.
#[derive(Debug)]
pub(crate) struct Duty {
    /// The most that watching may take, as a share of the time that the process runs.
    budget: f64,
    gate: Gate,
    /// Since when the gate is so, nanoseconds; and until when, where it is closed.
    since_ns: u64,
    until_ns: u64,
    /// When this window opened, and what was spent by then.
    opened_ns: u64,
    spent: Spent,
    began_ns: u64,
    open_ns: u64,
    random: Random,
}

impl Duty {
    /// Open from now on.
    pub(crate) fn new(budget: f64, now_ns: u64, spent: Spent, seed: u64) -> Self {
        Self {
            budget: budget.clamp(1e-6, 1.0),
            gate: Gate::Open,
            since_ns: now_ns,
            until_ns: 0,
            opened_ns: now_ns,
            spent,
            began_ns: now_ns,
            open_ns: 0,
            random: Random::new(seed),
        }
    }

    /// What holds.
    pub(crate) fn gate(&self) -> Gate {
        self.gate
    }

    /// How long it is watched, nanoseconds.
    pub(crate) fn age_ns(&self, now_ns: u64) -> f64 {
        now_ns.saturating_sub(self.began_ns).max(1) as f64
    }

    /// What holds from now on. `turning`: a turn that was seen to begin still lasts.
    pub(crate) fn step(&mut self, now_ns: u64, spent: Spent, turning: bool) -> Gate {
        let lasted = now_ns.saturating_sub(self.since_ns);
        match self.gate {
            Gate::Open if lasted >= WINDOW_NS => {
                self.open_ns += lasted;
                self.since_ns = now_ns;
                if self.costs(now_ns, spent) <= 1.0 {
                    (self.opened_ns, self.spent) = (now_ns, spent);
                } else {
                    self.gate = Gate::Closing;
                }
            }
            Gate::Closing if !turning || lasted >= PATIENCE_NS => {
                let window = now_ns.saturating_sub(self.opened_ns) as f64;
                let gap = (self.costs(now_ns, spent) - 1.0) * window;
                let gap = gap.clamp(0.0, LONGEST_GAP_NS) * (0.5 + self.random.unit());
                (self.gate, self.since_ns, self.until_ns) = (Gate::Closed, now_ns, now_ns + gap as u64);
            }
            Gate::Closed if now_ns >= self.until_ns => {
                self.gate = Gate::Open;
                (self.since_ns, self.opened_ns, self.spent) = (now_ns, now_ns, spent);
            }
            _ => {}
        }
        self.gate
    }

    /// How many times the budget this window has cost.
    fn costs(&self, now_ns: u64, spent: Spent) -> f64 {
        let window = now_ns.saturating_sub(self.opened_ns) as f64;
        let ran = (spent.ran_ns.saturating_sub(self.spent.ran_ns) as f64).max(window * LEAST_RUN);
        (spent.watching_ns - self.spent.watching_ns) / (self.budget * ran).max(1.0)
    }

    /// The share of the time until now in which turns that began were seen.
    pub(crate) fn coverage(&self, now_ns: u64) -> f64 {
        let open = if self.gate == Gate::Open { now_ns.saturating_sub(self.since_ns) } else { 0 };
        ((self.open_ns + open) as f64 / now_ns.saturating_sub(self.began_ns).max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A process that runs for a share of the time spends `cost` of that while it is open or closing, looked at every
    /// `step_ns`; the share spent, and the coverage.
    fn run(budget: f64, runs: f64, cost: f64, step_ns: u64, seed: u64) -> (f64, f64) {
        const LENGTH_NS: u64 = 3_600_000_000_000;
        let mut duty = Duty::new(budget, 0, Spent::default(), seed);
        let (mut spent, mut now) = (Spent::default(), 0);
        while now < LENGTH_NS {
            let gate = duty.step(now, spent, false);
            now += step_ns;
            let ran = runs * step_ns as f64;
            spent.ran_ns += ran as u64;
            spent.watching_ns += if gate == Gate::Closed { 0.0 } else { cost * ran };
        }
        (spent.watching_ns / (runs * now as f64), duty.coverage(now))
    }

    fn spent(watching_ns: f64) -> Spent {
        Spent { watching_ns, ran_ns: 0 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_budget_holds(
            budget in 0.002f64..0.05, runs in 0.1f64..2.0, cost in 0.0f64..0.6, step in 2u64..250, seed: u64,
        ) {
            let (spent, coverage) = run(budget, runs, cost, step * 1_000_000, seed);
            prop_assert!(spent <= budget * 1.2, "{spent} of {budget}");
            if cost <= budget {
                prop_assert!(coverage > 0.999, "{coverage}");
            } else {
                let could = budget / cost;
                prop_assert!(coverage > 0.3 * could && coverage < 1.3 * could, "{coverage} of {could}");
            }
        }
    }

    #[test]
    fn a_turn_that_lasts_is_waited_for_but_not_for_ever() {
        let mut duty = Duty::new(0.01, 0, Spent::default(), 1);
        assert_eq!(duty.step(WINDOW_NS, spent(1e9), true), Gate::Closing);
        assert_eq!(duty.step(WINDOW_NS + 1, spent(1e9), true), Gate::Closing);
        assert_eq!(duty.step(WINDOW_NS + PATIENCE_NS, spent(1e9), true), Gate::Closed);
        let mut duty = Duty::new(0.01, 0, Spent::default(), 1);
        assert_eq!(duty.step(WINDOW_NS, spent(1e9), true), Gate::Closing);
        assert_eq!(duty.step(WINDOW_NS + 1, spent(1e9), false), Gate::Closed);
        assert_eq!(duty.step(1 << 62, spent(1e9), false), Gate::Open);
    }
}
