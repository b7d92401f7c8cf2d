//! Rows out of what `extend` is given.
#![allow(unsafe_code)]

use super::CandleBuffer;
use crate::raw;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

impl CandleBuffer {
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
