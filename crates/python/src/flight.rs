//! Computations under way in threads, so that one miss is computed once, and never waits for itself.
#![allow(unsafe_code)]

use crate::cache::quick_equal;
use crate::own::Own;
use crate::threads::StateCell;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One computation; who waits for it leaves a `Waiter` (of the Python half) here.
struct Flight {
    id: u64,
    hash: isize,
    /// `None` only while it is leaving.
    key: Option<Own>,
    /// The thread (or greenlet) that computes, and the process that it belongs to.
    owner: u64,
    forks: u64,
    waiter: Option<Own>,
}

/// All computations of one cached function.
pub(crate) struct Flights {
    list: StateCell<(Vec<Flight>, u64)>,
}

/// What a thread that missed has to do.
pub(crate) enum Turn {
    /// Compute, then `land` with this number.
    Lead(u64),
    /// Wait for this one, which that thread computes.
    Wait(u64, u64),
}

/// What a thread waits for: a computation that is under way, and the thread that computes it.
struct Wait {
    owner: u64,
    flights: usize,
    id: u64,
}

/// Who waits for whom, over all cached functions. A computation that ends takes its waits along: who has not woken yet
/// waits for nobody any more.
static WAITS: LazyLock<StateCell<HashMap<u64, Wait>>> = LazyLock::new(|| StateCell::new(HashMap::new()));
/// How often this process was forked.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// A number that no two living threads share; gevent, where it has replaced threads, gives its greenlets' own.
fn me(py: Python<'_>) -> PyResult<u64> {
    static THREADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let threads = THREADS.get_or_try_init(py, || PyResult::Ok(py.import("_thread")?.into_any().unbind()))?;
    threads.bind(py).call_method0(intern!(py, "get_ident"))?.extract()
}

fn endless(text: &str) -> PyErr {
    PyRuntimeError::new_err(text.to_owned())
}

/// In the child of a fork only the thread that forked goes on: what others computed will never end.
#[pyfunction]
pub(crate) fn after_fork(py: Python<'_>) {
    WAITS.with(py, HashMap::clear);
    FORKS.fetch_add(1, Relaxed);
}

/// A thread that waits, until it is dropped.
pub(crate) struct Waiting<'py>(Python<'py>, u64);

impl<'py> Waiting<'py> {
    /// Says that this thread waits for a computation of `owner`; an error where that one waits, over however many, for
    /// this.
    pub(crate) fn new(py: Python<'py>, flights: &Flights, id: u64, owner: u64) -> PyResult<Self> {
        let me = me(py)?;
        let circle = WAITS.with(py, |waits| {
            if !flights.list.with(py, |(list, _)| list.iter().any(|f| f.id == id)) {
                return false; // it is over: there is nothing to wait for
            }
            let mut at = Some(owner);
            for _ in 0..=waits.len() {
                match at {
                    Some(other) if other == me => return true,
                    Some(other) => at = waits.get(&other).map(|wait| wait.owner),
                    None => break,
                }
            }
            waits.insert(me, Wait { owner, flights: flights.place(), id });
            false
        });
        if circle {
            return Err(endless(
                "cached computations of several threads wait for each other in a circle; make one of them not need the other",
            ));
        }
        Ok(Self(py, me))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        WAITS.with(self.0, |waits| waits.remove(&self.1));
    }
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { list: StateCell::new((Vec::new(), 0)) }
    }

    /// What tells it from others; it never moves.
    fn place(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Joins the computation of a key, or begins it. An error where this thread computes it already, deeper down.
    pub(crate) fn join(&self, key: &Bound<'_, PyAny>, hash: isize) -> PyResult<Turn> {
        let py = key.py();
        let me = me(py)?;
        let forks = FORKS.load(Relaxed);
        let turn = |id: u64, owner: u64| {
            if owner != me {
                return Ok(Turn::Wait(id, owner));
            }
            let text = "a cached computation needs its own result (it was called with the same key while it computes)";
            Err(endless(text))
        };
        let mut different = Vec::new();
        loop {
            // A key that only Python can compare is compared outside of the cell.
            let mut doubtful = None;
            let found = self.list.with(py, |(list, next)| {
                let alive = |f: &&Flight| f.hash == hash && (f.forks == forks || f.owner == me);
                for flight in list.iter().filter(alive).filter(|f| !different.contains(&f.id)) {
                    let Some(other) = &flight.key else { continue };
                    // SAFETY: both keys are alive and the GIL is held.
                    match unsafe { quick_equal(other.as_ptr(), key.as_ptr()) } {
                        Some(false) => {}
                        Some(true) => return Some((flight.id, Some(flight.owner))),
                        None => {
                            doubtful = Some((flight.id, flight.owner, other.py().bind(py).clone()));
                            return None;
                        }
                    }
                }
                *next += 1;
                let key = Some(key.clone().into());
                list.push(Flight { id: *next, hash, key, owner: me, forks, waiter: None });
                Some((*next, None))
            });
            match found {
                Some((id, None)) => return Ok(Turn::Lead(id)),
                Some((id, Some(owner))) => return turn(id, owner),
                None => {}
            }
            if let Some((id, owner, other)) = doubtful {
                if other.eq(key)? {
                    return turn(id, owner);
                }
                different.push(id);
            }
        }
    }

    /// The waiter of a computation: the one that is there, or else `fresh`; `None`: there is neither, or it is over.
    pub(crate) fn waiter<'py>(
        &self,
        py: Python<'py>,
        id: u64,
        fresh: Option<Bound<'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        let mut fresh = fresh.map(Own::from);
        self.list.with(py, |(list, _)| {
            let flight = list.iter_mut().find(|f| f.id == id)?;
            if flight.waiter.is_none() {
                flight.waiter = fresh.take();
            }
            flight.waiter.as_ref().map(|waiter| waiter.py().bind(py).clone())
        })
    }

    /// Ends a computation; who waits for it is to be told.
    pub(crate) fn land(&self, py: Python<'_>, id: u64) -> PyResult<Option<Own>> {
        let gone = self.list.with(py, |(list, _)| {
            let at = list.iter().position(|f| f.id == id)?;
            // Only the two references leave: the youngest, which mostly is the one, is not moved as a whole.
            let parts = (list[at].key.take()?, list[at].waiter.take());
            let last = list.len() - 1;
            if at < last {
                list.swap(at, last);
            }
            list.truncate(last);
            Some(parts)
        });
        let (_key, waiter) = gone.ok_or_else(|| PyRuntimeError::new_err("a computation ended twice"))?;
        if waiter.is_some() {
            let place = self.place();
            WAITS.with(py, |waits| waits.retain(|_, wait| (wait.flights, wait.id) != (place, id)));
        }
        Ok(waiter)
    }

    /// For the collector: keys and waiters.
    ///
    /// # Safety
    /// As for `StateCell::peek`.
    pub(crate) unsafe fn each(&self, mut f: impl FnMut(*mut ffi::PyObject)) {
        // SAFETY: the caller's contract.
        for flight in unsafe { &self.list.peek().0 } {
            flight.key.iter().chain(&flight.waiter).for_each(|part| f(part.as_ptr()));
        }
    }
}
