//! Moving averages: simple, exponential, weighted.

use super::sum::Sum;
use super::tail::{Hole, Tail};
use super::words::words;
use super::{NONE, Output, one};

/// Simple moving average: add the new value, read, subtract the oldest. A value that is no number makes it NaN for as
/// long as it is in the window.
#[derive(Clone)]
pub(super) struct Sma {
    tail: Tail,
    hole: Hole,
    before: f64,
    after: f64,
}

words!(Sma: tail, hole, before, after);

impl Sma {
    pub(super) fn new(period: usize) -> Self {
        Self { tail: Tail::new(period), hole: Hole::default(), before: 0.0, after: 0.0 }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        if self.tail.rebuild_due() {
            self.after = self.tail.staying().sum();
        }
        self.before = self.after;
        self.hole.advance(self.tail.count);
        self.tail.advance();
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        let hole = self.hole.mark(!x.is_finite(), self.tail.count, self.tail.period() as u64);
        let x = if x.is_finite() { x } else { 0.0 };
        self.tail.set(x);
        let total = self.before + x;
        if !self.tail.full() {
            self.after = total;
            return NONE;
        }
        self.after = total - self.tail.oldest();
        if hole { NONE } else { one(total / self.tail.period() as f64) }
    }

    /// Whether the window is whole.
    #[inline]
    pub(super) fn full(&self) -> bool {
        self.tail.full()
    }
}

/// Exponential moving average, seeded with the simple average of the first `period` values.
#[derive(Clone)]
pub(super) struct Ema {
    period: u64,
    k: f64,
    count: u64,
    before: f64,
    after: f64,
}

words!(Ema: count, before, after);

impl Ema {
    pub(super) fn new(period: usize) -> Self {
        Self { period: period as u64, k: 2.0 / (period as f64 + 1.0), count: 0, before: 0.0, after: 0.0 }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.before = self.after;
        self.count += 1;
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        if self.count > self.period {
            self.after = (x - self.before) * self.k + self.before;
            return one(self.after);
        }
        self.after = self.before + x;
        if self.count < self.period {
            return NONE;
        }
        self.after /= self.period as f64;
        one(self.after)
    }

    /// The weight of the newest value.
    pub(super) fn weight(&self) -> f64 {
        self.k
    }

    /// The value after the newest input, once there is one.
    #[inline]
    pub(super) fn value(&self) -> Option<f64> {
        (self.count >= self.period).then_some(self.after)
    }
}

/// Weighted moving average, the newest value with weight `period`.
#[derive(Clone)]
pub(super) struct Wma {
    tail: Tail,
    hole: Hole,
    divider: f64,
    /// The value that leaves the window when the newest comes.
    leaving: f64,
    /// Sum of the window and its weighted sum for the next step, before and after the newest value.
    before: [Sum; 2],
    after: [Sum; 2],
}

words!(Wma: tail, hole, leaving, before, after);

impl Wma {
    pub(super) fn new(period: usize) -> Self {
        let divider = (period * (period + 1) / 2) as f64;
        let sums = [Sum::default(); 2];
        Self {
            tail: Tail::new(period),
            hole: Hole::default(),
            divider,
            leaving: 0.0,
            before: sums,
            after: sums,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.before = self.after;
        self.leaving = if self.tail.full() { self.tail.oldest() } else { 0.0 };
        self.hole.advance(self.tail.count);
        self.tail.advance();
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        let hole = self.hole.mark(!x.is_finite(), self.tail.count, self.tail.period() as u64);
        let x = if x.is_finite() { x } else { 0.0 };
        self.tail.set(x);
        let [mut plain, mut weighted] = self.before;
        plain.add(x);
        plain.add(-self.leaving);
        if !self.tail.full() {
            weighted.add_product(x, self.tail.count as f64, 1.0);
            self.after = [plain, weighted];
            return NONE;
        }
        weighted.add_product(x, self.tail.period() as f64, 1.0);
        let result = weighted.get() / self.divider;
        weighted.subtract(plain);
        self.after = [plain, weighted];
        if hole { NONE } else { one(result) }
    }
}
