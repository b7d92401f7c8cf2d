//! Ticks, their times, and which bar a time belongs to.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

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

/// A tick.
#[derive(Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) ts: Stamp,
    pub(crate) price: f64,
    pub(crate) qty: f64,
}
