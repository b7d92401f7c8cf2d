//! `CandleBuffer`: the newest candles in one piece of memory, with indicators fed in the same call.

mod attach;
mod coarse;
mod deliver;
mod fast;
mod feed;
mod follower;
mod input;
mod methods;
mod row;
mod saved;
mod sequence;
mod sources;
mod state;

use crate::arrow::Column;
use crate::block::{Item, Piece};
use crate::guard::OnBad;
use crate::npy;
use crate::own::Own;
use crate::threads::StateCell;
use crate::track::{self, Version};
use follower::Follower;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use row::{MAX_FIELDS, Row};
use state::State;

/// The newest `capacity` candles in one contiguous piece of memory.
///
/// `window(n)` is a read-only NumPy view that costs no copy and never changes: what would overwrite it goes to a
/// fresh block. Attached indicators are updated in the same call. With `interval=` candles are built from ticks.
#[pyclass(frozen, weakref, module = "m5mem._native")]
pub(crate) struct CandleBuffer {
    state: StateCell<State>,
    names: Vec<String>,
    fields: Py<PyTuple>,
    by_row: bool,
    pub(crate) stamp: Py<Version>,
    /// What it was made with, to make another.
    made: Py<PyDict>,
    on_bad: OnBad,
    /// Called when ticks close bars.
    on_close: StateCell<Option<Own>>,
    /// Objects of Python that follow the candles.
    followers: StateCell<Vec<Follower>>,
    told: StateCell<u8>,
    row_class: PyOnceLock<Py<PyAny>>,
}

impl Drop for CandleBuffer {
    fn drop(&mut self) {
        self.stamp.get().end();
    }
}

impl CandleBuffer {
    fn index(&self, name: &str) -> PyResult<usize> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            PyKeyError::new_err(format!("no field '{name}'; the fields are {}", self.names.join(", ")))
        })
    }

    fn piece(&self, py: Python<'_>, n: Option<usize>, field: Option<usize>) -> PyResult<(Own, Piece)> {
        track::read(py, &self.stamp);
        let (memory, piece) = self.state.with(py, |s| {
            let piece = s.rows.window(n.unwrap_or(usize::MAX), field);
            (s.rows.hold(), piece)
        });
        Ok((memory.lend(py)?, piece))
    }

    /// The columns as Arrow has them: the time axis before the fields.
    fn columns(&self, py: Python<'_>) -> Vec<Column> {
        let (item, axis) = self.state.with(py, |s| (s.rows.item, s.times.is_some()));
        let taken = self.names.iter().any(|name| name == "time");
        let time = if taken { "candle_time" } else { "time" };
        let axis = axis.then(|| (time.to_owned(), Item::I8));
        axis.into_iter().chain(self.names.iter().map(|name| (name.clone(), item))).collect()
    }

    /// What lies in them, all of one moment.
    fn parts(&self, py: Python<'_>, n: usize) -> PyResult<Vec<(Own, Piece)>> {
        track::read(py, &self.stamp);
        let parts: Vec<_> = self.state.with(py, |s| {
            let times = s.times.as_mut().map(|t| (t.window(n, Some(0)), t.hold()));
            let rows = (s.rows.window(n, None), s.rows.hold());
            times.into_iter().chain([rows]).collect()
        });
        parts.into_iter().map(|(piece, memory)| Ok((memory.lend(py)?, piece))).collect()
    }

    /// The times of the last `n` candles.
    fn times<'py>(&self, py: Python<'py>, n: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        track::read(py, &self.stamp);
        let found = self.state.with(py, |s| {
            let times = s.times.as_mut()?;
            let piece = times.window(n.unwrap_or(usize::MAX), Some(0));
            Some((times.hold(), piece))
        });
        let Some((memory, piece)) = found else {
            return Err(PyValueError::new_err("this buffer has no time axis; make it with time=True"));
        };
        npy::bound(py, &memory.lend(py)?, &piece)
    }

    fn array<'py>(
        &self,
        py: Python<'py>,
        n: Option<usize>,
        field: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (block, piece) = self.piece(py, n, field)?;
        npy::bound(py, &block, &piece)
    }
}

/// Adds the class to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<CandleBuffer>()?;
    fast::register(m)
}
