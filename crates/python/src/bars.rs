//! Candles from ticks: which bar a tick belongs to, and what happens to late ones and in gaps.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Length of a bar, in the unit of the timestamps. Integers are exact: nanoseconds since 1970 are too many for a
/// float.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interval {
    Int(i64),
    Float(f64),
}

impl Interval {
    pub(crate) fn from_py(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let interval = match value.extract::<i64>() {
            Ok(n) => Self::Int(n),
            Err(_) => Self::Float(value.extract()?),
        };
        match interval {
            Self::Int(n) if n > 0 => Ok(interval),
            Self::Float(x) if x > 0.0 && x.is_finite() => Ok(interval),
            _ => Err(PyValueError::new_err(
                "interval must be a positive number, in the unit of the timestamps",
            )),
        }
    }

    /// The tick's bar and its place in time; `None` where it has none (NaN, out of range).
    #[inline]
    pub(crate) fn place(self, ts: Stamp) -> Option<(i64, f64)> {
        match (self, ts) {
            (Self::Int(n), Stamp::Int(t)) => Some((t.div_euclid(n), t.rem_euclid(n) as f64)),
            (Self::Int(n), Stamp::Float(t)) => Self::Float(n as f64).place(Stamp::Float(t)),
            (Self::Float(_), Stamp::Int(t)) => self.place(Stamp::Float(t as f64)),
            (Self::Float(x), Stamp::Float(t)) => {
                let bar = (t / x).floor();
                (bar.abs() < 9e18).then_some((bar as i64, t - bar * x))
            }
        }
    }

    /// Where a bar begins.
    pub(crate) fn begin(self, bar: i64) -> f64 {
        match self {
            Self::Int(n) => bar.saturating_mul(n) as f64,
            Self::Float(x) => bar as f64 * x,
        }
    }
}

/// A tick's timestamp as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Stamp {
    Int(i64),
    Float(f64),
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
    last: f64,
    first: f64,
}

impl Open {
    fn with(bar: i64, at: f64, price: f64, volume: f64) -> Self {
        Self { bar, open: price, high: price, low: price, close: price, volume, last: at, first: at }
    }

    /// A bar without a trade.
    fn flat(bar: i64, price: f64) -> Self {
        Self::with(bar, 0.0, price, 0.0)
    }

    /// Takes a tick of this bar; one that comes late does not move the close, one from before the first moves
    /// the open.
    #[inline]
    fn take(&mut self, at: f64, price: f64, qty: f64) {
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
    /// Nothing: the tick was late or broken.
    Drop,
    /// The last row changes.
    Change,
    /// `close` the last row if there is an open one, then append bars `from..=to`: all but the last are gaps.
    Append { close: bool, gaps: u64 },
}

/// The state between ticks.
pub(crate) struct Bars {
    pub(crate) interval: Interval,
    pub(crate) fill: bool,
    pub(crate) open: Option<Open>,
    pub(crate) late: u64,
    pub(crate) rejected: u64,
    pub(crate) gaps: u64,
    previous_close: f64,
}

impl Bars {
    pub(crate) fn new(interval: Interval, fill: bool) -> Self {
        Self { interval, fill, open: None, late: 0, rejected: 0, gaps: 0, previous_close: f64::NAN }
    }

    /// Takes a tick; afterwards `open` is the bar that it belongs to.
    #[inline]
    pub(crate) fn tick(&mut self, ts: Stamp, price: f64, qty: f64) -> Step {
        let place = self.interval.place(ts).filter(|_| price.is_finite() && qty.is_finite());
        let Some((bar, at)) = place else {
            self.rejected += 1;
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
