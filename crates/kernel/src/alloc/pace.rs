//! How long windows are and how long the time between them, so that a budget holds.

/// Length of a window, nanoseconds: the first, and the bounds of those that follow.
const FIRST_NS: f64 = 500_000.0;
const SHORTEST_NS: f64 = 200_000.0;
const LONGEST_NS: f64 = 20_000_000.0;
/// Samples that a window should hold.
const WANTED: f64 = 40.0;
/// Those of a thread at which the kernel ends it, so that a process in a burst, or one whose m5 got no processor or was stopped,
/// is not held up for long: as many as this time's budget bears, between these.
const BURST_NS: f64 = 1e9;
const MOST: [f64; 2] = [120.0, 400.0];
/// Bounds of the time between windows, nanoseconds.
const SHORTEST_GAP_NS: f64 = 1_000_000.0;
const LONGEST_GAP_NS: f64 = 1_000_000_000.0;
/// What was spent too much is saved again by a gap of this length at most.
const LONGEST_SAVED_NS: f64 = 60e9;
/// How many windows the means go over.
const MEAN_OVER: f64 = 8.0;

/// Keeps to a budget.
#[derive(Debug)]
pub(super) struct Pace {
    /// A share of the time that the process runs, which counts as this share of all time at least.
    budget: f64,
    least_run: f64,
    window_ns: f64,
    mean_hits: f64,
    mean_cost_ns: f64,
    /// In all: what was spent, and what it may be measured by.
    spent_ns: f64,
    run_ns: f64,
    /// The share of the time that the process runs, and when it was last read how long it had.
    runs: f64,
    read: (u64, u64),
}

impl Pace {
    /// From now on, of a process that has run for so long. Until something was seen, samples are expected to cost this much.
    pub(super) fn new(budget: f64, least_run: f64, cost_ns: f64, now_ns: u64, ran_ns: u64) -> Self {
        Self {
            budget: budget.clamp(1e-5, 1.0),
            least_run: least_run.clamp(0.01, 1.0),
            window_ns: FIRST_NS,
            mean_hits: WANTED,
            mean_cost_ns: WANTED * cost_ns,
            spent_ns: 0.0,
            run_ns: 0.0,
            runs: 0.5,
            read: (now_ns, ran_ns),
        }
    }

    /// The process has run for so long by now.
    pub(super) fn ran(&mut self, now_ns: u64, ran_ns: u64) {
        let all = now_ns.saturating_sub(self.read.0) as f64;
        let ran = (ran_ns.saturating_sub(self.read.1) as f64).clamp(all * self.least_run, all);
        self.read = (now_ns, ran_ns);
        self.run_ns += ran;
        if all > 0.0 {
            self.runs += (ran / all - self.runs) / 4.0;
        }
    }

    /// A window is over that held so many samples, which took so long of the process's time.
    pub(super) fn window(&mut self, hits: usize, cost_ns: f64) {
        self.spent_ns += cost_ns;
        self.mean_hits += (hits as f64 - self.mean_hits) / MEAN_OVER;
        self.mean_cost_ns += (cost_ns - self.mean_cost_ns) / MEAN_OVER;
        let aim = (WANTED / self.mean_hits.max(0.5)).clamp(0.7, 1.5);
        self.window_ns = (self.window_ns * aim).clamp(SHORTEST_NS, LONGEST_NS);
    }

    /// How long the next window is, nanoseconds.
    pub(super) fn window_ns(&self) -> u64 {
        self.window_ns as u64
    }

    /// How long to wait before it, nanoseconds; `unit` is a random number from 0 to 1.
    pub(super) fn gap_ns(&self, unit: f64) -> u64 {
        let gap = self.mean_cost_ns / (self.budget * self.runs) - self.window_ns;
        let gap = gap.clamp(SHORTEST_GAP_NS, LONGEST_GAP_NS) * (0.5 + unit);
        let debt = self.spent_ns - WANTED * self.each_ns() - self.budget * self.run_ns;
        let saved = (debt / (self.budget * self.runs)).min(LONGEST_SAVED_NS);
        gap.max(saved) as u64
    }

    /// At how many samples of a thread the next window ends.
    pub(super) fn most(&self) -> u32 {
        (BURST_NS * self.budget * self.runs / self.each_ns()).clamp(MOST[0], MOST[1]) as u32
    }

    /// What a sample costs, nanoseconds.
    fn each_ns(&self) -> f64 {
        (self.mean_cost_ns / self.mean_hits.max(0.1)).max(1.0)
    }

    /// The share of the process's time that was spent.
    pub(super) fn spent_share(&self) -> f64 {
        self.spent_ns / self.run_ns.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_stats::Random;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// A process that runs for a share of the time, in turns of random length, and allocates at some rate while it does. m5
        /// comes late by up to `late` at the end of each window.
        #[test]
        fn the_budget_holds_at_any_rate(
            budget in 0.002f64..0.05, runs in 0.02f64..1.0, per_ms in 0.01f64..200.0, late in 0.0f64..20e6,
            cost in 2_000.0f64..40_000.0, seed: u64,
        ) {
            let mut random = Random::new(seed);
            let mut pace = Pace::new(budget, 0.1, cost, 0, 0);
            let (mut now, mut ran, mut spent) = (0.0, 0.0, 0.0);
            while now < 300e9 {
                let open = pace.window_ns() as f64 + late * random.unit();
                let running = if random.unit() < runs { open } else { 0.0 };
                // While it is watched each allocation takes longer by the cost.
                let hits = (running / (1e6 / per_ms + cost)).min(f64::from(pace.most())).floor();
                pace.window(hits as usize, hits * cost);
                spent += hits * cost;
                let gap = pace.gap_ns(random.unit()) as f64;
                now += open + gap;
                ran += running + gap * runs;
                pace.ran(now as u64, ran as u64);
            }
            let share = spent / (runs.max(0.1) * now);
            prop_assert!(share <= 1.25 * budget, "{share} of {budget}");
        }
    }

    #[test]
    fn a_process_that_allocates_much_is_sampled_as_often_as_the_budget_bears() {
        let mut random = Random::new(1);
        let mut pace = Pace::new(0.01, 0.1, 15_000.0, 0, 0);
        let (mut now, mut samples) = (0, 0);
        while now < 60_000_000_000 {
            let hits = pace.window_ns() as usize / 17_000;
            samples += hits;
            pace.window(hits, 15_000.0 * hits as f64);
            now += pace.window_ns() + pace.gap_ns(random.unit());
            pace.ran(now, now);
        }
        // One in 1.5 ms.
        assert!((500..=700).contains(&(samples / 60)), "{}", samples / 60);
    }
}
