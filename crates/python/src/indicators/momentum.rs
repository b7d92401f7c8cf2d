//! ATR and RSI with Wilder's smoothing, and MACD.

use super::average::Ema;
use super::words::words;
use super::{NONE, Output, one};

/// Average true range: the mean of the first `period` ranges, then Wilder's smoothing.
#[derive(Clone)]
pub(super) struct Atr {
    period: f64,
    /// Weights of the average so far and of the newest range.
    keep: f64,
    add: f64,
    /// Candles seen.
    count: u64,
    /// Sum of ranges while warming up, then the average; before and after the newest candle.
    before: f64,
    after: f64,
    /// Closes of the candle before the newest and of the newest.
    close_before: f64,
    close: f64,
}

words!(Atr: count, before, after, close_before, close);

impl Atr {
    pub(super) fn new(period: usize) -> Self {
        let p = period as f64;
        let (keep, add) = ((p - 1.0) / p, 1.0 / p);
        Self { period: p, keep, add, count: 0, before: 0.0, after: 0.0, close_before: 0.0, close: 0.0 }
    }

    /// Weights of the average so far and of the newest range.
    pub(super) fn weights(&self) -> (f64, f64) {
        (self.keep, self.add)
    }

    /// The average after the newest candle.
    pub(super) fn average(&self) -> f64 {
        self.after
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        self.before = self.after;
        self.close_before = self.close;
        self.count += 1;
        self.replace(high, low, close)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        self.close = close;
        if self.count == 1 {
            return NONE;
        }
        let mut range = high - low;
        // Comparisons as in TA-Lib: a NaN on the right leaves the range as it is.
        for other in [(self.close_before - high).abs(), (self.close_before - low).abs()] {
            if other > range {
                range = other;
            }
        }
        let ranges = (self.count - 1) as f64;
        if ranges > self.period {
            self.after = self.before * self.keep + range * self.add;
            return one(self.after);
        }
        self.after = self.before + range;
        if ranges < self.period {
            return NONE;
        }
        self.after /= self.period;
        one(self.after)
    }
}

/// Relative strength index.
#[derive(Clone)]
pub(super) struct Rsi {
    period: f64,
    /// Weights of the averages so far and of the newest move.
    keep: f64,
    add: f64,
    count: u64,
    /// Gain and loss: sums while warming up, then averages.
    before: [f64; 2],
    after: [f64; 2],
    last_before: f64,
    last: f64,
}

words!(Rsi: count, before, after, last_before, last);

impl Rsi {
    pub(super) fn new(period: usize) -> Self {
        let p = period as f64;
        let (keep, add) = ((p - 1.0) / p, 1.0 / p);
        Self {
            period: p,
            keep,
            add,
            count: 0,
            before: [0.0; 2],
            after: [0.0; 2],
            last_before: 0.0,
            last: 0.0,
        }
    }

    /// Weights of the averages so far and of the newest move.
    pub(super) fn weights(&self) -> (f64, f64) {
        (self.keep, self.add)
    }

    /// Gain and loss after the newest value.
    pub(super) fn averages(&self) -> [f64; 2] {
        self.after
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.before = self.after;
        self.last_before = self.last;
        self.count += 1;
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        self.last = x;
        if self.count == 1 {
            return NONE;
        }
        let moves = (self.count - 1) as f64;
        let [mut gain, mut loss] = self.before;
        let step = x - self.last_before;
        let (up, down) = if step < 0.0 { (0.0, -step) } else { (step, 0.0) };
        if moves > self.period {
            (gain, loss) = (gain * self.keep + up * self.add, loss * self.keep + down * self.add);
            self.after = [gain, loss];
        } else {
            (gain, loss) = (gain + up, loss + down);
            self.after = [gain, loss];
            if moves < self.period {
                return NONE;
            }
            (gain, loss) = (gain / self.period, loss / self.period);
            self.after = [gain, loss];
        }
        let both = gain + loss;
        one(if both == 0.0 { 0.0 } else { 100.0 * (gain / both) })
    }
}

/// MACD line, signal line, histogram; all three from the candle on that completes the signal.
#[derive(Clone)]
pub(super) struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    /// Values that the fast average leaves out so that both averages are first whole at the same candle.
    skip: u64,
    count: u64,
}

words!(Macd: fast, slow, signal, count);

impl Macd {
    pub(super) fn new(fast: usize, slow: usize, signal: usize) -> Self {
        let (fast, slow) = (fast.min(slow), fast.max(slow));
        Self {
            fast: Ema::new(fast),
            slow: Ema::new(slow),
            signal: Ema::new(signal),
            skip: (slow - fast) as u64,
            count: 0,
        }
    }

    /// The fast, the slow and the signal's average.
    pub(super) fn averages(&self) -> [&Ema; 3] {
        [&self.fast, &self.slow, &self.signal]
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.count += 1;
        if self.count > self.skip {
            self.fast.push(x);
        }
        self.slow.push(x);
        self.finish(Ema::push)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        if self.count > self.skip {
            self.fast.replace(x);
        }
        self.slow.replace(x);
        self.finish(Ema::replace)
    }

    #[inline]
    fn finish(&mut self, feed: fn(&mut Ema, f64) -> Output) -> Output {
        let (Some(fast), Some(slow)) = (self.fast.value(), self.slow.value()) else {
            return NONE;
        };
        let line = fast - slow;
        feed(&mut self.signal, line);
        self.signal.value().map_or(NONE, |signal| [line, signal, line - signal])
    }
}
