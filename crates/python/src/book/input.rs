//! What a user hands to a book: rows of all symbols, and times.

use super::CandleBook;
use crate::raw;
use crate::tick::{self, Stamp};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A tick's time: a number in the book's unit, or a datetime.
pub(super) fn stamp(py: Python<'_>, ts: &Bound<'_, PyAny>, unit_ns: i64) -> PyResult<Stamp> {
    if let Ok(t) = ts.extract::<i64>() {
        return Ok(Stamp::Int(t));
    }
    if let Ok(t) = ts.extract::<f64>() {
        return Ok(Stamp::Float(t));
    }
    let ns = tick::time_ns(py, ts)?;
    Ok(if ns % unit_ns == 0 { Stamp::Int(ns / unit_ns) } else { Stamp::Float(ns as f64 / unit_ns as f64) })
}

impl CandleBook {
    /// A row out of an array (symbols × fields) or a mapping from symbols to candles, and which symbols have one.
    pub(super) fn row(&self, values: &Bound<'_, PyAny>) -> PyResult<(Vec<f64>, Vec<bool>)> {
        let (symbols, fields) = (self.symbol_index.len(), self.names.len());
        let mut row = vec![f64::NAN; symbols * fields];
        let mut set = |symbol: usize, candle: &Bound<'_, PyAny>| {
            let numbers = raw::Numbers::of(candle)?;
            let numbers = numbers.as_slice();
            if numbers.len() != fields {
                let text = format!("a candle has {fields} number(s): {}", self.names.join(", "));
                return Err(PyValueError::new_err(text));
            }
            numbers.iter().enumerate().for_each(|(field, x)| row[field * symbols + symbol] = *x);
            Ok(())
        };
        let Ok(mapping) = values.cast::<PyDict>() else {
            let mut given = 0;
            for (symbol, candle) in values.try_iter()?.enumerate() {
                if symbol < symbols {
                    set(symbol, &candle?)?;
                }
                given = symbol + 1;
            }
            if given != symbols {
                let text = format!("{symbols} candles expected, one a symbol, {given} given");
                return Err(PyValueError::new_err(text));
            }
            return Ok((row, vec![true; symbols]));
        };
        let mut traded = vec![false; symbols];
        for (name, candle) in mapping {
            let symbol = self.symbol(&name.extract::<String>()?)?;
            traded[symbol] = true;
            set(symbol, &candle)?;
        }
        Ok((row, traded))
    }
}
