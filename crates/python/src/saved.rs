//! What a saved buffer and a saved book have in common: numbers as bytes, the bars that ticks left open, and what is
//! known of ticks that were none. All is plain: it pickles, and is good in another process and another Python.

use crate::bars::Open;
use crate::block::Rows;
use crate::guard::Guard;
use crate::tick::{Stamp, Tick};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Bar, open, high, low, close, volume, last, first.
pub(crate) type SavedBar = (i64, f64, f64, f64, f64, f64, f64, f64);

/// A tick: its time as a whole number or as a float, price, quantity.
type SavedTick = (Option<i64>, f64, f64, f64);

/// The newest time, how many ticks were none by reason, and the tick that is held back.
pub(crate) type SavedGuard = (Option<f64>, [u64; 5], Option<SavedTick>);

pub(crate) fn of_open(o: &Open) -> SavedBar {
    (o.bar, o.open, o.high, o.low, o.close, o.volume, o.last, o.first)
}

pub(crate) fn to_open((bar, open, high, low, close, volume, last, first): SavedBar) -> Open {
    Open { bar, open, high, low, close, volume, last, first }
}

pub(crate) fn of_guard(guard: &Guard) -> SavedGuard {
    let tick = |t: &Tick| match t.ts {
        Stamp::Int(ts) => (Some(ts), 0.0, t.price, t.qty),
        Stamp::Float(ts) => (None, ts, t.price, t.qty),
    };
    (guard.newest, guard.counts, guard.held.as_ref().map(tick))
}

pub(crate) fn to_guard(guard: &mut Guard, (newest, counts, held): SavedGuard) {
    let tick = |(whole, ts, price, qty): SavedTick| {
        let ts = whole.map_or(Stamp::Float(ts), Stamp::Int);
        Tick { ts, price, qty }
    };
    (guard.newest, guard.counts, guard.held) = (newest, counts, held.map(tick));
}

/// The numbers of all rows, the oldest first, 8 bytes each.
pub(crate) fn bytes(rows: &Rows) -> Vec<u8> {
    let all = (0..rows.len()).rev().flat_map(|back| (0..rows.fields).map(move |f| (back, f)));
    all.filter_map(|(back, f)| rows.get(back, f)).flat_map(|x| x.to_bits().to_le_bytes()).collect()
}

fn eights(bytes: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    bytes.chunks_exact(8).map(|c| <[u8; 8]>::try_from(c).unwrap_or_default())
}

/// A state that is read.
pub(crate) struct Saved<'a, 'py> {
    state: &'a Bound<'py, PyDict>,
    /// What it is a state of.
    of: &'static str,
}

impl<'a, 'py> Saved<'a, 'py> {
    /// # Errors
    /// It is none, or one of a newer version.
    pub(crate) fn open(state: &'a Bound<'py, PyDict>, of: &'static str) -> PyResult<Self> {
        let saved = Self { state, of };
        if saved.part("format")?.extract::<u64>()? != 1 {
            return Err(PyValueError::new_err("this state was written by a newer m5mem"));
        }
        Ok(saved)
    }

    /// A part that may be missing.
    pub(crate) fn find(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.state.get_item(name)?.filter(|found| !found.is_none()))
    }

    pub(crate) fn part(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.state
            .get_item(name)?
            .ok_or_else(|| PyValueError::new_err(format!("this is no state of a {}: no {name}", self.of)))
    }

    /// Rows of `width` numbers and when each begins (0 where no times were kept).
    pub(crate) fn rows(&self, width: usize) -> PyResult<(Vec<f64>, Vec<i64>)> {
        let rows = self.part("rows")?;
        let numbers: Vec<f64> = eights(rows.extract()?).map(f64::from_le_bytes).collect();
        let times: Vec<i64> = match self.find("times")? {
            None => vec![0; numbers.len() / width],
            Some(times) => eights(times.extract()?).map(i64::from_le_bytes).collect(),
        };
        if rows.len()? != times.len() * width * 8 {
            return Err(PyValueError::new_err(format!(
                "this state of a {} is torn: rows and times differ",
                self.of
            )));
        }
        Ok((numbers, times))
    }
}
