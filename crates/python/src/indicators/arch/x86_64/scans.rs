//! Indicators that carry their last result along: `y = keep * before + add * x`.
//!
//! Four steps of that are one: a sum over the four values with powers of `keep`, and the result before them times
//! `keep`⁴. Only that last product waits for the four before.

use super::lane::{V, add, all, fma, greater, load, mul, of, store, sub, zero};
use crate::indicators::average::Ema;
use crate::indicators::momentum::{Atr, Macd, Rsi};
use std::arch::x86_64::{
    _CMP_EQ_OQ, _mm256_andnot_pd, _mm256_blend_pd, _mm256_blendv_pd, _mm256_cmp_pd, _mm256_div_pd,
    _mm256_permute2f128_pd, _mm256_permute4x64_pd,
};

/// The recursion, with the result before the next four values.
struct Scan {
    add: V,
    /// `keep` to the power of 1 and 2 everywhere, of 1 to 4 side by side, of 4 everywhere.
    keep: V,
    keep2: V,
    powers: V,
    keep4: V,
    carry: V,
}

impl Scan {
    #[target_feature(enable = "avx2,fma")]
    fn new(keep: f64, add: f64, before: f64) -> Self {
        let [two, four] = [keep * keep, (keep * keep) * (keep * keep)];
        Self {
            add: all(add),
            keep: all(keep),
            keep2: all(two),
            powers: of([keep, two, two * keep, four]),
            keep4: all(four),
            carry: all(before),
        }
    }

    /// Takes four values and gives the result after each.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn step(&mut self, x: V) -> V {
        let x = mul(x, self.add);
        let by_one = _mm256_blend_pd::<1>(_mm256_permute4x64_pd::<0x90>(x), zero());
        let x = fma(by_one, self.keep, x);
        let by_two = _mm256_permute2f128_pd::<0x08>(x, x);
        let x = fma(by_two, self.keep2, x);
        let result = fma(self.powers, self.carry, x);
        self.carry = fma(self.keep4, self.carry, _mm256_permute4x64_pd::<0xFF>(x));
        result
    }
}

/// Exponential average of an array.
#[target_feature(enable = "avx2,fma")]
pub(super) fn ema(x: &[f64], period: usize, out: &mut [f64]) {
    let mut begin = Ema::new(period);
    for (o, &x) in out.iter_mut().zip(&x[..period]) {
        *o = begin.push(x)[0];
    }
    let mut scan = averaging(&begin);
    for at in (period..x.len()).step_by(4) {
        store(out, at, scan.step(load(x, at)));
    }
}

#[target_feature(enable = "avx2,fma")]
fn averaging(begun: &Ema) -> Scan {
    let k = begun.weight();
    Scan::new(1.0 - k, k, begun.value().unwrap_or(f64::NAN))
}

/// MACD of an array: line, signal, histogram.
#[target_feature(enable = "avx2,fma")]
pub(super) fn macd(x: &[f64], fast: usize, slow: usize, signal: usize, out: &mut [&mut [f64]; 3]) {
    let first = fast.max(slow) + signal - 1;
    let mut begin = Macd::new(fast, slow, signal);
    for (row, &x) in x[..first].iter().enumerate() {
        for (column, value) in out.iter_mut().zip(begin.push(x)) {
            column[row] = value;
        }
    }
    let [mut fast, mut slow, mut signal] = begin.averages().map(|a| averaging(a));
    for at in (first..x.len()).step_by(4) {
        let four = load(x, at);
        let line = sub(fast.step(four), slow.step(four));
        let mean = signal.step(line);
        store(out[0], at, line);
        store(out[1], at, mean);
        store(out[2], at, sub(line, mean));
    }
}

/// Relative strength of an array.
#[target_feature(enable = "avx2,fma")]
pub(super) fn rsi(x: &[f64], period: usize, out: &mut [f64]) {
    let first = period + 1;
    let mut begin = Rsi::new(period);
    for (o, &x) in out.iter_mut().zip(&x[..first]) {
        *o = begin.push(x)[0];
    }
    let (keep, weight) = begin.weights();
    let [mut gains, mut losses] = begin.averages().map(|before| Scan::new(keep, weight, before));
    for at in (first..x.len()).step_by(4) {
        let step = sub(load(x, at), load(x, at - 1));
        let gain = gains.step(greater(step, zero()));
        let loss = losses.step(greater(sub(zero(), step), zero()));
        let both = add(gain, loss);
        let strength = mul(all(100.0), _mm256_div_pd(gain, both));
        let none = _mm256_cmp_pd::<_CMP_EQ_OQ>(both, zero());
        store(out, at, _mm256_blendv_pd(strength, zero(), none));
    }
}

/// Average true range of three arrays.
#[target_feature(enable = "avx2,fma")]
pub(super) fn atr(high: &[f64], low: &[f64], close: &[f64], period: usize, out: &mut [f64]) {
    let (first, rows) = (period + 1, high.len().min(low.len()).min(close.len()));
    let mut begin = Atr::new(period);
    for row in 0..first {
        out[row] = begin.push(high[row], low[row], close[row])[0];
    }
    let (keep, weight) = begin.weights();
    let mut ranges = Scan::new(keep, weight, begin.average());
    let size = |v: V| _mm256_andnot_pd(all(-0.0), v);
    for at in (first..rows).step_by(4) {
        let (h, l, before) = (load(high, at), load(low, at), load(close, at - 1));
        let range = greater(size(sub(before, h)), sub(h, l));
        let range = greater(size(sub(before, l)), range);
        store(out, at, ranges.step(range));
    }
}
