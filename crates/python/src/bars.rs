//! Candles from ticks: the bar that is open, late ticks, and what happens in gaps.

use crate::guard::{Bad, Guard};
use crate::tick::{Interval, Tick};

/// The fields of candles of which nothing else is said.
pub(crate) fn usual_fields() -> Vec<String> {
    ["open", "high", "low", "close", "volume"].map(String::from).to_vec()
}

/// The bar that is still open.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    pub(crate) bar: i64,
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    pub(crate) volume: f64,
    /// Where in the bar the tick lies that gave `close`, and the one that gave `open`.
    pub(crate) last: f64,
    pub(crate) first: f64,
}

impl Open {
    pub(crate) fn with(bar: i64, at: f64, price: f64, volume: f64) -> Self {
        Self { bar, open: price, high: price, low: price, close: price, volume, last: at, first: at }
    }

    /// A bar without a trade.
    fn flat(bar: i64, price: f64) -> Self {
        Self::with(bar, 0.0, price, 0.0)
    }

    /// Takes a tick of this bar; one that comes late does not move the close, one from before the first moves
    /// the open.
    #[inline]
    pub(crate) fn take(&mut self, at: f64, price: f64, qty: f64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.volume += qty;
        if at >= self.last {
            (self.last, self.close) = (at, price);
        } else if at < self.first {
            (self.first, self.open) = (at, price);
        }
    }
}

/// What a tick did to the rows.
pub(crate) enum Step {
    /// Nothing: the tick was late or has no bar.
    Drop,
    /// The last row changes.
    Change,
    /// `close` the last row if there is an open one, then append bars `from..=to`: all but the last are gaps.
    Append { close: bool, gaps: u64 },
}

/// The state between ticks.
pub(crate) struct Bars {
    pub(crate) interval: Interval,
    /// Nanoseconds of the unit of the timestamps.
    pub(crate) unit_ns: i64,
    pub(crate) fill: bool,
    pub(crate) guard: Guard,
    pub(crate) open: Option<Open>,
    pub(crate) late: u64,
    pub(crate) gaps: u64,
    pub(crate) previous_close: f64,
}

impl Bars {
    pub(crate) fn new(interval: Interval, unit_ns: i64, fill: bool, guard: Guard) -> Self {
        Self { interval, unit_ns, fill, guard, open: None, late: 0, gaps: 0, previous_close: f64::NAN }
    }

    /// When a bar begins, in nanoseconds since 1970.
    pub(crate) fn ns(&self, bar: i64) -> i64 {
        self.interval.begin_ns(bar, self.unit_ns)
    }

    /// Takes a tick; afterwards `open` is the bar that it belongs to.
    #[inline]
    pub(crate) fn tick(&mut self, tick: &Tick) -> Step {
        let &Tick { ts, price, qty } = tick;
        let Some((bar, at)) = self.interval.place(ts) else {
            self.guard.counts[Bad::NotFinite as usize] += 1;
            return Step::Drop;
        };
        let Some(open) = &mut self.open else {
            self.open = Some(Open::with(bar, at, price, qty));
            return Step::Append { close: false, gaps: 0 };
        };
        if bar == open.bar {
            open.take(at, price, qty);
            return Step::Change;
        }
        if bar < open.bar {
            self.late += 1;
            return Step::Drop;
        }
        let missing = (bar - open.bar - 1).unsigned_abs();
        self.gaps += missing;
        self.previous_close = open.close;
        *open = Open::with(bar, at, price, qty);
        Step::Append { close: true, gaps: if self.fill { missing } else { 0 } }
    }

    /// The empty bar `before` bars before the open one.
    pub(crate) fn gap(&self, before: u64) -> Open {
        let bar = self.open.map_or(0, |o| o.bar) - before.cast_signed();
        Open::flat(bar, self.previous_close)
    }
}
