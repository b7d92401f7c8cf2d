//! Bands around a price: Donchian's channel, Keltner's, and the deviations around the volume-weighted price.

use super::average::Ema;
use super::momentum::Atr;
use super::oscillator::Range;
use super::sum::{Sum, product};
use super::tail::next;
use super::words::words;
use super::{NONE, Output};

/// Highest high, their middle, lowest low.
#[derive(Clone)]
pub(super) struct Donchian(Range);

words!(Donchian: 0);

impl Donchian {
    pub(super) fn new(period: usize) -> Self {
        Self(Range::new(period))
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64) -> Output {
        let range = self.0.push(high, low);
        Self::of(range)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64) -> Output {
        let range = self.0.replace(high, low);
        Self::of(range)
    }

    #[inline]
    fn of([high, low]: [f64; 2]) -> Output {
        let middle = (high + low) / 2.0;
        if middle.is_nan() { NONE } else { [high, middle, low] }
    }
}

/// The exponential average of the close, and average true ranges around it.
#[derive(Clone)]
pub(super) struct Keltner {
    middle: Ema,
    range: Atr,
    times: f64,
}

words!(Keltner: middle, range);

impl Keltner {
    pub(super) fn new(period: usize, atr: usize, times: f64) -> Self {
        Self { middle: Ema::new(period), range: Atr::new(atr), times }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        let (middle, range) = (self.middle.push(close)[0], self.range.push(high, low, close)[0]);
        self.around(middle, range)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        let (middle, range) = (self.middle.replace(close)[0], self.range.replace(high, low, close)[0]);
        self.around(middle, range)
    }

    #[inline]
    fn around(&self, middle: f64, range: f64) -> Output {
        let width = self.times * range;
        if (middle + width).is_nan() { NONE } else { [middle + width, middle, middle - width] }
    }
}

/// Sums of volume, of price × volume and of price² × volume. Products and sums carry their rounding error, so that a
/// small deviation of a large price is right.
#[derive(Clone, Copy, Default)]
struct Traded {
    volume: Sum,
    money: Sum,
    squares: Sum,
    /// Candles in the window with volume, and those with a NaN or an infinity.
    candles: u64,
    broken: u64,
}

words!(Traded: volume, money, squares, candles, broken);

impl Traded {
    /// Takes a candle in (`sign` 1) or out (-1).
    #[inline]
    fn apply(&mut self, price: f64, volume: f64, sign: f64) {
        let count = |n: u64| if sign > 0.0 { n + 1 } else { n - 1 };
        let (money, error) = product(price, volume);
        if !(money * price).is_finite() {
            self.broken = count(self.broken);
        } else if volume != 0.0 {
            self.candles = count(self.candles);
            self.volume.add(sign * volume);
            self.money.add_product(price, volume, sign);
            self.squares.add_product(money, price, sign);
            self.squares.add(sign * error * price);
            if self.candles == 0 {
                *self = Self { broken: self.broken, ..Self::default() };
            }
        }
    }
}

/// Where a trade leaves that was so much larger than all that stays, its rounding errors would be what is left.
const TINY: f64 = 1e-6;

/// The volume-weighted average price of a window and its volume-weighted deviations.
#[derive(Clone)]
pub(super) struct VwapBands {
    ring: Box<[(f64, f64)]>,
    at: usize,
    count: u64,
    before: Traded,
    after: Traded,
    up: f64,
    down: f64,
}

words!(VwapBands: ring, at, count, before, after);

impl VwapBands {
    pub(super) fn new(period: usize, up: f64, down: f64) -> Self {
        let ring = vec![(0.0, 0.0); period].into_boxed_slice();
        let none = Traded::default();
        Self { ring, at: period - 1, count: 0, before: none, after: none, up, down }
    }

    #[inline]
    pub(super) fn push(&mut self, price: f64, volume: f64) -> Output {
        self.at = next(self.at, self.ring.len());
        self.count += 1;
        self.before = self.after;
        if self.count > self.ring.len() as u64 {
            let (left, gone) = self.ring[self.at];
            self.before.apply(left, gone, -1.0);
            if self.before.volume.get().abs() < gone.abs() * TINY {
                self.rebuild();
            }
        }
        self.replace(price, volume)
    }

    /// The sums of all candles but the one whose place the newest takes.
    #[cold]
    fn rebuild(&mut self) {
        let mut sums = Traded::default();
        let others = self.ring.iter().enumerate().filter(|(i, _)| *i != self.at);
        others.for_each(|(_, &(price, volume))| sums.apply(price, volume, 1.0));
        self.before = sums;
    }

    #[inline]
    pub(super) fn replace(&mut self, price: f64, volume: f64) -> Output {
        self.ring[self.at] = (price, volume);
        self.after = self.before;
        self.after.apply(price, volume, 1.0);
        let now = &self.after;
        if self.count < self.ring.len() as u64 || now.broken > 0 || now.candles == 0 {
            return NONE;
        }
        let total = now.volume.get();
        let middle = now.money.get() / total;
        let variance = now.money.scatter_of(now.squares, now.volume) / (total * total);
        let deviation = variance.max(0.0).sqrt();
        [middle + self.up * deviation, middle, middle - self.down * deviation]
    }
}
