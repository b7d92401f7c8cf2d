//! How long windows are and how long the time between them, so that a budget holds.

/// Length of a window, nanoseconds, at most.
const LONGEST_NS: f64 = 20_000_000.0;
/// Samples that a window should hold which holds any, however long the rests between them are: as many as this time's budget
/// bears, in the bounds of its shape.
const WANTED_NS: f64 = 1e9;
/// So many times that of a thread, but no more than this time's budget bears, the kernel itself ends it: a process in a burst, or
/// one whose m5 got no processor or was stopped, is not held up for long.
const BURST: f64 = 2.0;
const BURST_NS: f64 = 0.5e9;
const MOST: f64 = 400.0;
/// Bounds of the time between windows, nanoseconds; the shortest after one that held nothing.
const SHORTEST_GAP_NS: f64 = 1_000_000.0;
const SHORTEST_EMPTY_GAP_NS: f64 = 3_000_000.0;
const LONGEST_GAP_NS: f64 = 1_000_000_000.0;
/// What a window takes is saved before it opens, for this long at most.
const LONGEST_SAVED_NS: f64 = 60e9;
/// By how much of that it may come later, by chance: windows must not fall into step with the process.
const SPREAD: f64 = 0.2;
/// How long the share of the time goes over in which the process runs, nanoseconds.
const RUNS_OVER_NS: f64 = 400e6;
/// And after how long it is known.
const SETTLES_NS: f64 = 5.0 * RUNS_OVER_NS;
/// What runs for less of the time rests at times.
const BUSY: f64 = 0.8;
/// What is planned with, of what may be spent: a cost is known to a fifth, and what no sample is charged with comes on top.
const PLAN: f64 = 0.85;
/// Of a plan that looks by chance, this share is spent: the rest is saved for when many windows in a row hold something.
const SPENDS: f64 = 0.9;
const LONGEST_CHANCE: f64 = 5.0;
/// What was not spent is made up for by windows that come sooner, by so much at most, once so many windows might have been.
const LEAST_SPENT: f64 = 0.8;
const KNOWN_COST: f64 = 30.0;
/// How many windows the means go over: of those that open by chance, the mean cost goes over more.
const LOOKS_OVER: f64 = 100.0;
const MEAN_OVER: f64 = 8.0;

/// What windows are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Length, nanoseconds: the first, and the shortest.
    length_ns: [f64; 2],
    /// Samples that it should hold.
    wanted: [f64; 2],
    /// Fewer of a process that rests; and what comes after twice as many would hardly count.
    by_bursts: bool,
}

impl Shape {
    /// For shares and rates: many that are short. What is near in time is alike, and in a short one watching stretches little.
    pub(super) const COUNTED: Self =
        Self { length_ns: [100_000.0, 60_000.0], wanted: [2.0, 12.0], by_bursts: true };
    /// To see what lives: a block is somebody's for sure only where more allocations followed it.
    pub(super) const FOLLOWED: Self =
        Self { length_ns: [500_000.0, 200_000.0], wanted: [4.0, 40.0], by_bursts: false };
}

/// Keeps to a budget.
#[derive(Debug)]
pub(super) struct Pace {
    shape: Shape,
    /// What is planned with: a share of the time that the process runs, which counts as this share of all time at least.
    budget: f64,
    least_run: f64,
    window_ns: f64,
    /// What a window took on average; what it held and took if it held any; and whether the last one held none.
    mean_cost_ns: f64,
    hits_if_any: f64,
    cost_if_any_ns: f64,
    empty: bool,
    windows: f64,
    /// In all: what was spent, and what it may be measured by.
    spent_ns: f64,
    run_ns: f64,
    all_ns: f64,
    /// How long the process ran indeed.
    ran_ns: u64,
    /// The share of the time that the process runs, and when it was last read how long it had.
    runs: f64,
    read: (u64, u64),
}

impl Pace {
    /// From now on, of a process that has run for so long. Until something was seen, samples are expected to cost this much.
    pub(super) fn new(
        shape: Shape,
        budget: f64,
        least_run: f64,
        cost_ns: f64,
        now_ns: u64,
        ran_ns: u64,
    ) -> Self {
        Self {
            shape,
            budget: PLAN * budget.clamp(1e-5, 1.0),
            least_run: least_run.clamp(0.001, 1.0),
            window_ns: shape.length_ns[0],
            mean_cost_ns: shape.wanted[1] * cost_ns,
            hits_if_any: shape.wanted[1],
            cost_if_any_ns: shape.wanted[1] * cost_ns,
            empty: false,
            windows: 0.0,
            spent_ns: 0.0,
            run_ns: 0.0,
            all_ns: 0.0,
            ran_ns: 0,
            runs: 0.5,
            read: (now_ns, ran_ns),
        }
    }

    /// Goes on after a time that was none of its own, when the process has run for so long.
    pub(super) fn resume(&mut self, now_ns: u64, ran_ns: u64) {
        self.read = (now_ns, ran_ns);
    }

    /// So much was spent beside windows.
    pub(super) fn spend(&mut self, cost_ns: f64) {
        self.spent_ns += cost_ns;
    }

    /// The process has run for so long by now.
    pub(super) fn ran(&mut self, now_ns: u64, ran_ns: u64) {
        let all = now_ns.saturating_sub(self.read.0) as f64;
        let indeed = ran_ns.saturating_sub(self.read.1);
        self.ran_ns += indeed;
        let ran = (indeed as f64).clamp(all * self.least_run, all);
        self.read = (now_ns, ran_ns);
        self.run_ns += ran;
        self.all_ns += all;
        if all > 0.0 {
            self.runs += (ran / all - self.runs) * (all / RUNS_OVER_NS).min(0.25);
        }
    }

    /// A window is over that held so many samples, which took so long of the process's time.
    pub(super) fn window(&mut self, hits: usize, cost_ns: f64) {
        self.spent_ns += cost_ns;
        // What was expected counts as one of them.
        self.windows += 1.0;
        let over = if self.shape.by_bursts { (self.windows + 1.0).min(LOOKS_OVER) } else { MEAN_OVER };
        self.mean_cost_ns += (cost_ns - self.mean_cost_ns) / over;
        self.empty = hits == 0;
        if self.empty {
            return;
        }
        self.hits_if_any += (hits as f64 - self.hits_if_any) / MEAN_OVER;
        self.cost_if_any_ns += (cost_ns - self.cost_if_any_ns) / MEAN_OVER;
        let aim = (self.wanted() / self.hits_if_any.max(0.5)).clamp(0.7, 1.5);
        self.window_ns = (self.window_ns * aim).clamp(self.shape.length_ns[1], LONGEST_NS);
    }

    /// How long the next window is, nanoseconds.
    pub(super) fn window_ns(&self) -> u64 {
        self.window_ns as u64
    }

    /// How long to wait before it, nanoseconds; `unit` is a random number from 0 to 1. What it may take is saved before, so that
    /// the budget holds at any time, also of one that is watched for a moment only.
    pub(super) fn gap_ns(&self, unit: f64) -> u64 {
        // Until the share of the time that it runs is known, no more of it than there was: a debt would be paid too early.
        let settles = 0.0 < self.all_ns && self.all_ns < SETTLES_NS;
        let runs = if settles { self.runs.min(self.run_ns / self.all_ns) } else { self.runs };
        let earned = self.budget * runs.max(self.least_run);
        // What was just seen says in which part of its work a process is. When to look next must not follow from it, or the same
        // parts would be met too often: by chance, at a pace that changes slowly, and within what is saved.
        let by_chance = self.shape.by_bursts;
        let empty = self.empty || (by_chance && !self.is_busy());
        let shortest = if empty { SHORTEST_EMPTY_GAP_NS } else { SHORTEST_GAP_NS };
        let spends = if by_chance && !self.is_busy() { SPENDS } else { 1.0 };
        let gap = (self.mean_cost_ns / (spends * earned) - self.window_ns).clamp(shortest, LONGEST_GAP_NS);
        let chance = if by_chance { (-(1.0 - unit).ln()).min(LONGEST_CHANCE) } else { 0.5 + unit };
        let takes = self.cost_if_any_ns.min(BURST * self.wanted() * self.each_ns());
        let lacks = self.spent_ns + takes - self.budget * self.run_ns;
        let saves = (lacks / earned).clamp(0.0, LONGEST_SAVED_NS);
        (gap * self.spent_share() * chance).max(saves * (1.0 + SPREAD * unit)) as u64
    }

    /// What of all that might be spent by now was: waits for what is lacking are never made up for otherwise. Of one that rests too
    /// few windows held anything, and when to look would follow from the last of them.
    fn spent_share(&self) -> f64 {
        let may = self.budget * self.run_ns;
        let known = self.is_busy() && may > KNOWN_COST * self.mean_cost_ns;
        if known { (self.spent_ns / may).clamp(LEAST_SPENT, 1.0) } else { 1.0 }
    }

    /// How many samples the next window should hold, if any: few of a process that works in bursts, from many of them.
    fn wanted(&self) -> f64 {
        let [least, most] = self.shape.wanted;
        let most = if self.shape.by_bursts { (most * self.runs).max(least) } else { most };
        self.borne(WANTED_NS).clamp(least, most)
    }

    /// At how many samples of a thread it ends; what is earned by now bounds the first ones, when it is not known yet how much the
    /// process runs.
    pub(super) fn most(&self) -> u32 {
        let earned = (self.budget * self.run_ns - self.spent_ns).max(0.0) / self.each_ns();
        let wanted = BURST * self.wanted();
        let burst = if self.shape.by_bursts { wanted } else { self.borne(BURST_NS).clamp(wanted, MOST) };
        burst.min(BURST * earned.max(self.shape.wanted[0])) as u32
    }

    /// Whether the process runs for nearly all of the time, as far as it gets a processor.
    pub(super) fn is_busy(&self) -> bool {
        self.runs > BUSY
    }

    /// So many samples are borne by so long.
    fn borne(&self, ns: f64) -> f64 {
        ns * self.budget * self.runs / self.each_ns()
    }

    /// What an interruption of the process takes on average that comes whether it runs or not.
    pub(super) fn if_it_runs(&self, cost_ns: f64) -> f64 {
        cost_ns * self.runs
    }

    /// What a sample costs, nanoseconds.
    fn each_ns(&self) -> f64 {
        (self.cost_if_any_ns / self.hits_if_any.max(0.1)).max(1.0)
    }

    /// What was spent, how long the process ran, and how long as the budget counts it, seconds.
    pub(super) fn spent_and_ran(&self) -> [f64; 3] {
        [self.spent_ns, self.ran_ns as f64, self.run_ns].map(|ns| ns / 1e9)
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
        /// comes late by up to `late` at the end of each window. However short it is watched, no more is overdrawn than a
        /// window that held more than usual.
        #[test]
        fn the_budget_holds_at_any_rate_and_at_any_time(
            budget in 0.002f64..0.05, runs in 0.005f64..1.0, per_ms in 0.01f64..200.0, late in 0.0f64..20e6,
            cost in 2_000.0f64..40_000.0, seed: u64, followed: bool,
        ) {
            let mut random = Random::new(seed);
            let shape = if followed { Shape::FOLLOWED } else { Shape::COUNTED };
            let mut pace = Pace::new(shape, budget, 0.01, cost, 0, 0);
            let (mut now, mut ran, mut spent) = (0.0, 0.0, 0.0);
            while now < 300e9 {
                let gap = pace.gap_ns(random.unit()) as f64;
                let open = pace.window_ns() as f64 + late * random.unit();
                let running = if random.unit() < runs { open } else { 0.0 };
                // While it is watched each allocation takes longer by the cost.
                let most = f64::from(pace.most());
                let hits = (running / (1e6 / per_ms + cost)).min(most).floor();
                pace.window(hits as usize, hits * cost);
                spent += hits * cost;
                now += gap + open;
                ran += gap * runs + running;
                pace.ran(now as u64, ran as u64);
                let earned = budget * runs.max(0.01) * now;
                prop_assert!(spent <= 1.05 * earned + (most + shape.wanted[1]) * cost, "{spent} of {earned} by {now}");
            }
        }
    }

    #[test]
    fn a_process_that_allocates_much_is_sampled_as_often_as_the_budget_bears() {
        let mut random = Random::new(1);
        let mut pace = Pace::new(Shape::COUNTED, 0.01, 0.1, 12_000.0, 0, 0);
        let (mut now, mut samples) = (0, 0);
        while now < 60_000_000_000 {
            let hits = pace.window_ns() as usize / 13_000;
            samples += hits;
            pace.window(hits, 12_000.0 * hits as f64);
            now += pace.window_ns() + pace.gap_ns(random.unit());
            pace.ran(now, now);
        }
        // One in 1.5 ms.
        assert!((500..=720).contains(&(samples / 60)), "{}", samples / 60);
    }
}
