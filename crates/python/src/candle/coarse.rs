//! A buffer of longer bars that follows one of shorter bars: each change of the newest short bar changes the newest
//! long one, in the same call.

use super::row::{MAX_FIELDS, Row};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How the bars of a field become one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum How {
    First,
    Max,
    Min,
    Last,
    Sum,
}

impl How {
    pub(super) fn named(name: &str) -> PyResult<Self> {
        Ok(match name {
            "first" => Self::First,
            "max" => Self::Max,
            "min" => Self::Min,
            "last" => Self::Last,
            "sum" => Self::Sum,
            _ => {
                return Err(PyValueError::new_err("how must be 'first', 'max', 'min', 'last' or 'sum'"));
            }
        })
    }

    /// What a field of this name usually is.
    pub(super) fn usual(field: &str) -> Self {
        const SUMS: [&str; 8] = ["volume", "vol", "amount", "turnover", "trades", "count", "qty", "quantity"];
        match field {
            "open" => Self::First,
            "high" => Self::Max,
            "low" => Self::Min,
            _ if SUMS.iter().any(|s| field == *s || field.ends_with(&format!("_{s}"))) => Self::Sum,
            _ => Self::Last,
        }
    }

    #[inline]
    fn join(self, before: f64, new: f64) -> f64 {
        match self {
            Self::First => before,
            Self::Max => before.max(new),
            Self::Min => before.min(new),
            Self::Last => new,
            Self::Sum => before + new,
        }
    }
}

/// The buffer of longer bars.
pub(super) trait Longer: Send + Sync {
    /// Opens a bar that begins at `time`, nanoseconds since 1970.
    fn open(&self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()>;
    /// Changes the open bar.
    fn change(&self, py: Python<'_>, row: &[f64]) -> PyResult<()>;
    /// Forgets all bars.
    fn clear(&self, py: Python<'_>) -> PyResult<()>;
    /// Whether it has calls to make.
    fn calls(&self, py: Python<'_>) -> bool;
    /// Whether another buffer feeds it.
    fn set_fed(&self, py: Python<'_>, fed: bool);
    /// The object of Python.
    fn object(&self) -> &Py<PyAny>;
}

/// See the module.
pub(super) struct Coarse {
    pub(super) buffer: Box<dyn Longer>,
    interval_ns: i64,
    how: Vec<How>,
    /// The long bar that is open.
    bar: Option<i64>,
    /// Its short bars but the newest, joined; and the newest.
    settled: Option<Row>,
    newest: Row,
}

impl Coarse {
    pub(super) fn new(buffer: Box<dyn Longer>, interval_ns: i64, how: Vec<How>) -> Self {
        Self { buffer, interval_ns, how, bar: None, settled: None, newest: [0.0; MAX_FIELDS] }
    }

    fn joined(&self, row: &[f64]) -> Row {
        let mut out = [0.0; MAX_FIELDS];
        for (i, how) in self.how.iter().enumerate() {
            out[i] = self.settled.as_ref().map_or(row[i], |settled| how.join(settled[i], row[i]));
        }
        out
    }

    /// Takes a short bar that begins at `time`: a new one, or another in the place of the newest. Gives whether the
    /// long buffer has calls to make.
    pub(super) fn take(&mut self, py: Python<'_>, new: bool, row: &[f64], time: i64) -> PyResult<bool> {
        let (width, bar) = (self.how.len(), time.div_euclid(self.interval_ns));
        let opens = self.bar != Some(bar);
        if opens {
            (self.bar, self.settled) = (Some(bar), None);
        } else if new {
            let newest = self.newest;
            self.settled = Some(self.joined(&newest));
        }
        self.newest[..width].copy_from_slice(row);
        let joined = self.joined(row);
        if opens {
            self.buffer.open(py, &joined[..width], bar.saturating_mul(self.interval_ns))?;
        } else {
            self.buffer.change(py, &joined[..width])?;
        }
        Ok(self.buffer.calls(py))
    }

    /// Begins anew, with an empty buffer.
    pub(super) fn clear(&mut self, py: Python<'_>) -> PyResult<()> {
        (self.bar, self.settled) = (None, None);
        self.buffer.clear(py)
    }
}
