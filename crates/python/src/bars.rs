//! Candles from ticks: which bar a tick belongs to, which ticks are none, and what happens to late ones and in gaps.

use crate::guard::{Bad, Guard};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The fields of candles of which nothing else is said.
pub(crate) fn usual_fields() -> Vec<String> {
    ["open", "high", "low", "close", "volume"].map(String::from).to_vec()
}

/// Nanoseconds since 1970 of a datetime and its kind.
pub(crate) fn time_ns(py: Python<'_>, time: &Bound<'_, PyAny>) -> PyResult<i64> {
    py.import("m5mem._time")?.call_method1("stamp_ns", (time,))?.extract()
}

/// Length of a bar, in the unit of the timestamps. Integers are exact: nanoseconds since 1970 are too many for a
/// float.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interval {
    Int(i64),
    Float(f64),
}

impl Interval {
    pub(crate) fn from_py(value: &Bound<'_, PyAny>, unit_ns: i64) -> PyResult<Self> {
        let interval = if let Ok(n) = value.extract::<i64>() {
            Self::Int(n)
        } else if let Ok(x) = value.extract::<f64>() {
            Self::Float(x)
        } else {
            let ns: i64 =
                value.py().import("m5mem._time")?.call_method1("interval_ns", (value,))?.extract()?;
            if ns % unit_ns == 0 { Self::Int(ns / unit_ns) } else { Self::Float(ns as f64 / unit_ns as f64) }
        };
        match interval {
            Self::Int(n) if n > 0 => Ok(interval),
            Self::Float(x) if x > 0.0 && x.is_finite() => Ok(interval),
            _ => Err(PyValueError::new_err(
                "interval must be a positive number, in the unit of the timestamps, or a text as '1min'",
            )),
        }
    }

    /// The tick's bar and its place in time; `None` where it has none (NaN, out of range).
    ///
    /// A float is good to one part in 2^53: a time that lies that near to the beginning of a bar is meant to be it
    /// (0.3 at an interval of 0.1 is in bar 3, although the quotient is 2.9999999999999996).
    #[inline]
    pub(crate) fn place(self, ts: Stamp) -> Option<(i64, f64)> {
        match (self, ts) {
            (Self::Int(n), Stamp::Int(t)) => Some((t.div_euclid(n), t.rem_euclid(n) as f64)),
            (Self::Int(n), Stamp::Float(t)) => Self::Float(n as f64).place(Stamp::Float(t)),
            (Self::Float(_), Stamp::Int(t)) => self.place(Stamp::Float(t as f64)),
            (Self::Float(x), Stamp::Float(t)) => {
                let quotient = t / x;
                let nearest = quotient.round();
                let bar = if (quotient - nearest).abs() <= quotient.abs() * (2.0 * f64::EPSILON) {
                    nearest
                } else {
                    quotient.floor()
                };
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

    /// The same in nanoseconds since 1970, for timestamps in a unit of so many.
    pub(crate) fn begin_ns(self, bar: i64, unit_ns: i64) -> i64 {
        let step = match self {
            Self::Int(n) => i128::from(n) * i128::from(unit_ns),
            Self::Float(x) => (x * unit_ns as f64).round() as i128,
        };
        let ns = i128::from(bar) * step;
        i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
    }
}

/// A tick's timestamp as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Stamp {
    Int(i64),
    Float(f64),
}

impl Stamp {
    #[inline]
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Int(t) => t as f64,
            Self::Float(t) => t,
        }
    }
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

/// A tick.
#[derive(Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) ts: Stamp,
    pub(crate) price: f64,
    pub(crate) qty: f64,
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
