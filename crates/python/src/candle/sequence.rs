//! A buffer as a sequence of candles.

use super::CandleBuffer;
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
            if !(0..len).contains(&back) {
                return None;
            }
            let read = |field| s.rows.get(back as usize, field);
            (0..self.names.len()).map(read).collect::<Option<Vec<f64>>>()
        });
        let row = row.ok_or_else(|| PyIndexError::new_err(format!("no candle {at}")))?;
        let class = self.row_class.get_or_try_init(py, || {
            let options = PyDict::new(py);
            options.set_item("rename", true)?;
            let make = py.import("collections")?.getattr("namedtuple")?;
            PyResult::Ok(make.call(("Candle", self.fields.bind(py)), Some(&options))?.unbind())
        })?;
        class.bind(py).call1(PyTuple::new(py, row)?)
    }
}
