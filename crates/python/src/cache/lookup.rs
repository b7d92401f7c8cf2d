//! Finding the entry of a key, and its value.
#![allow(unsafe_code)]

use super::key::{is_tuple_of, quick_equal};
use super::{Cache, State};
use crate::map::Probe;
use crate::own::Own;
use crate::track;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// What was seen when a key was not found: enough to store it without looking again.
#[derive(Clone, Copy)]
pub(crate) struct Miss {
    pub(crate) hash: isize,
    /// The state of the table in which there is no entry for the key; `None`: an expired one is there.
    changes: Option<u64>,
}

/// The answer of a look into the cache.
pub(crate) enum Found {
    Value(Own),
    Miss(Miss),
}

/// Only Python can say whether two keys are equal.
struct Doubt;

impl State {
    /// The entry of a key, without running Python code.
    #[inline(always)]
    fn find(&self, hash: isize, key: *mut PyObject) -> Result<Option<u32>, Doubt> {
        let mut at = self.map.start(hash);
        while let Probe::Candidate { entry, next } = self.map.probe(hash, at) {
            let Some(other) = self.map.key(entry) else { return Ok(None) };
            // SAFETY: the entry's key and the caller's are alive; the GIL is held.
            match unsafe { quick_equal(other.as_ptr(), key) } {
                Some(true) => return Ok(Some(entry)),
                Some(false) => at = next,
                None => return Err(Doubt),
            }
        }
        Ok(None)
    }

    /// Whether an entry is neither expired nor older than the data that it was made from.
    #[inline(always)]
    pub(super) fn is_alive(&self, entry: u32, now: f64) -> bool {
        self.map.expires(entry) > now && !self.map.value(entry).is_some_and(|v| track::is_stale(v.as_ptr()))
    }

    /// The value of an entry, as one that is used now.
    #[inline(always)]
    fn answer(&mut self, entry: Option<u32>, hash: isize, now: f64, count: bool) -> Found {
        if let Some(entry) = entry.filter(|&e| self.is_alive(e, now))
            && let Some(value) = self.map.value(entry)
        {
            // SAFETY: the map holds the value; the GIL is held.
            let value = unsafe { Own::to(value.as_ptr()) };
            self.counts.hits += u64::from(count);
            self.map.touch(entry);
            return Found::Value(value);
        }
        self.counts.misses += u64::from(count);
        Found::Miss(Miss { hash, changes: entry.is_none().then_some(self.map.changes) })
    }
}

impl Cache {
    /// The entry of a key. Runs comparisons outside of the cell and starts again when they changed the table.
    pub(super) fn find(&self, py: Python<'_>, hash: isize, key: *mut PyObject) -> PyResult<Option<u32>> {
        loop {
            if let Ok(found) = self.state.with(py, |s| s.find(hash, key)) {
                return Ok(found);
            }
            if let Some(answer) = self.find_slowly(py, hash, key)? {
                return Ok(answer);
            }
        }
    }

    /// As `find`, asking Python; `None` where the table changed meanwhile.
    #[cold]
    fn find_slowly(&self, py: Python<'_>, hash: isize, key: *mut PyObject) -> PyResult<Option<Option<u32>>> {
        let (mut at, changes) = self.state.with(py, |s| (s.map.start(hash), s.map.changes));
        loop {
            let candidate = self.state.with(py, |s| {
                if s.map.changes != changes {
                    return Err(());
                }
                match s.map.probe(hash, at) {
                    Probe::Missing => Ok(None),
                    Probe::Candidate { entry, next } => {
                        Ok(s.map.key(entry).map(|k| (entry, next, k.py().bind(py).clone())))
                    }
                }
            });
            let Ok(candidate) = candidate else { return Ok(None) };
            let Some((entry, next, other)) = candidate else { return Ok(Some(None)) };
            // SAFETY: both are alive (`other` is owned here); the GIL is held.
            let same = other.as_ptr() == key
                || match unsafe { ffi::PyObject_RichCompareBool(other.as_ptr(), key, ffi::Py_EQ) } {
                    -1 => return Err(PyErr::fetch(py)),
                    n => n == 1,
                };
            drop(other);
            if same {
                let still = self.state.with(py, |s| s.map.changes == changes);
                return Ok(still.then_some(Some(entry)));
            }
            at = next;
        }
    }

    /// The value of a key; counted as a hit or a miss where `count` is set.
    #[inline]
    pub(crate) fn lookup(&self, py: Python<'_>, key: *mut PyObject, count: bool) -> PyResult<Found> {
        // SAFETY: `key` is alive and the GIL is held.
        let hash = unsafe { ffi::PyObject_Hash(key) };
        if hash == -1 {
            return Err(PyErr::fetch(py));
        }
        let now = match self.policy.quick_now() {
            Some(now) => now,
            None => self.policy.now(py)?,
        };
        let quick = self.state.with(py, |s| s.find(hash, key).map(|entry| s.answer(entry, hash, now, count)));
        let found = match quick {
            Ok(found) => found,
            Err(Doubt) => {
                let entry = self.find(py, hash, key)?;
                self.state.with(py, |s| s.answer(entry, hash, now, count))
            }
        };
        Ok(match found {
            Found::Value(stored) => Found::Value(track::open(py, stored)),
            miss => miss,
        })
    }

    /// As `lookup` for the key that is the tuple of `args`, with its hash, without making the tuple; `None` where
    /// that cannot be said here: then the tuple is needed.
    #[inline]
    pub(crate) fn lookup_tuple(&self, py: Python<'_>, hash: isize, args: &[*mut PyObject]) -> Option<Own> {
        let now = self.policy.quick_now()?;
        let stored = self.state.with(py, |s| {
            let mut at = s.map.start(hash);
            while let Probe::Candidate { entry, next } = s.map.probe(hash, at) {
                let key = s.map.key(entry)?.as_ptr();
                // SAFETY: the key is alive and the GIL is held.
                if unsafe { is_tuple_of(key, args) } {
                    if !s.is_alive(entry, now) {
                        return None;
                    }
                    s.counts.hits += 1;
                    s.map.touch(entry);
                    // SAFETY: the map holds the value; the GIL is held.
                    return s.map.value(entry).map(|value| unsafe { Own::to(value.as_ptr()) });
                }
                at = next;
            }
            None
        });
        stored.map(|stored| track::open(py, stored))
    }

    /// Whether the table is still as it was when the key was not found.
    pub(crate) fn is_still(&self, py: Python<'_>, miss: Miss) -> bool {
        miss.changes.is_some_and(|changes| self.state.with(py, |s| s.map.changes == changes))
    }

    /// Whether there is a value for the key.
    pub(super) fn has(&self, py: Python<'_>, key: *mut PyObject) -> PyResult<bool> {
        // SAFETY: `key` is alive and the GIL is held.
        let hash = unsafe { ffi::PyObject_Hash(key) };
        if hash == -1 {
            return Err(PyErr::fetch(py));
        }
        let now = self.policy.now(py)?;
        let entry = self.find(py, hash, key)?;
        Ok(self.state.with(py, |s| entry.is_some_and(|e| s.is_alive(e, now))))
    }
}
