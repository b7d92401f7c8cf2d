//! How much of the time to watch: each trap costs the target, and the budget says how much in all.
//!
//! Time is cut into the intervals between two drains. For each one the watch is open or closed by chance, with
//! the probability that the budget affords, so that the pauses seen are a fair sample of those that happened.

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
    /// Traps that the target took.
    pub(crate) traps: u64,
}

/// Seconds over which rates are averaged, and over which a debt is paid back.
const HORIZON: f64 = 1.0;
/// Seconds of allowance that may be saved up or owed.
const SAVED: f64 = 5.0;

/// Decides, interval by interval.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    share: f64,
    trap: f64,
    random: Random,
    collections: f64,
    cpu: f64,
    traps_each: f64,
    balance: f64,
}

impl Budget {
    /// At most `share` of the target's CPU time, where a trap costs it `trap` seconds.
    pub(crate) fn new(share: f64, trap: f64, seed: u64) -> Self {
        let random = Random(seed);
        Self { share, trap, random, collections: 0.0, cpu: 0.0, traps_each: 2.2, balance: 0.0 }
    }

    /// Whether to watch during the next interval.
    pub(crate) fn next(&mut self, step: &Step) -> bool {
        self.random.unit() < self.probability(step)
    }

    fn probability(&mut self, step: &Step) -> f64 {
        let weight = (step.wall / HORIZON).clamp(0.0, 1.0);
        let rate = |amount: f64| if step.wall > 0.0 { amount / step.wall } else { 0.0 };
        self.collections += weight * (rate(step.collections as f64) - self.collections);
        self.cpu += weight * (rate(step.cpu) - self.cpu);
        if step.seen > 0 {
            self.traps_each += 0.1 * (step.traps as f64 / step.seen as f64 - self.traps_each);
        }
        let income = self.share * self.cpu;
        let limit = income * SAVED;
        self.balance += self.share * step.cpu - step.traps as f64 * self.trap;
        self.balance = self.balance.min(limit);
        let demand = self.collections * self.traps_each * self.trap;
        let affordable = income + self.balance / HORIZON;
        if demand <= affordable || demand <= 0.0 { 1.0 } else { (affordable / demand).max(0.0) }
    }
}

/// SplitMix64: small, seeded, good enough to choose intervals.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A target that collects at a steady rate: the share of its CPU that traps took, and of time that was open.
    fn steady(share: f64, rate: f64, cpu: f64, seed: u64) -> (f64, f64) {
        let (wall, trap, intervals) = (0.02, 12e-6, 5000);
        let mut budget = Budget::new(share, trap, seed);
        let (mut open, mut opened, mut traps) = (true, 0u64, 0u64);
        for i in 0..intervals {
            let happened = ((f64::from(i) + 1.0) * wall * rate) as u64 - (f64::from(i) * wall * rate) as u64;
            let seen = if open { happened } else { 0 };
            traps += 2 * seen;
            opened += u64::from(open);
            open = budget.next(&Step { wall, cpu: cpu * wall, collections: happened, seen, traps: 2 * seen });
        }
        let total = f64::from(intervals) * wall;
        (traps as f64 * trap / (cpu * total), opened as f64 / f64::from(intervals))
    }

    #[test]
    fn open_all_the_time_where_it_is_cheap() {
        let (cost, open) = steady(0.01, 50.0, 1.0, 1);
        assert!(cost < 0.01 && open == 1.0, "{cost} {open}");
    }

    #[test]
    fn nothing_to_spend_opens_nothing() {
        let (cost, _) = steady(0.0, 5000.0, 1.0, 1);
        assert!(cost < 1e-4, "{cost}");
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_used(
            share in 0.002f64..0.05, rate in 20.0f64..10_000.0, cpu in 0.05f64..1.0, seed in any::<u64>()
        ) {
            let (cost, open) = steady(share, rate, cpu, seed);
            prop_assert!(cost < share * 1.1 + 2e-4, "cost {cost} of {share}, open {open}");
            prop_assert!(cost > share * 0.8 || open > 0.99, "cost {cost} of {share}, open {open}");
        }
    }
}
