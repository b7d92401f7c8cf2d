//! A running sum that carries its rounding error along.
//!
//! Values come and go for weeks: with plain additions the rounding error of one huge value stays when it has left
//! the window, and a variance computed as the difference of two large sums is lost in it. Here a sum is as good as
//! one in twice the precision. Sums that are exact in plain arithmetic are exact here, with an error of zero.

use super::words::words;

/// See the module.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    high: f64,
    error: f64,
}

words!(Sum: high, error);

/// `a * b` and its rounding error, by splitting both factors: not every processor has a fused multiplication.
#[inline]
pub(super) fn product(a: f64, b: f64) -> (f64, f64) {
    let split = |x: f64| {
        let c = 134_217_729.0 * x;
        let high = c - (c - x);
        (high, x - high)
    };
    let p = a * b;
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    (p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, x: f64) {
        let total = self.high + x;
        let back = total - self.high;
        self.error += (self.high - (total - back)) + (x - back);
        self.high = total;
    }

    /// Adds `sign * a * b`.
    #[inline]
    pub(super) fn add_product(&mut self, a: f64, b: f64, sign: f64) {
        let (p, e) = product(a, b);
        self.add(sign * p);
        self.error += sign * e;
    }

    #[inline]
    pub(super) fn subtract(&mut self, other: Self) {
        self.add(-other.high);
        self.error -= other.error;
    }

    #[inline]
    pub(super) fn get(self) -> f64 {
        self.high + self.error
    }

    /// The same sum, its error smaller than the last digit: a huge value that came and went leaves more in it.
    #[inline]
    fn settled(self) -> Self {
        let high = self.high + self.error;
        let back = high - self.high;
        Self { high, error: (self.high - (high - back)) + (self.error - back) }
    }

    /// `n * squares - self²`: the variance times n², for the sums of `n` values and of their squares.
    #[inline]
    pub(super) fn scatter(self, squares: Self, n: f64) -> f64 {
        self.scatter_of(squares, Self { high: n, error: 0.0 })
    }

    /// The same for values with weights, whose sum is `n`.
    #[inline]
    pub(super) fn scatter_of(self, squares: Self, n: Self) -> f64 {
        let (this, squares, n) = (self.settled(), squares.settled(), n.settled());
        let (a, ae) = product(squares.high, n.high);
        let (b, be) = product(this.high, this.high);
        let errors =
            n.high * squares.error + n.error * squares.high - this.error * (2.0 * this.high + this.error);
        (a - b) + ((ae - be) + errors)
    }
}
