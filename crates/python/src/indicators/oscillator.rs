//! Where the price stands in its recent range: stochastics, Williams %R, commodity channel and money flow index.

use super::average::Sma;
use super::extreme::Extreme;
use super::sum::Sum;
use super::tail::next;
use super::words::words;
use super::{NONE, Output, one};

/// The highest high and the lowest low of a window.
#[derive(Clone)]
pub(super) struct Range {
    high: Extreme,
    low: Extreme,
}

words!(Range: high, low);

impl Range {
    pub(super) fn new(period: usize) -> Self {
        Self { high: Extreme::new(period, -1.0), low: Extreme::new(period, 1.0) }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64) -> [f64; 2] {
        [self.high.push(high)[0], self.low.push(low)[0]]
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64) -> [f64; 2] {
        [self.high.replace(high)[0], self.low.replace(low)[0]]
    }
}

/// How far `part` is of `whole`; nothing of an empty whole.
#[inline]
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Slow stochastics: %K smoothed, and its average %D.
#[derive(Clone)]
pub(super) struct Stoch {
    range: Range,
    slow: Sma,
    signal: Sma,
    fast: u64,
    count: u64,
    /// The first candle with a smoothed %K.
    from: u64,
}

words!(Stoch: range, slow, signal, count);

impl Stoch {
    pub(super) fn new(fast: usize, slow: usize, signal: usize) -> Self {
        let from = (fast + slow - 1) as u64;
        let (slow, signal) = (Sma::new(slow), Sma::new(signal));
        Self { range: Range::new(fast), slow, signal, fast: fast as u64, count: 0, from }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        self.count += 1;
        let range = self.range.push(high, low);
        self.finish(range, close, Sma::push)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        let range = self.range.replace(high, low);
        self.finish(range, close, Sma::replace)
    }

    #[inline]
    fn finish(&mut self, [high, low]: [f64; 2], close: f64, feed: fn(&mut Sma, f64) -> Output) -> Output {
        if self.count < self.fast {
            return NONE;
        }
        let k = feed(&mut self.slow, 100.0 * share(close - low, high - low))[0];
        if self.count < self.from {
            return NONE;
        }
        let d = feed(&mut self.signal, k)[0];
        // Both begin together, as in TA-Lib.
        if d.is_nan() && !self.signal.full() { NONE } else { [k, d, f64::NAN] }
    }
}

/// Williams %R: from −100 at the lowest low to 0 at the highest high.
#[derive(Clone)]
pub(super) struct WilliamsR(Range);

words!(WilliamsR: 0);

impl WilliamsR {
    pub(super) fn new(period: usize) -> Self {
        Self(Range::new(period))
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        let range = self.0.push(high, low);
        Self::of(range, close)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        let range = self.0.replace(high, low);
        Self::of(range, close)
    }

    #[inline]
    fn of([high, low]: [f64; 2], close: f64) -> Output {
        one(-100.0 * share(high - close, high - low))
    }
}

/// A mean deviation below this part of the mean is rounding.
const ROUNDING: f64 = 1e-14;

/// Commodity channel index: the typical price's distance from its mean, in mean deviations of 0.015. A value costs a
/// walk through the window: the mean that the deviations are taken from changes with each.
#[derive(Clone)]
pub(super) struct Cci {
    ring: Box<[f64]>,
    at: usize,
    count: u64,
}

words!(Cci: ring, at, count);

impl Cci {
    pub(super) fn new(period: usize) -> Self {
        Self { ring: vec![0.0; period].into_boxed_slice(), at: period - 1, count: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        self.at = next(self.at, self.ring.len());
        self.count += 1;
        self.replace(high, low, close)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        let typical = (high + low + close) / 3.0;
        self.ring[self.at] = typical;
        let n = self.ring.len() as f64;
        if self.count < self.ring.len() as u64 {
            return NONE;
        }
        let mean = self.ring.iter().sum::<f64>() / n;
        let deviation = self.ring.iter().map(|x| (x - mean).abs()).sum::<f64>() / n;
        let still = deviation <= mean.abs() * ROUNDING;
        one(if still { 0.0 } else { (typical - mean) / (0.015 * deviation) })
    }
}

/// The money that flowed in a window, in rises and in falls.
#[derive(Clone, Copy, Default)]
struct Flows {
    rises: Sum,
    falls: Sum,
    /// Flows that are not 0, and those that are no number.
    moves: u64,
    broken: u64,
}

words!(Flows: rises, falls, moves, broken);

impl Flows {
    /// Takes a flow in (`sign` 1) or out (-1); one in a fall is negative.
    #[inline]
    fn apply(&mut self, flow: f64, sign: f64) {
        let count = |n: u64| if sign > 0.0 { n + 1 } else { n - 1 };
        if !flow.is_finite() {
            self.broken = count(self.broken);
        } else if flow != 0.0 {
            self.moves = count(self.moves);
            if self.moves == 0 {
                (self.rises, self.falls) = (Sum::default(), Sum::default());
            } else if flow > 0.0 {
                self.rises.add(sign * flow);
            } else {
                self.falls.add(-sign * flow);
            }
        }
    }
}

/// Money flow index: the part of rises in the money that changed hands.
#[derive(Clone)]
pub(super) struct Mfi {
    ring: Box<[f64]>,
    at: usize,
    count: u64,
    /// Typical price before the newest candle, and of the newest.
    last: f64,
    typical: f64,
    before: Flows,
}

words!(Mfi: ring, at, count, last, typical, before);

impl Mfi {
    pub(super) fn new(period: usize) -> Self {
        let ring = vec![0.0; period].into_boxed_slice();
        Self { ring, at: period - 1, count: 0, last: 0.0, typical: 0.0, before: Flows::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64, volume: f64) -> Output {
        // The first candle has no flow: nothing is in the ring for it.
        if self.count > 1 {
            self.before.apply(self.ring[self.at], 1.0);
        }
        if self.count > 0 {
            self.at = next(self.at, self.ring.len());
        }
        if self.count > self.ring.len() as u64 {
            self.before.apply(self.ring[self.at], -1.0);
        }
        self.last = self.typical;
        self.count += 1;
        self.replace(high, low, close, volume)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64, volume: f64) -> Output {
        self.typical = (high + low + close) / 3.0;
        if self.count == 1 {
            return NONE;
        }
        let step = self.typical - self.last;
        let flow = self.typical * volume;
        self.ring[self.at] = if step > 0.0 {
            flow
        } else if step < 0.0 {
            -flow
        } else {
            step * 0.0
        };
        if self.count <= self.ring.len() as u64 {
            return NONE;
        }
        let mut flows = self.before;
        flows.apply(self.ring[self.at], 1.0);
        if flows.broken > 0 {
            return NONE;
        }
        let (rises, falls) = (flows.rises.get(), flows.falls.get());
        one(100.0 * share(rises, rises + falls))
    }
}
