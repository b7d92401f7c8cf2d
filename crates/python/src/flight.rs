//! Computations under way in threads, so that one miss is computed once.
#![allow(unsafe_code)]

use crate::cache::quick_equal;
use crate::cell::GilCell;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// One computation; who waits for it leaves a `_Flight` (of the Python half) here.
struct Flight {
    id: u64,
    hash: isize,
    key: Py<PyAny>,
    thread: usize,
    waiter: Option<Py<PyAny>>,
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
fn thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
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
                    // SAFETY: both keys are alive and the GIL is held.
                    match unsafe { quick_equal(flight.key.as_ptr(), key.as_ptr()) } {
                        Some(false) => {}
                        Some(true) if flight.thread == me => return Some(Turn::Recurse),
                        Some(true) => return Some(Turn::Wait(flight.id)),
                        None => {
                            doubtful = Some((flight.id, flight.thread, flight.key.bind(py).clone()));
                            return None;
                        }
                    }
                }
                *next += 1;
                let key = key.clone().unbind();
                list.push(Flight { id: *next, hash, key, thread: me, waiter: None });
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
            let waiter = flight.waiter.get_or_insert_with(|| fresh.clone().unbind());
            Some(waiter.bind(py).clone())
        })
    }

    /// Ends a computation and wakes who waits, with the value where there is one.
    pub(crate) fn land(&self, py: Python<'_>, id: u64, value: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let gone = self.list.with(py, |(list, _)| {
            let at = list.iter().position(|f| f.id == id)?;
            Some(list.swap_remove(at))
        });
        let flight = gone.ok_or_else(|| PyRuntimeError::new_err("a computation ended twice"))?;
        let (key, waiter) = (flight.key.into_bound(py), flight.waiter.map(|w| w.into_bound(py)));
        drop(key);
        match waiter {
            None => Ok(()),
            Some(waiter) => match value {
                Some(value) => waiter.call_method1("land", (value,)).map(drop),
                None => waiter.call_method0("land").map(drop),
            },
        }
    }

    /// For the collector: keys and waiters.
    ///
    /// # Safety
    /// As for `GilCell::peek`.
    pub(crate) unsafe fn each(&self, mut f: impl FnMut(*mut ffi::PyObject)) {
        // SAFETY: the caller's contract.
        for flight in unsafe { &self.list.peek().0 } {
            f(flight.key.as_ptr());
            if let Some(waiter) = &flight.waiter {
                f(waiter.as_ptr());
            }
        }
    }
}
