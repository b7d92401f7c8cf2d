//! A buffer as a sequence of candles.

use super::CandleBuffer;
use crate::block::Rows;
use crate::track;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

impl CandleBuffer {
    /// A candle by its place, from the end where it is negative: a named tuple of its fields.
    pub(super) fn candle<'py>(&self, py: Python<'py>, at: isize) -> PyResult<Bound<'py, PyAny>> {
        track::read(py, &self.stamp);
        let row = self.state.with(py, |s| {
            let len = s.rows.len() as isize;
            let back = if at < 0 { -1 - at } else { len - 1 - at };
            if (0..len).contains(&back) { row(&s.rows, back as usize) } else { None }
        });
        let row = row.ok_or_else(|| PyIndexError::new_err(format!("no candle {at}")))?;
        self.row_class(py)?.call1(PyTuple::new(py, row)?)
    }

    /// All candles of one moment, the oldest first.
    pub(super) fn candles<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        track::read(py, &self.stamp);
        let rows: Vec<Vec<f64>> =
            self.state.with(py, |s| (0..s.rows.len()).rev().filter_map(|back| row(&s.rows, back)).collect());
        let class = self.row_class(py)?;
        rows.into_iter().map(|row| class.call1(PyTuple::new(py, row)?)).collect()
    }

    /// The class of its candles.
    fn row_class<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyAny>> {
        let class = self.row_class.get_or_try_init(py, || {
            let options = PyDict::new(py);
            options.set_item("rename", true)?;
            let make = py.import("collections")?.getattr("namedtuple")?;
            PyResult::Ok(make.call(("Candle", self.fields.bind(py)), Some(&options))?.unbind())
        })?;
        Ok(class.bind(py))
    }
}

/// The numbers of a candle, `back` before the newest.
fn row(rows: &Rows, back: usize) -> Option<Vec<f64>> {
    (0..rows.fields).map(|field| rows.get(back, field)).collect()
}
