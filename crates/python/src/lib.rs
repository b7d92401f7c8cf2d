//! The native half of the Python package `m5mem`.
//!
//! Everything here holds the GIL while it works: the module says so, and a free-threaded interpreter turns the
//! GIL on when it is imported.

mod arrow;
mod bars;
mod block;
mod book;
mod cache;
mod cached;
mod candle;
mod cell;
mod export;
mod flight;
mod gcmon;
mod guard;
mod indicator;
mod indicators;
mod map;
mod npy;
mod own;
mod page;
mod raw;
mod saved;
mod tick;
mod track;
mod types;

use pyo3::prelude::*;

/// `m5mem._native`
#[pymodule(gil_used = true)]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    track::register(m)?;
    cache::register(m)?;
    cached::register(m)?;
    candle::register(m)?;
    m.add_class::<book::CandleBook>()?;
    gcmon::register(m)?;
    page::register(m)?;
    indicator::register(m)
}
