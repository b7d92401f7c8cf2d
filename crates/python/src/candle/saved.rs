//! Saving a buffer and making it again: its candles, its times, and the bar that ticks left open. What is attached to it
//! is not saved: attach it again, and it is fed from the candles.

use super::CandleBuffer;
use crate::saved::{self, Saved, SavedBar, SavedGuard};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

impl CandleBuffer {
    /// All that it knows, as plain values.
    pub(super) fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (rows, times, version, (open, counts, guard)) = self.state.with(py, |s| {
            let (rows, times) = (saved::bytes(&s.rows), s.times.as_ref().map(saved::bytes));
            let bars = s.bars.as_ref().map(|(b, _)| b);
            let open = bars.and_then(|b| b.open.as_ref()).map(saved::of_open);
            let counts = bars.map(|b| (b.late, b.gaps, b.guard.newest, b.previous_close));
            let rest = (open, counts, bars.map(|b| saved::of_guard(&b.guard)));
            (rows, times, s.stamp.get().version(), rest)
        });
        let out = PyDict::new(py);
        out.set_item("format", 1)?;
        out.set_item("made", self.made.bind(py).copy()?)?;
        out.set_item("rows", PyBytes::new(py, &rows))?;
        out.set_item("times", times.map(|t| PyBytes::new(py, &t)))?;
        out.set_item("version", version)?;
        out.set_item("open", open)?;
        out.set_item("counts", counts)?;
        out.set_item("guard", guard)?;
        Ok(out)
    }

    /// A buffer with the candles of a `state`.
    pub(super) fn restore<'py>(py: Python<'py>, state: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let saved = Saved::open(state, "CandleBuffer")?;
        let options = saved.part("made")?;
        let made = py.get_type::<Self>().call((), Some(options.cast::<PyDict>()?))?;
        let own = made.cast_exact::<Self>()?.get();
        let width = own.names.len();
        let (numbers, times) = saved.rows(width)?;
        let open: Option<SavedBar> = saved.part("open")?.extract()?;
        let counts: Option<(u64, u64, Option<f64>, f64)> = saved.part("counts")?.extract()?;
        let guard: Option<SavedGuard> = saved.find("guard")?.map(|g| g.extract()).transpose()?;
        own.state.with(py, |s| {
            numbers.chunks_exact(width).zip(&times).try_for_each(|(row, &time)| s.append(py, row, time))?;
            if let Some((bars, _)) = &mut s.bars {
                bars.open = open.map(saved::to_open);
                if let Some((late, gaps, newest, previous_close)) = counts {
                    (bars.late, bars.gaps, bars.previous_close) = (late, gaps, previous_close);
                    bars.guard.newest = newest;
                }
                if let Some(guard) = guard {
                    saved::to_guard(&mut bars.guard, guard);
                }
            }
            PyResult::Ok(())
        })?;
        Ok(made)
    }
}
