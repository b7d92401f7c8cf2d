//! Which buffers and indicators a cached computation has read, and at which version: its result is good as long as
//! none of them has changed. However the function comes by them (an argument, inside a tuple, behind `self`, a global),
//! the result cannot go stale, and the key needs their identity only: one entry a buffer, which it does not keep alive.
//!
//! A computation of a function collects in its thread, one of a coroutine function in a context variable of its task.
//! Who computes deeper down collects for all above.
#![allow(unsafe_code)]

use crate::own::Own;
use crate::raw;
use crate::threads::StateCell;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{PyTraverseError, PyVisit};
use std::cell::RefCell;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// The version of what is gone.
const GONE: u64 = u64::MAX;

/// Computations that collect now, in threads and in tasks.
static IN_THREADS: AtomicUsize = AtomicUsize::new(0);
static IN_TASKS: AtomicUsize = AtomicUsize::new(0);
/// How many stamps' owners are gone.
static GONE_SO_FAR: AtomicUsize = AtomicUsize::new(0);
static TASK_READS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// Where the class of `Tracked` lies.
static TRACKED: AtomicUsize = AtomicUsize::new(0);

/// The last number given, and the computations of a thread that collect.
type Open = (u64, Vec<(u64, Vec<Dep>)>);

thread_local! {
    static OPEN: RefCell<Open> = const { RefCell::new((0, Vec::new())) };
}

/// The version of a buffer or an indicator. It outlives its owner, and does not hold it.
#[pyclass(frozen, name = "_Version", module = "m5mem._native")]
pub(crate) struct Version(AtomicU64);

impl Version {
    pub(crate) fn make(py: Python<'_>) -> PyResult<Py<Self>> {
        Py::new(py, Self(AtomicU64::new(0)))
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Another version. Inside of the owner's cell, with the change: who reads the version before the value can then never
    /// take the old value for the new version's. A plain write is enough there.
    #[inline]
    pub(crate) fn bump(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Release);
    }

    /// The owner is gone.
    pub(crate) fn end(&self) {
        self.0.store(GONE, Release);
        GONE_SO_FAR.fetch_add(1, Relaxed);
    }
}

/// A stamp, and its version when it was read first.
struct Dep {
    stamp: Own,
    version: u64,
}

impl Dep {
    fn now(&self) -> u64 {
        // SAFETY: a live stamp; the GIL is held wherever an `Own` is.
        unsafe { raw::contents::<Version>(self.stamp.as_ptr()) }.version()
    }
}

fn add(list: &mut Vec<Dep>, stamp: *mut PyObject, version: u64) {
    if !list.iter().any(|d| d.stamp.as_ptr() == stamp) {
        // SAFETY: a live stamp; the GIL is held.
        list.push(Dep { stamp: unsafe { Own::to(stamp) }, version });
    }
}

/// What one computation of a coroutine function has read.
#[pyclass(frozen, name = "Reads", module = "m5mem._native")]
pub(crate) struct Reads {
    list: StateCell<Vec<Dep>>,
    open: StateCell<bool>,
}

#[pymethods]
impl Reads {
    /// Begins to collect, with what stands in the key.
    #[new]
    fn new(py: Python<'_>, key: &Bound<'_, PyAny>) -> Self {
        let made = Self { list: StateCell::new(Vec::new()), open: StateCell::new(true) };
        IN_TASKS.fetch_add(1, Relaxed);
        stamps_of(key, &mut |stamp, version| made.list.with(py, |list| add(list, stamp, version)));
        made
    }

    /// Ends it.
    fn close(&self, py: Python<'_>) {
        if self.open.with(py, |open| std::mem::replace(open, false)) {
            IN_TASKS.fetch_sub(1, Relaxed);
        }
    }

    /// Adds what was read to what the computations above have read.
    fn tell(&self, py: Python<'_>) {
        if is_collecting() {
            let deps =
                self.list.with(py, |list| list.iter().map(|d| (d.stamp.as_ptr(), d.version)).collect());
            let deps: Vec<_> = deps;
            deps.into_iter().for_each(|(stamp, version)| note(py, stamp, version));
        }
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.list.with(py, |list| list.len())
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        Python::attach(|py| self.close(py));
    }
}

impl Reads {
    /// For a value that is stored.
    pub(crate) fn found(&self, py: Python<'_>) -> Found {
        Found(self.list.with(py, |list| {
            let copy = |d: &Dep| {
                // SAFETY: alive, the GIL is held.
                Dep { stamp: unsafe { Own::to(d.stamp.as_ptr()) }, version: d.version }
            };
            list.iter().map(copy).collect()
        }))
    }
}

/// What a computation has read.
#[derive(Default)]
pub(crate) struct Found(Vec<Dep>);

/// The number of a computation that collects in this thread.
pub(crate) struct Ticket(u64);

/// Begins to collect in this thread, with what stands in the key.
pub(crate) fn begin(py: Python<'_>, key: &Bound<'_, PyAny>) -> Ticket {
    IN_THREADS.fetch_add(1, Relaxed);
    let id = OPEN.with_borrow_mut(|(next, open)| {
        *next += 1;
        open.push((*next, Vec::new()));
        *next
    });
    stamps_of(key, &mut |stamp, version| note(py, stamp, version));
    Ticket(id)
}

/// Ends it. By number, not by order: greenlets of a thread end in any.
pub(crate) fn end(ticket: &Ticket) -> Found {
    IN_THREADS.fetch_sub(1, Relaxed);
    OPEN.with_borrow_mut(|(_, open)| {
        let at = open.iter().rposition(|(id, _)| *id == ticket.0);
        Found(at.map(|at| open.remove(at).1).unwrap_or_default())
    })
}

#[inline]
fn is_collecting() -> bool {
    IN_THREADS.load(Relaxed) + IN_TASKS.load(Relaxed) > 0
}

/// To be called wherever Python reads something that changes.
#[inline]
pub(crate) fn read(py: Python<'_>, stamp: &Py<Version>) {
    if is_collecting() {
        note(py, stamp.as_ptr(), stamp.get().version());
    }
}

#[cold]
fn note(py: Python<'_>, stamp: *mut PyObject, version: u64) {
    OPEN.with_borrow_mut(|(_, open)| open.iter_mut().for_each(|(_, list)| add(list, stamp, version)));
    if IN_TASKS.load(Relaxed) == 0 {
        return;
    }
    let Some(variable) = TASK_READS.get(py) else { return };
    let Ok(reads) = variable.bind(py).call_method0("get") else { return };
    if let Ok(reads) = reads.cast_exact::<Reads>() {
        reads.get().list.with(py, |list| add(list, stamp, version));
    }
}

/// The stamps of a key, also inside tuples.
fn stamps_of(key: &Bound<'_, PyAny>, f: &mut dyn FnMut(*mut PyObject, u64)) {
    if let Ok(stamp) = key.cast_exact::<Version>() {
        f(stamp.as_ptr(), stamp.get().version());
    } else if let Ok(tuple) = key.cast_exact::<pyo3::types::PyTuple>() {
        tuple.iter_borrowed().for_each(|item| stamps_of(&item, f));
    }
}

/// A value in a cache with what it depends on.
#[pyclass(frozen, name = "_Tracked", module = "m5mem._native")]
pub(crate) struct Tracked {
    value: Own,
    deps: Vec<Dep>,
}

#[pymethods]
impl Tracked {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.value.py())
    }
}

impl Found {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value as it is stored.
    pub(crate) fn wrap(self, value: Bound<'_, PyAny>) -> PyResult<Own> {
        if self.is_empty() {
            return Ok(value.into());
        }
        let py = value.py();
        Ok(Bound::new(py, Tracked { value: value.into(), deps: self.0 })?.into_any().into())
    }
}

/// What a stored value is made of, where it is a tracked one.
#[inline]
fn tracked<'a>(stored: *mut PyObject) -> Option<&'a Tracked> {
    // SAFETY: a live object, used while whoever asks holds it; exactly this class.
    unsafe { (ffi::Py_TYPE(stored) as usize == TRACKED.load(Relaxed)).then(|| raw::contents(stored)) }
}

/// Whether a stored value depends on anything.
pub(crate) fn is_tracked(stored: *mut PyObject) -> bool {
    tracked(stored).is_some()
}

/// Whether something that the value depends on has changed.
#[inline]
pub(crate) fn is_stale(stored: *mut PyObject) -> bool {
    tracked(stored).is_some_and(|t| t.deps.iter().any(|d| d.now() != d.version))
}

/// Whether something that it depends on is gone for good.
pub(crate) fn is_orphan(stored: *mut PyObject) -> bool {
    tracked(stored).is_some_and(|t| t.deps.iter().any(|d| d.now() == GONE))
}

/// Grows whenever a buffer or an indicator goes.
pub(crate) fn gone_so_far() -> usize {
    GONE_SO_FAR.load(Relaxed)
}

/// The value that a stored one stands for; computations above depend on it too.
#[inline]
pub(crate) fn open(py: Python<'_>, stored: Own) -> Own {
    match tracked(stored.as_ptr()) {
        None => stored,
        Some(t) => {
            if is_collecting() {
                t.deps.iter().for_each(|d| note(py, d.stamp.as_ptr(), d.version));
            }
            // SAFETY: the stored value holds it; the GIL is held.
            unsafe { Own::to(t.value.as_ptr()) }
        }
    }
}

/// Adds what the Python half needs.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let class = py.get_type::<Tracked>();
    TRACKED.store(class.as_ptr() as usize, Relaxed);
    let variable = TASK_READS.get_or_try_init(py, || {
        let options = pyo3::types::PyDict::new(py);
        options.set_item("default", py.None())?;
        // What `contextvars` is, without its module.
        let class = py.import("_contextvars")?.getattr("ContextVar")?;
        PyResult::Ok(class.call(("m5mem_reads",), Some(&options))?.unbind())
    })?;
    m.add("task_reads", variable)?;
    m.add_class::<Reads>()
}
