//! Saving a book and making it again: its bars, their times, and what ticks left open.

use super::CandleBook;
use crate::saved::{self, Saved, SavedBar, SavedGuard};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

impl CandleBook {
    /// All that it knows, as plain values.
    pub(super) fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (rows, times, (bar, open, counts, guard)) = self.state.with(py, |s| {
            let bars = s.bars.as_ref();
            let open: Option<Vec<Option<SavedBar>>> =
                bars.map(|b| b.open.iter().map(|o| o.as_ref().map(saved::of_open)).collect());
            let rest = (bars.and_then(|b| b.bar), open, (s.late, s.gaps, s.held), saved::of_guard(&s.guard));
            (saved::bytes(&s.rows), saved::bytes(&s.times), rest)
        });
        let out = PyDict::new(py);
        out.set_item("format", 1)?;
        out.set_item("made", self.made.bind(py).copy()?)?;
        out.set_item("rows", PyBytes::new(py, &rows))?;
        out.set_item("times", PyBytes::new(py, &times))?;
        out.set_item("bar", bar)?;
        out.set_item("open", open)?;
        out.set_item("counts", counts)?;
        out.set_item("guard", guard)?;
        Ok(out)
    }

    /// A book with the bars of a `state`.
    pub(super) fn restore<'py>(py: Python<'py>, state: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let saved = Saved::open(state, "CandleBook")?;
        let options = saved.part("made")?;
        let made = py.get_type::<Self>().call((), Some(options.cast::<PyDict>()?))?;
        let own = made.cast_exact::<Self>()?.get();
        let symbols = own.symbol_index.len();
        let width = symbols * own.names.len();
        let (numbers, times) = saved.rows(width)?;
        let bar: Option<i64> = saved.part("bar")?.extract()?;
        let open: Option<Vec<Option<SavedBar>>> = saved.part("open")?.extract()?;
        let (late, gaps, held): (u64, u64, Option<usize>) = saved.part("counts")?.extract()?;
        let guard: SavedGuard = saved.part("guard")?.extract()?;
        if open.as_ref().is_some_and(|o| o.len() != symbols) || held.is_some_and(|h| h >= symbols) {
            return Err(PyValueError::new_err("this state of a CandleBook is torn: it has other symbols"));
        }
        own.state.with(py, |s| {
            numbers.chunks_exact(width).zip(&times).try_for_each(|(row, &time)| s.append(py, row, time))?;
            if let (Some(bars), Some(open)) = (&mut s.bars, open) {
                bars.bar = bar;
                bars.open = open.into_iter().map(|o| o.map(saved::to_open)).collect();
            }
            (s.late, s.gaps, s.held) = (late, gaps, held);
            saved::to_guard(&mut s.guard, guard);
            PyResult::Ok(())
        })?;
        Ok(made)
    }
}
