//! The native half of the Python package `m5mem`.
//!
//! It needs no GIL, and says so: a free-threaded interpreter leaves it off. `threads` keeps threads apart with and without
//! one. "Attached" means, in what follows, that the calling thread may touch objects of Python: it has the GIL, or where
//! there is none it has told the interpreter that it is at work.

mod arrow;
mod bars;
mod block;
mod book;
mod cache;
mod cached;
mod candle;
mod export;
mod flight;
mod gcmon;
mod guard;
mod indicator;
mod indicator_state;
mod indicators;
mod map;
mod npy;
mod own;
mod page;
mod raw;
mod saved;
mod threads;
mod tick;
mod track;
mod types;

use pyo3::prelude::*;

/// `m5mem._native`
#[pymodule(gil_used = false)]
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
