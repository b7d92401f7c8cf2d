//! Rolling volume-weighted average price.
//!
//! The definition is the sum of price × volume over the sum of volume in the window. A plain running sum would
//! keep the rounding error of a huge trade long after it left, so both sums carry their error term along.

use super::sum::Sum;
use super::tail::next;
use super::words::words;
use super::{NONE, Output, one};

#[derive(Clone, Copy, Default)]
struct State {
    money: Sum,
    volume: Sum,
    /// Candles in the window that have volume.
    traded: u64,
    /// Candles in the window with a NaN or an infinity.
    broken: u64,
}

words!(State: money, volume, traded, broken);

/// See the module.
#[derive(Clone)]
pub(super) struct Vwap {
    ring: Box<[(f64, f64)]>,
    at: usize,
    count: u64,
    before: State,
    after: State,
}

words!(Vwap: ring, at, count, before, after);

impl Vwap {
    pub(super) fn new(period: usize) -> Self {
        let ring = vec![(0.0, 0.0); period].into_boxed_slice();
        Self { ring, at: period - 1, count: 0, before: State::default(), after: State::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, price: f64, volume: f64) -> Output {
        self.at = next(self.at, self.ring.len());
        self.count += 1;
        self.before = self.after;
        if self.count > self.ring.len() as u64 {
            let (money, volume) = self.ring[self.at];
            apply(&mut self.before, money, volume, -1.0);
        }
        self.replace(price, volume)
    }

    #[inline]
    pub(super) fn replace(&mut self, price: f64, volume: f64) -> Output {
        let money = price * volume;
        self.ring[self.at] = (money, volume);
        let mut state = self.before;
        apply(&mut state, money, volume, 1.0);
        self.after = state;
        if self.count < self.ring.len() as u64 {
            return NONE;
        }
        if state.broken > 0 || state.traded == 0 {
            return one(f64::NAN);
        }
        one(state.money.get() / state.volume.get())
    }
}

/// Takes a candle in (`sign` 1) or out (-1).
#[inline]
fn apply(state: &mut State, money: f64, volume: f64, sign: f64) {
    let count = |n: u64| if sign > 0.0 { n + 1 } else { n - 1 };
    if !money.is_finite() || !volume.is_finite() {
        state.broken = count(state.broken);
        return;
    }
    if volume != 0.0 {
        state.traded = count(state.traded);
        state.money.add(sign * money);
        state.volume.add(sign * volume);
        if state.traded == 0 {
            (state.money, state.volume) = (Sum::default(), Sum::default());
        }
    }
}
