//! Saving a buffer and making it again: its candles, its times, and the bar that ticks left open. What is attached to it
//! is not saved: attach it again, and it is fed from the candles.

use super::CandleBuffer;
use crate::bars::Open;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// Bar, open, high, low, close, volume, last, first.
type Saved = (i64, f64, f64, f64, f64, f64, f64, f64);

fn of_bytes(bytes: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    bytes.chunks_exact(8).map(|c| <[u8; 8]>::try_from(c).unwrap_or_default())
}

impl CandleBuffer {
    /// All that it knows, as plain values.
    pub(super) fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (rows, times, version, open, counts) = self.state.with(py, |s| {
            let numbers = |rows: &crate::block::Rows| -> Vec<u8> {
                let all = (0..rows.len()).rev().flat_map(|back| (0..rows.fields).map(move |f| (back, f)));
                all.filter_map(|(back, f)| rows.get(back, f))
                    .flat_map(|x| x.to_bits().to_le_bytes())
                    .collect()
            };
            let open: Option<Saved> = s
                .bars
                .as_ref()
                .and_then(|(b, _)| b.open)
                .map(|o| (o.bar, o.open, o.high, o.low, o.close, o.volume, o.last, o.first));
            let counts = s.bars.as_ref().map(|(b, _)| (b.late, b.gaps, b.guard.newest, b.previous_close));
            (numbers(&s.rows), s.times.as_ref().map(numbers), s.stamp.get().version(), open, counts)
        });
        let out = PyDict::new(py);
        out.set_item("format", 1)?;
        out.set_item("made", self.made.bind(py).copy()?)?;
        out.set_item("rows", PyBytes::new(py, &rows))?;
        out.set_item("times", times.map(|t| PyBytes::new(py, &t)))?;
        out.set_item("version", version)?;
        out.set_item("open", open)?;
        out.set_item("counts", counts)?;
        Ok(out)
    }

    /// A buffer with the candles of a `state`.
    pub(super) fn restore<'py>(py: Python<'py>, state: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let part = |name: &str| {
            let found = state.get_item(name)?;
            found.ok_or_else(|| {
                PyValueError::new_err(format!("this is no state of a CandleBuffer: no {name}"))
            })
        };
        if part("format")?.extract::<u64>()? != 1 {
            return Err(PyValueError::new_err("this state was written by a newer m5mem"));
        }
        let options = part("made")?;
        let made = py.get_type::<Self>().call((), Some(options.cast::<PyDict>()?))?;
        let own = made.cast_exact::<Self>()?.get();
        let width = own.names.len();
        let rows = part("rows")?;
        let numbers: Vec<f64> = of_bytes(rows.extract()?).map(f64::from_le_bytes).collect();
        let times = part("times")?;
        let times: Vec<i64> = match times.is_none() {
            true => vec![0; numbers.len() / width],
            false => of_bytes(times.extract()?).map(i64::from_le_bytes).collect(),
        };
        if rows.len()? != times.len() * width * 8 {
            return Err(PyValueError::new_err("this state of a CandleBuffer is torn: rows and times differ"));
        }
        let open: Option<Saved> = part("open")?.extract()?;
        let counts: Option<(u64, u64, Option<f64>, f64)> = part("counts")?.extract()?;
        own.state.with(py, |s| {
            numbers.chunks_exact(width).zip(&times).try_for_each(|(row, &time)| s.append(py, row, time))?;
            if let Some((bars, _)) = &mut s.bars {
                bars.open = open.map(|(bar, open, high, low, close, volume, last, first)| Open {
                    bar,
                    open,
                    high,
                    low,
                    close,
                    volume,
                    last,
                    first,
                });
                if let Some((late, gaps, newest, previous_close)) = counts {
                    (bars.late, bars.gaps, bars.previous_close) = (late, gaps, previous_close);
                    bars.guard.newest = newest;
                }
            }
            PyResult::Ok(())
        })?;
        Ok(made)
    }
}
