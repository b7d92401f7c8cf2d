//! Indicators of a window, over four stretches of the array at once.
//!
//! Each stretch begins with the sum of its own first window, so that the rounding error of a running sum goes no
//! further than its stretch. Stretches are cut so that the last one ends with the array: they may overlap by a few
//! rows, which are then written twice.
#![allow(unsafe_code)]

use super::lane::{V, add, all, each, fma, fms, greater, mul, of, sqrt, sub, zero};
use std::arch::x86_64::_mm256_div_pd;

/// Rows of a stretch, where the array is long: then running sums begin anew.
const LONGEST: usize = 4096;

/// Four places in the array, moving together by less than the rows of a stretch and of its first window.
#[derive(Clone, Copy)]
struct Places([usize; 4]);

impl Places {
    /// The values there, `ahead` rows on.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn read(&self, from: &[f64], ahead: usize) -> V {
        of(self.0.map(|at| {
            debug_assert!(at + ahead < from.len());
            // SAFETY: `rounds` cuts stretches that end with the array at the latest.
            unsafe { *from.get_unchecked(at + ahead) }
        }))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn write(&self, to: &mut [f64], ahead: usize, values: V) {
        for (at, value) in self.0.iter().zip(each(values)) {
            debug_assert!(at + ahead < to.len());
            // SAFETY: as above; `on_able` gives results the length of the array.
            unsafe { *to.get_unchecked_mut(at + ahead) = value };
        }
    }
}

/// Cuts the rows that have a whole window into rounds of four stretches: where the windows of each begin, and how
/// many rows it has. What is before the first whole window becomes NaN.
fn rounds(rows: usize, period: usize, out: &mut [f64]) -> impl Iterator<Item = (Places, usize)> + use<> {
    out[..period - 1].fill(f64::NAN);
    let whole = rows + 1 - period;
    let longest = LONGEST.max(16 * period);
    let count = whole.div_ceil(4 * longest);
    let round = whole.div_ceil(count);
    (0..count).map(move |i| {
        let (begin, end) = (i * round, ((i + 1) * round).min(whole));
        let length = (end - begin).div_ceil(4);
        (Places([0, 1, 2, 3].map(|k| (begin + k * length).min(end - length))), length)
    })
}

/// A running sum with its rounding error, as `sum::Sum`, in four lanes.
#[derive(Clone, Copy)]
struct Sum {
    high: V,
    error: V,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn zero() -> Self {
        Self { high: zero(), error: zero() }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&mut self, x: V) {
        let total = add(self.high, x);
        let back = sub(total, self.high);
        let lost = add(sub(self.high, sub(total, back)), sub(x, back));
        self.error = add(self.error, lost);
        self.high = total;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_product(&mut self, a: V, b: V) {
        let product = mul(a, b);
        self.add(product);
        self.error = add(self.error, fms(a, b, product));
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn get(self) -> V {
        add(self.high, self.error)
    }

    /// `n * squares - self²`: the variance times n².
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn scatter(self, squares: Self, n: V) -> V {
        let (a, b) = (mul(squares.high, n), mul(self.high, self.high));
        let (ae, be) = (fms(squares.high, n, a), fms(self.high, self.high, b));
        let twice = add(add(self.high, self.high), self.error);
        let small = fms(n, squares.error, mul(self.error, twice));
        add(sub(a, b), add(sub(ae, be), small))
    }
}

/// Simple average.
#[target_feature(enable = "avx2,fma")]
pub(super) fn sma(x: &[f64], period: usize, out: &mut [f64]) {
    let n = all(period as f64);
    for (places, length) in rounds(x.len(), period, out) {
        let mut sum = zero();
        for i in 0..period - 1 {
            sum = add(sum, places.read(x, i));
        }
        for i in 0..length {
            sum = add(sum, places.read(x, i + period - 1));
            places.write(out, i + period - 1, _mm256_div_pd(sum, n));
            sum = sub(sum, places.read(x, i));
        }
    }
}

/// Weighted average, the newest value with weight `period`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn wma(x: &[f64], period: usize, out: &mut [f64]) {
    let (newest, share) = (all(period as f64), all(2.0 / (period as f64 * (period as f64 + 1.0))));
    for (places, length) in rounds(x.len(), period, out) {
        let (mut plain, mut weighted) = (Sum::zero(), Sum::zero());
        for i in 0..period - 1 {
            let x = places.read(x, i);
            plain.add(x);
            weighted.add_product(x, all(i as f64 + 1.0));
        }
        for i in 0..length {
            let value = places.read(x, i + period - 1);
            weighted.add_product(value, newest);
            places.write(out, i + period - 1, mul(weighted.get(), share));
            plain.add(value);
            weighted.add(sub(zero(), plain.high));
            weighted.error = sub(weighted.error, plain.error);
            plain.add(sub(zero(), places.read(x, i)));
        }
    }
}

/// Gives the mean and the deviation of each window to `write`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn moments(
    x: &[f64],
    period: usize,
    ddof: usize,
    first: &mut [f64],
    mut write: impl FnMut(&mut [f64], Places, usize, V, V),
) {
    let n = all(period as f64);
    let scale = all(1.0 / (period as f64 * (period - ddof) as f64));
    for (places, length) in rounds(x.len(), period, first) {
        let (mut sum, mut squares) = (Sum::zero(), Sum::zero());
        for i in 0..period - 1 {
            let x = places.read(x, i);
            sum.add(x);
            squares.add_product(x, x);
        }
        for i in 0..length {
            let newest = places.read(x, i + period - 1);
            sum.add(newest);
            squares.add_product(newest, newest);
            let variance = mul(sum.scatter(squares, n), scale);
            let deviation = sqrt(greater(variance, zero()));
            write(first, places, i + period - 1, _mm256_div_pd(sum.get(), n), deviation);
            let oldest = places.read(x, i);
            let minus = sub(zero(), oldest);
            sum.add(minus);
            squares.add_product(oldest, minus);
        }
    }
}

/// Standard deviation.
#[target_feature(enable = "avx2,fma")]
pub(super) fn std(x: &[f64], period: usize, ddof: usize, out: &mut [f64]) {
    moments(x, period, ddof, out, |out, places, row, _, deviation| places.write(out, row, deviation));
}

/// Bollinger bands: upper, middle, lower.
#[target_feature(enable = "avx2,fma")]
pub(super) fn bollinger(x: &[f64], period: usize, up: f64, down: f64, out: &mut [&mut [f64]; 3]) {
    let [upper, middle, lower] = out;
    middle[..period - 1].fill(f64::NAN);
    lower[..period - 1].fill(f64::NAN);
    let (up, down) = (all(up), all(-down));
    moments(x, period, 0, upper, |upper, places, row, mean, deviation| {
        places.write(upper, row, fma(deviation, up, mean));
        places.write(middle, row, mean);
        places.write(lower, row, fma(deviation, down, mean));
    });
}
