//! Rows out of what `extend` is given.
#![allow(unsafe_code)]

use super::CandleBuffer;
use crate::raw;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

impl CandleBuffer {
    /// Candles come from one place alone.
    pub(super) fn must_not_be_fed(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.with(py, |s| s.fed) {
            let text = "this buffer was made by resample(): its candles come from the buffer that it follows";
            return Err(PyValueError::new_err(text));
        }
        Ok(())
    }

    /// The times of `rows` rows: as they are given, from the index of a frame, or zeros where there is no axis.
    pub(super) fn times_of(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        times: Option<Bound<'_, PyAny>>,
        rows: usize,
    ) -> PyResult<Vec<i64>> {
        if self.state.with(py, |s| s.times.is_none()) {
            return match times {
                None => Ok(vec![0; rows]),
                Some(_) => Err(PyValueError::new_err("this buffer has no time axis; make it with time=True")),
            };
        }
        let times = match times {
            Some(times) => times,
            None if data.hasattr("columns")? && data.hasattr("index")? => data.getattr("index")?,
            None => return Err(PyValueError::new_err("this buffer has a time axis: give times=")),
        };
        let times: Vec<i64> = py.import("m5mem._time")?.call_method1("stamps_ns", (times,))?.extract()?;
        if times.len() == rows {
            Ok(times)
        } else {
            Err(PyValueError::new_err(format!("{rows} rows, but {} times", times.len())))
        }
    }

    /// Rows of an array (rows × fields, or a single field), or of a sequence of rows.
    pub(super) fn rows_of(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
        let width = self.names.len();
        let data = if data.hasattr("to_numpy")? && data.hasattr("columns")? {
            &data.get_item(self.fields.bind(py).to_list())?.call_method0("to_numpy")?
        } else {
            data
        };
        let wrong = || {
            PyValueError::new_err(format!("rows of {width} number(s) expected: {}", self.names.join(", ")))
        };
        let Ok(buffer) = raw::Borrowed::of(data) else {
            let mut out = Vec::new();
            for row in data.try_iter()? {
                let row = row?;
                let before = out.len();
                match row.extract::<f64>() {
                    Ok(x) if width == 1 => out.push(x),
                    _ => out.extend_from_slice(raw::Numbers::of(&row)?.as_slice()),
                }
                if out.len() - before != width {
                    return Err(wrong());
                }
            }
            return Ok(out);
        };
        let read = buffer.reader()?;
        let (rows, strides) = match buffer.dims() {
            (&[n], &[s]) if width == 1 => (n, [s, 0]),
            (&[n, w], &[s, f]) if w as usize == width => (n, [s, f]),
            _ => return Err(wrong()),
        };
        let cell = |row: isize, field: usize| {
            // SAFETY: inside the exporter's own shape.
            unsafe { read(buffer.start().offset(row * strides[0] + field as isize * strides[1])) }
        };
        Ok((0..rows)
            .flat_map(|row| (0..width).map(move |field| (row, field)))
            .map(|(r, f)| cell(r, f))
            .collect())
    }
}
