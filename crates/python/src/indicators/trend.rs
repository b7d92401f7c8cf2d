//! The directional movement of Wilder, and on-balance volume.

use super::words::words;
use super::{NONE, Output, one};

/// A range or a sum of directions below this is none, as in TA-Lib.
const NOTHING: f64 = 1e-14;

/// What is carried from candle to candle.
#[derive(Clone, Copy, Default)]
struct Movement {
    /// Smoothed range, movement up and movement down.
    range: f64,
    up: f64,
    down: f64,
    /// Sum of the direction indices while warming up, then their average.
    index: f64,
    /// The candle's own numbers.
    high: f64,
    low: f64,
    close: f64,
}

words!(Movement: range, up, down, index, high, low, close);

/// Average directional index with both directional indicators.
#[derive(Clone)]
pub(super) struct Adx {
    period: u64,
    count: u64,
    before: Movement,
    after: Movement,
}

words!(Adx: count, before, after);

impl Adx {
    pub(super) fn new(period: usize) -> Self {
        Self { period: period as u64, count: 0, before: Movement::default(), after: Movement::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, high: f64, low: f64, close: f64) -> Output {
        self.before = self.after;
        self.count += 1;
        self.replace(high, low, close)
    }

    #[inline]
    pub(super) fn replace(&mut self, high: f64, low: f64, close: f64) -> Output {
        let old = self.before;
        self.after = Movement { high, low, close, ..old };
        if self.count == 1 {
            return NONE;
        }
        let (p, moves) = (self.period as f64, self.count - 1);
        let keep = if moves < self.period { 1.0 } else { (p - 1.0) / p };
        let (up, down) = (high - old.high, old.low - low);
        // What is no number must show: a comparison would pass over it.
        let hole = (up + down + close) * 0.0;
        let range = (high - low).max((high - old.close).abs()).max((low - old.close).abs()) + hole;
        let new = &mut self.after;
        new.range = old.range * keep + range;
        new.up = old.up * keep + if up > 0.0 && up > down { up } else { hole };
        new.down = old.down * keep + if down > 0.0 && down > up { down } else { hole };
        if moves < self.period {
            return NONE;
        }
        let [plus, minus] =
            [new.up, new.down].map(|d| if new.range.abs() < NOTHING { 0.0 } else { 100.0 * (d / new.range) });
        let both = plus + minus;
        let direction =
            (both.abs() >= NOTHING || both.is_nan()).then(|| 100.0 * ((plus - minus).abs() / both));
        if moves < 2 * self.period {
            new.index = old.index + direction.unwrap_or(0.0);
            if moves < 2 * self.period - 1 {
                return NONE;
            }
            new.index /= p;
        } else if let Some(direction) = direction {
            new.index = (old.index * (p - 1.0) + direction) / p;
        }
        [new.index, plus, minus]
    }
}

/// On-balance volume: volume added where the price rose, taken where it fell.
#[derive(Clone)]
pub(super) struct Obv {
    count: u64,
    /// Price and balance of the candle before the newest, and of the newest.
    before: (f64, f64),
    after: (f64, f64),
}

words!(Obv: count, before, after);

impl Obv {
    pub(super) fn new() -> Self {
        Self { count: 0, before: (0.0, 0.0), after: (0.0, 0.0) }
    }

    #[inline]
    pub(super) fn push(&mut self, price: f64, volume: f64) -> Output {
        self.before = self.after;
        self.count += 1;
        self.replace(price, volume)
    }

    #[inline]
    pub(super) fn replace(&mut self, price: f64, volume: f64) -> Output {
        let (last, balance) = self.before;
        let balance = if self.count == 1 || price > last {
            balance + volume
        } else if price < last {
            balance - volume
        } else {
            balance + (price - last) * 0.0
        };
        self.after = (price, balance);
        one(balance)
    }
}
