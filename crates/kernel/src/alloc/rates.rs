//! How many a second, by windows in which watching takes a good part of the time.
//!
//! A window is a look at a random moment, so it counts by the time since the one before, not by how much it held: in a burst,
//! watching makes the program slower, and a window holds less of the program's time than one in a rest. Summed up by their lengths,
//! windows would tell rests rather than bursts.

use super::profile::Rate;

/// What samples take is measured on m5 itself; in another program it may differ by so much.
const WRONG: f64 = 0.1;
/// No program allocates faster, nanoseconds.
const FASTEST_NS: f64 = 20.0;
/// A rate whose interval is wider than so many times its lower end is no estimate.
pub(super) const WIDEST: f64 = 3.0;
/// An interval at 95 %, in standard errors.
const NORMAL: f64 = 1.96;

/// How long a window was open.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    pub(super) ns: f64,
    /// What samples took of that.
    pub(super) taken_ns: f64,
    /// The time since the window before it, which it stands for.
    pub(super) stands_ns: f64,
    /// The kernel ended it at its last sample.
    pub(super) cut: bool,
}

impl Open {
    /// So many a nanosecond for each that was counted, of so many in all: likely, at least, at most. A program that is watched
    /// for less than half of the window may have waited meanwhile, and lost nothing by it.
    fn each(self, all: u64) -> [f64; 3] {
        let wrong = WRONG * self.taken_ns;
        let lost = if self.taken_ns > self.ns / 2.0 { self.taken_ns - wrong } else { 0.0 };
        // The last one says when the window ended, and nothing else.
        let counted = if self.cut { 1.0 - 1.0 / all.max(1) as f64 } else { 1.0 };
        [self.taken_ns, lost, self.taken_ns + wrong]
            .map(|taken| counted / (self.ns - taken).max(FASTEST_NS * all as f64).max(1.0))
    }
}

/// Of a window that held little but the watching, what was left for the program counts as this share of it at least: else a few such
/// windows would weigh more than all others.
const LEFT: f64 = 0.05;

/// Sums over windows of what was counted in them, each window weighed by the program's own time in it: while it is watched a
/// dense part of the program passes more slowly than a sparse one, so that equal windows hold less of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weighed {
    sums: [f64; 3],
    squares: f64,
    products: f64,
}

impl Weighed {
    /// Of a window with so much in all.
    pub(super) fn add(&mut self, counted: f64, all: f64, open: Open) {
        let wrong = WRONG * open.taken_ns;
        let weigh = |taken: f64| {
            let left = (open.ns - taken).max(0.0) + LEFT * open.ns;
            open.stands_ns.max(1.0) / left.max(1.0)
        };
        let weights = [open.taken_ns, open.taken_ns - wrong, open.taken_ns + wrong].map(weigh);
        for (sum, weight) in self.sums.iter_mut().zip(weights) {
            *sum += counted * weight;
        }
        self.squares += (counted * weights[0]).powi(2);
        self.products += counted * all * weights[0] * weights[0];
    }

    /// Which share of all it is: likely, and if a sample takes a little less or more; and the variance of the first.
    pub(super) fn share(&self, all: &Self) -> ([f64; 3], f64) {
        let mut shares = [0.0; 3];
        for (share, (own, all)) in shares.iter_mut().zip(self.sums.iter().zip(all.sums)) {
            *share = if all > 0.0 { own / all } else { 0.0 };
        }
        let share = shares[0];
        let spread = self.squares - 2.0 * share * self.products + share * share * all.squares;
        (shares, spread.max(0.0) / all.sums[0].powi(2).max(1e-300))
    }
}

/// Windows that are over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Windows {
    stand_ns: f64,
    squares: f64,
}

impl Windows {
    pub(super) fn add(&mut self, open: Open) {
        self.stand_ns += open.stands_ns;
        self.squares += open.stands_ns * open.stands_ns;
    }

    /// A second's worth of what was counted.
    pub(super) fn rate(self, counted: Counted) -> Rate {
        let all = self.stand_ns.max(1.0);
        let [value, least, most] = counted.sums.map(|sum| sum / all);
        let spread = counted.squares - 2.0 * value * counted.products + value * value * self.squares;
        let error = NORMAL * spread.max(0.0).sqrt() / all;
        let interval = [(least - error).max(0.0) * 1e9, (most + error) * 1e9];
        Rate { value: value * 1e9, interval }
    }
}

/// Sums over windows of what was counted in them, a nanosecond.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    sums: [f64; 3],
    squares: f64,
    products: f64,
}

impl Counted {
    /// Of a window with so many in all.
    pub(super) fn add(&mut self, counted: f64, all: u64, open: Open) {
        let each = open.each(all);
        for (sum, each) in self.sums.iter_mut().zip(each) {
            *sum += open.stands_ns * counted * each;
        }
        let stands = open.stands_ns * counted * each[0];
        self.squares += stands * stands;
        self.products += stands * open.stands_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_stats::Random;

    const COST_NS: f64 = 16_000.0;

    /// A program that allocates each `every_ns` of its own time while it runs, and runs for `runs_ns` of each `cycle_ns`; it is
    /// watched in windows of `window_ns` that the kernel ends at `most`, and rests for as long as a window cost.
    fn told(
        every_ns: f64,
        runs_ns: f64,
        cycle_ns: f64,
        window_ns: f64,
        most: u64,
        wrong: f64,
        seed: u64,
    ) -> Rate {
        let mut random = Random::new(seed);
        let (mut windows, mut counted) = (Windows::default(), Counted::default());
        let mut stands_ns = 5e6;
        for _ in 0..4000 {
            let mut at = random.unit() * cycle_ns;
            let (mut all, mut open_ns) = (0, window_ns);
            let mut now = 0.0;
            loop {
                // The next allocation, by the program's own time, which stands still while it is watched.
                let gap = -every_ns * (1.0 - random.unit()).ln();
                let phase = at % cycle_ns;
                let step = if phase + gap < runs_ns { gap } else { cycle_ns - phase };
                now += step;
                at += step;
                if now >= window_ns {
                    break;
                }
                if step != gap {
                    continue;
                }
                all += 1;
                if all == most {
                    open_ns = now;
                    break;
                }
                now += COST_NS;
            }
            let before = if all == most { all - 1 } else { all };
            let taken_ns = (before as f64 * COST_NS).min(open_ns) * wrong;
            let open = Open { ns: open_ns, taken_ns, stands_ns, cut: all == most };
            windows.add(open);
            counted.add(all as f64, all, open);
            stands_ns = (1e6 + 100.0 * all as f64 * COST_NS) * (0.5 + random.unit());
        }
        windows.rate(counted)
    }

    #[test]
    fn steady_and_in_bursts_the_interval_holds_the_truth() {
        // Allocations a second of its own time, and for how much of ten milliseconds it runs.
        for (every_ns, runs) in
            [(100_000.0, 1.0), (20_000.0, 1.0), (5_000.0, 1.0), (20_000.0, 0.2), (5_000.0, 0.2)]
        {
            for (wrong, seed) in [(1.0, 1), (0.95, 2), (1.05, 3)] {
                let truth = runs * 1e9 / every_ns;
                let rate = told(every_ns, 1e7 * runs, 1e7, 700_000.0, 80, wrong, seed);
                let [low, high] = rate.interval;
                assert!(low <= truth && truth <= high, "{every_ns} {runs} {wrong}: {rate:?}");
                if every_ns >= COST_NS {
                    assert!(high < WIDEST * low, "{every_ns} {runs} {wrong}: {rate:?}");
                }
                if wrong == 1.0 {
                    assert!((rate.value / truth - 1.0).abs() < 0.15, "{every_ns} {runs}: {rate:?}");
                }
            }
        }
    }

    #[test]
    fn where_watching_is_all_the_interval_is_wide_and_holds_the_truth() {
        for wrong in [0.95, 1.0, 1.05] {
            let rate = told(50.0, 1e7, 1e7, 700_000.0, 80, wrong, 4);
            let [low, high] = rate.interval;
            assert!(low <= 2e7 && 2e7 <= high && high > WIDEST * low, "{rate:?}");
        }
    }
}
