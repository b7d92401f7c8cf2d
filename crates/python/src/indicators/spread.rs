//! Rolling standard deviation and Bollinger bands, from running sums of values and of squares.

use super::tail::Tail;
use super::{EPSILON, NONE, Output, one};

/// Rolling mean and standard deviation.
#[derive(Clone)]
pub(super) struct Std {
    tail: Tail,
    ddof: f64,
    before: [f64; 2],
    after: [f64; 2],
}

impl Std {
    pub(super) fn new(period: usize, ddof: usize) -> Self {
        Self { tail: Tail::new(period), ddof: ddof as f64, before: [0.0; 2], after: [0.0; 2] }
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
        if self.tail.rebuild_due() && self.after[1].is_finite() {
            self.after = [self.tail.staying().sum(), self.tail.staying().map(|v| v * v).sum()];
        }
        self.before = self.after;
        self.tail.advance();
    }

    /// Mean and deviation with `x` as the newest value.
    #[inline]
    fn moments(&mut self, x: f64) -> Option<(f64, f64)> {
        self.tail.set(x);
        let [sum, squares] = [self.before[0] + x, self.before[1] + x * x];
        if !self.tail.full() {
            self.after = [sum, squares];
            return None;
        }
        let n = self.tail.period() as f64;
        let oldest = self.tail.oldest();
        self.after = [sum - oldest, squares - oldest * oldest];
        let mean = sum / n;
        let mut variance = squares / n - mean * mean;
        if self.ddof > 0.0 {
            variance *= n / (n - self.ddof);
        }
        // Written so that NaN gives NaN, as in TA-Lib.
        let deviation = if variance < EPSILON { 0.0 } else { variance.sqrt() };
        Some((mean, deviation))
    }
}

/// Bollinger bands: mean and `up`/`down` deviations around it.
#[derive(Clone)]
pub(super) struct Bollinger {
    std: Std,
    up: f64,
    down: f64,
}

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
