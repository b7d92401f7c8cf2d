//! `CandleBuffer`: the newest candles in one piece of memory, with indicators fed in the same call.
#![allow(unsafe_code)]

mod fast;
mod feed;
mod input;
mod methods;
mod saved;
mod sequence;
mod sources;
mod state;

use crate::block::{Block, Piece};
use crate::cell::GilCell;
use crate::npy;
use crate::own::Own;
use crate::track::{self, Version};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use state::{MAX_FIELDS, Row, State};

/// The newest `capacity` candles in one contiguous piece of memory.
///
/// `window(n)` is a read-only NumPy view that costs no copy and never changes: what would overwrite it goes to a
/// fresh block. Attached indicators are updated in the same call. With `interval=` candles are built from ticks.
#[pyclass(frozen, module = "m5mem._native")]
pub(crate) struct CandleBuffer {
    state: GilCell<State>,
    names: Vec<String>,
    fields: Py<PyTuple>,
    by_row: bool,
    pub(crate) stamp: Py<Version>,
    /// What it was made with, to make another.
    made: Py<PyDict>,
    on_bad: OnBad,
    /// Called when ticks close bars.
    on_close: GilCell<Option<Own>>,
    told: GilCell<u8>,
    row_class: PyOnceLock<Py<PyAny>>,
}

/// What a tick that is none does.
#[derive(Clone, Copy, PartialEq)]
enum OnBad {
    Skip,
    Warn,
    Raise,
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

    fn piece(&self, py: Python<'_>, n: Option<usize>, field: Option<usize>) -> (Py<Block>, Piece) {
        track::read(py, &self.stamp);
        self.state.with(py, |s| {
            let piece = s.rows.window(n.unwrap_or(usize::MAX), field);
            (s.rows.block.clone_ref(py), piece)
        })
    }

    /// The times of the last `n` candles.
    fn times<'py>(&self, py: Python<'py>, n: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        track::read(py, &self.stamp);
        let found = self.state.with(py, |s| {
            let times = s.times.as_mut()?;
            let piece = times.window(n.unwrap_or(usize::MAX), Some(0));
            Some((times.block.clone_ref(py), piece))
        });
        let Some((block, piece)) = found else {
            return Err(PyValueError::new_err("this buffer has no time axis; make it with time=True"));
        };
        let made = npy::array(py, &block, &piece, false)?;
        // SAFETY: a new reference.
        Ok(unsafe { Bound::from_owned_ptr(py, made) })
    }

    fn array<'py>(
        &self,
        py: Python<'py>,
        n: Option<usize>,
        field: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (block, piece) = self.piece(py, n, field);
        let made = npy::array(py, &block, &piece, false)?;
        // SAFETY: a new reference.
        Ok(unsafe { Bound::from_owned_ptr(py, made) })
    }
}

/// Adds the class to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<CandleBuffer>()?;
    fast::register(m)
}
