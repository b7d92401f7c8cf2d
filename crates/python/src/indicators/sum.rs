//! A running sum that carries its rounding error along.
//!
//! Values come and go for weeks: with plain additions the rounding error of one huge value stays when it has left
//! the window, and a variance computed as the difference of two large sums is lost in it. Here a sum is as good as
//! one in twice the precision. Sums that are exact in plain arithmetic are exact here, with an error of zero.

/// See the module.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    high: f64,
    error: f64,
}

/// `a * b` and its rounding error: with a fused multiplication where the caller is compiled for it (`FMA`), else by
/// splitting both factors. Both give the same bits.
#[inline(always)]
fn product<const FMA: bool>(a: f64, b: f64) -> (f64, f64) {
    if FMA {
        let p = a * b;
        return (p, a.mul_add(b, -p));
    }
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
    #[inline(always)]
    pub(super) fn add(&mut self, x: f64) {
        let total = self.high + x;
        let back = total - self.high;
        self.error += (self.high - (total - back)) + (x - back);
        self.high = total;
    }

    /// Adds `sign * a * b`.
    #[inline(always)]
    pub(super) fn add_product<const FMA: bool>(&mut self, a: f64, b: f64, sign: f64) {
        let (p, e) = product::<FMA>(a, b);
        self.add(sign * p);
        self.error += sign * e;
    }

    #[inline(always)]
    pub(super) fn subtract(&mut self, other: Self) {
        self.add(-other.high);
        self.error -= other.error;
    }

    #[inline(always)]
    pub(super) fn get(self) -> f64 {
        self.high + self.error
    }

    /// `n * squares - self²`: the variance times n², for the sums of `n` values and of their squares.
    #[inline(always)]
    pub(super) fn scatter<const FMA: bool>(self, squares: Self, n: f64) -> f64 {
        let (a, ae) = product::<FMA>(squares.high, n);
        let (b, be) = product::<FMA>(self.high, self.high);
        (a - b) + ((ae - be) + (n * squares.error - self.error * (2.0 * self.high + self.error)))
    }
}
