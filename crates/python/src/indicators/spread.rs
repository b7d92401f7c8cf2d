//! Rolling standard deviation and Bollinger bands, from running sums of values and of squares.
//!
//! The sums carry their rounding error, so that a small deviation of a large price is right to the last digits.

use super::sum::Sum;
use super::tail::{Hole, Tail};
use super::words::words;
use super::{NONE, Output, one};

/// Rolling mean and standard deviation.
#[derive(Clone)]
pub(super) struct Std {
    tail: Tail,
    hole: Hole,
    ddof: f64,
    before: [Sum; 2],
    after: [Sum; 2],
}

words!(Std: tail, hole, before, after);

impl Std {
    pub(super) fn new(period: usize, ddof: usize) -> Self {
        Self {
            tail: Tail::new(period),
            hole: Hole::default(),
            ddof: ddof as f64,
            before: [Sum::default(); 2],
            after: [Sum::default(); 2],
        }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.advance();
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        self.moments(x).map_or(NONE, |(_, deviation)| one(deviation))
    }

    #[inline]
    fn advance(&mut self) {
        self.before = self.after;
        self.hole.advance(self.tail.count);
        self.tail.advance();
    }

    /// Mean and deviation with `x` as the newest value.
    #[inline]
    fn moments(&mut self, x: f64) -> Option<(f64, f64)> {
        let hole = self.hole.mark(!x.is_finite(), self.tail.count, self.tail.period() as u64);
        let x = if x.is_finite() { x } else { 0.0 };
        self.tail.set(x);
        let [mut sum, mut squares] = self.before;
        sum.add(x);
        squares.add_product(x, x, 1.0);
        if !self.tail.full() {
            self.after = [sum, squares];
            return None;
        }
        let n = self.tail.period() as f64;
        let mean = sum.get() / n;
        let variance = sum.scatter(squares, n) / (n * (n - self.ddof));
        let oldest = self.tail.oldest();
        sum.add(-oldest);
        squares.add_product(oldest, oldest, -1.0);
        self.after = [sum, squares];
        (!hole).then(|| (mean, variance.max(0.0).sqrt()))
    }
}

/// Bollinger bands: mean and `up`/`down` deviations around it.
#[derive(Clone)]
pub(super) struct Bollinger {
    std: Std,
    up: f64,
    down: f64,
}

words!(Bollinger: std);

impl Bollinger {
    pub(super) fn new(period: usize, up: f64, down: f64) -> Self {
        Self { std: Std::new(period, 0), up, down }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.std.advance();
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        self.std.moments(x).map_or(NONE, |(mean, d)| [mean + d * self.up, mean, mean - d * self.down])
    }
}
