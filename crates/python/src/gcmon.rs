//! Measures the garbage collector's pauses from `gc.callbacks` without a Python frame.
//!
//! Pauses go into fixed-size histograms (two significant digits, 100 ns to 60 s), by generation, and apart for
//! collections that were started on purpose while the program was idle.
#![allow(unsafe_code)]

use crate::raw;
use crate::threads::StateCell;
use hdrhistogram::Histogram;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::time::Instant;

const GENERATIONS: usize = 3;
/// Upper bounds of the buckets that metrics show, in nanoseconds.
const BOUNDS: [u64; 14] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
];

/// Pauses of one generation, in the program's way or in its idle time.
struct Pauses {
    histogram: Histogram<u32>,
    total_ns: u64,
    max_ns: u64,
    collected: u64,
    uncollectable: u64,
}

impl Pauses {
    fn new() -> Option<Self> {
        let histogram = Histogram::new_with_bounds(100, 60_000_000_000, 2).ok()?;
        Some(Self { histogram, total_ns: 0, max_ns: 0, collected: 0, uncollectable: 0 })
    }

    fn record(&mut self, ns: u64, collected: u64, uncollectable: u64) {
        self.histogram.saturating_record(ns);
        self.total_ns += ns;
        self.max_ns = self.max_ns.max(ns);
        self.collected += collected;
        self.uncollectable += uncollectable;
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        (!self.histogram.is_empty())
            .then(|| self.histogram.value_at_quantile(q).min(self.max_ns) as f64 * 1e-9)
    }

    fn figures(&self) -> Figures {
        let some = !self.histogram.is_empty();
        Figures {
            collections: self.histogram.len(),
            collected: self.collected,
            uncollectable: self.uncollectable,
            pause_total: self.total_ns as f64 * 1e-9,
            quantiles: [0.5, 0.95, 0.99].map(|q| self.quantile(q)),
            max: some.then_some(self.max_ns as f64 * 1e-9),
        }
    }
}

/// What a snapshot says of one generation; copied out of the cell before any Python object is made, since making
/// one may start a collection, which comes back here.
struct Figures {
    collections: u64,
    collected: u64,
    uncollectable: u64,
    pause_total: f64,
    quantiles: [Option<f64>; 3],
    max: Option<f64>,
}

impl Figures {
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        out.set_item("collections", self.collections)?;
        out.set_item("collected", self.collected)?;
        out.set_item("uncollectable", self.uncollectable)?;
        out.set_item("pause_total", self.pause_total)?;
        for (name, value) in ["p50", "p95", "p99"].into_iter().zip(self.quantiles) {
            out.set_item(name, value)?;
        }
        out.set_item("max", self.max)?;
        Ok(out)
    }
}

struct State {
    path: [Pauses; GENERATIONS],
    idle: [Pauses; GENERATIONS],
    started: Option<Instant>,
    in_idle: bool,
    last_ns: u64,
}

/// Put its `callback` into `gc.callbacks`.
#[pyclass(frozen, module = "m5mem._native")]
pub(crate) struct GcMonitor {
    state: StateCell<State>,
}

fn three() -> Option<[Pauses; GENERATIONS]> {
    Some([Pauses::new()?, Pauses::new()?, Pauses::new()?])
}

#[pymethods]
impl GcMonitor {
    #[new]
    fn new() -> PyResult<Self> {
        let state = three().zip(three()).map(|(path, idle)| State {
            path,
            idle,
            started: None,
            in_idle: false,
            last_ns: 0,
        });
        let state = state.ok_or_else(|| PyRuntimeError::new_err("no histogram"))?;
        Ok(Self { state: StateCell::new(state) })
    }

    /// Whether collections from now on count as idle ones; what it was before.
    fn set_idle(&self, py: Python<'_>, idle: bool) -> bool {
        self.state.with(py, |s| std::mem::replace(&mut s.in_idle, idle))
    }

    /// Seconds of the last collection.
    #[getter]
    fn last_pause(&self, py: Python<'_>) -> f64 {
        self.state.with(py, |s| s.last_ns as f64 * 1e-9)
    }

    /// Figures by generation, `path` and `idle` apart.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (path, idle, p95, all) = self.state.with(py, |s| {
            let mut old = s.path[1].histogram.clone();
            // Same bounds by construction: adding cannot fail.
            let _ = old.add(&s.path[2].histogram);
            let p95 = (!old.is_empty()).then(|| old.value_at_quantile(0.95) as f64 * 1e-9);
            let _ = old.add(&s.path[0].histogram);
            let all = (!old.is_empty()).then(|| old.value_at_quantile(0.95) as f64 * 1e-9);
            let of = |pauses: &[Pauses; GENERATIONS]| [0, 1, 2].map(|g| pauses[g].figures());
            (of(&s.path), of(&s.idle), p95, all)
        });
        let out = PyDict::new(py);
        for (name, figures) in [("path", path), ("idle", idle)] {
            let list = figures.iter().map(|f| f.to_dict(py)).collect::<PyResult<Vec<_>>>()?;
            out.set_item(name, PyList::new(py, list)?)?;
        }
        out.set_item("path_p95", all)?;
        out.set_item("path_p95_gen1_up", p95)?;
        Ok(out)
    }

    /// Upper bound in seconds and cumulative count of each bucket of a generation, all collections.
    fn buckets(&self, py: Python<'_>, generation: usize) -> (Vec<(f64, u64)>, u64, f64) {
        let g = generation.min(GENERATIONS - 1);
        self.state.with(py, |s| {
            let both = [&s.path[g], &s.idle[g]];
            let upto = |bound: u64| both.iter().map(|p| p.histogram.count_between(0, bound)).sum();
            let buckets = BOUNDS.iter().map(|&b| (b as f64 * 1e-9, upto(b))).collect();
            let count = both.iter().map(|p| p.histogram.len()).sum();
            (buckets, count, both.iter().map(|p| p.total_ns).sum::<u64>() as f64 * 1e-9)
        })
    }
}

/// An entry of the `info` dict as a number.
unsafe fn number(info: *mut PyObject, name: &std::ffi::CStr) -> u64 {
    // SAFETY: the caller passes a live object; errors are cleared.
    unsafe {
        let item = ffi::PyDict_GetItemString(info, name.as_ptr());
        if item.is_null() {
            return 0;
        }
        let value = ffi::PyLong_AsLong(item);
        if value == -1 && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
        }
        value.max(0).cast_unsigned()
    }
}

unsafe extern "C" fn callback(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL; the method descriptor checked `slf`.
    unsafe {
        let py = Python::assume_attached();
        let own = raw::contents::<GcMonitor>(slf);
        let &[phase, info] = raw::args(args, n) else { return raw::none() };
        let stop = ffi::PyUnicode_CompareWithASCIIString(phase, c"stop".as_ptr()) == 0;
        if !stop {
            own.state.with(py, |s| s.started = Some(Instant::now()));
            return raw::none();
        }
        let ended = Instant::now();
        let generation = (number(info, c"generation") as usize).min(GENERATIONS - 1);
        let (collected, lost) = (number(info, c"collected"), number(info, c"uncollectable"));
        own.state.with(py, |s| {
            let Some(started) = s.started.take() else { return };
            let ns = ended.duration_since(started).as_nanos() as u64;
            s.last_ns = ns;
            let pauses = if s.in_idle { &mut s.idle } else { &mut s.path };
            pauses[generation].record(ns, collected, lost);
        });
        raw::none()
    }
}

/// Adds the class to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<GcMonitor>()?;
    raw::add_fast(
        &m.py().get_type::<GcMonitor>(),
        c"callback",
        c"callback($self, phase, info, /)\n--\n\nFor gc.callbacks.",
        callback,
    )
}
