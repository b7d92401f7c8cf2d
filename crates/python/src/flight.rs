//! Computations under way in threads, so that one miss is computed once.
#![allow(unsafe_code)]

use crate::cache::quick_equal;
use crate::cell::GilCell;
use crate::own::Own;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// One computation; who waits for it leaves a `_Flight` (of the Python half) here.
struct Flight {
    id: u64,
    hash: isize,
    /// `None` only while it is leaving.
    key: Option<Own>,
    thread: libc::pthread_t,
    waiter: Option<Own>,
}

/// All computations of one cached function.
pub(crate) struct Flights {
    list: GilCell<(Vec<Flight>, u64)>,
}

/// What a thread that missed has to do.
pub(crate) enum Turn {
    /// Compute, then `land` with this number.
    Lead(u64),
    /// Compute on its own: it is the thread that computes this key already, deeper down.
    Recurse,
    /// Wait for this one.
    Wait(u64),
}

/// A number that no two living threads share.
fn thread() -> libc::pthread_t {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::pthread_self() }
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { list: GilCell::new((Vec::new(), 0)) }
    }

    /// Joins the computation of a key, or begins it.
    pub(crate) fn join(&self, key: &Bound<'_, PyAny>, hash: isize) -> PyResult<Turn> {
        let py = key.py();
        let me = thread();
        let mut different = Vec::new();
        loop {
            // A key that only Python can compare is compared outside of the cell.
            let mut doubtful = None;
            let turn = self.list.with(py, |(list, next)| {
                for flight in list.iter().filter(|f| f.hash == hash && !different.contains(&f.id)) {
                    let Some(other) = &flight.key else { continue };
                    // SAFETY: both keys are alive and the GIL is held.
                    match unsafe { quick_equal(other.as_ptr(), key.as_ptr()) } {
                        Some(false) => {}
                        Some(true) if flight.thread == me => return Some(Turn::Recurse),
                        Some(true) => return Some(Turn::Wait(flight.id)),
                        None => {
                            doubtful = Some((flight.id, flight.thread, other.py().bind(py).clone()));
                            return None;
                        }
                    }
                }
                *next += 1;
                list.push(Flight {
                    id: *next,
                    hash,
                    key: Some(key.clone().into()),
                    thread: me,
                    waiter: None,
                });
                Some(Turn::Lead(*next))
            });
            if let Some(turn) = turn {
                return Ok(turn);
            }
            if let Some((id, owner, other)) = doubtful {
                if other.eq(key)? {
                    return Ok(if owner == me { Turn::Recurse } else { Turn::Wait(id) });
                }
                different.push(id);
            }
        }
    }

    /// Puts a waiter to a computation, or gives the one that is there; `None`: it is over.
    pub(crate) fn waiter<'py>(
        &self,
        py: Python<'py>,
        id: u64,
        fresh: &Bound<'py, PyAny>,
    ) -> Option<Bound<'py, PyAny>> {
        self.list.with(py, |(list, _)| {
            let flight = list.iter_mut().find(|f| f.id == id)?;
            let waiter = flight.waiter.get_or_insert_with(|| fresh.clone().into());
            Some(waiter.py().bind(py).clone())
        })
    }

    /// Ends a computation and wakes who waits, with the value where there is one.
    pub(crate) fn land(&self, py: Python<'_>, id: u64, value: Option<&Py<PyAny>>) -> PyResult<()> {
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
        match (&waiter, value) {
            (None, _) => Ok(()),
            (Some(waiter), Some(value)) => waiter.py().bind(py).call_method1("land", (value,)).map(drop),
            (Some(waiter), None) => waiter.py().bind(py).call_method0("land").map(drop),
        }
    }

    /// For the collector: keys and waiters.
    ///
    /// # Safety
    /// As for `GilCell::peek`.
    pub(crate) unsafe fn each(&self, mut f: impl FnMut(*mut ffi::PyObject)) {
        // SAFETY: the caller's contract.
        for flight in unsafe { &self.list.peek().0 } {
            flight.key.iter().chain(&flight.waiter).for_each(|part| f(part.as_ptr()));
        }
    }
}
