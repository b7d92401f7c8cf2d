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
    pub(super) changes: Option<u64>,
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

    /// The value of an entry that is alive, as one that is used now.
    #[inline(always)]
    pub(super) fn living(&mut self, entry: u32, now: f64) -> Option<Own> {
        if !self.is_alive(entry, now) {
            return None;
        }
        // SAFETY: the map holds the value; the GIL is held.
        let value = self.map.value(entry).map(|value| unsafe { Own::to(value.as_ptr()) })?;
        self.map.touch(entry);
        Some(value)
    }

    #[inline(always)]
    fn answer(&mut self, entry: Option<u32>, hash: isize, now: f64, count: bool) -> Found {
        if let Some(value) = entry.and_then(|e| self.living(e, now)) {
            self.counts.hits += u64::from(count);
            return Found::Value(value);
        }
        self.counts.misses += u64::from(count);
        Found::Miss(Miss { hash, changes: entry.is_none().then_some(self.map.changes) })
    }
}

impl Cache {
    /// Does `f` with the entry of a key: finding it and what `f` does are one step, in which nobody else changes the
    /// table. Comparisons that only Python can make are made outside of the cell, and all begins again where the table
    /// changed meanwhile. `absent`: the state of the table in which there is no entry for the key.
    #[inline(always)]
    pub(super) fn at<R>(
        &self,
        py: Python<'_>,
        hash: isize,
        key: *mut PyObject,
        absent: Option<u64>,
        f: impl FnOnce(&mut State, Option<u32>) -> R,
    ) -> PyResult<R> {
        let mut f = Some(f);
        let done = self.state.with(py, |s| {
            let found = if absent == Some(s.map.changes) { Ok(None) } else { s.find(hash, key) };
            found.ok().and_then(|entry| f.take().map(|f| f(s, entry)))
        });
        match (done, f) {
            (None, Some(f)) => self.at_slowly(py, hash, key, f),
            (Some(done), _) => Ok(done),
            (None, None) => unreachable!("done, or still to be done"),
        }
    }

    #[cold]
    fn at_slowly<R>(
        &self,
        py: Python<'_>,
        hash: isize,
        key: *mut PyObject,
        f: impl FnOnce(&mut State, Option<u32>) -> R,
    ) -> PyResult<R> {
        let mut f = Some(f);
        loop {
            let Some((entry, changes)) = self.find_slowly(py, hash, key)? else { continue };
            let done = self.state.with(py, |s| {
                if s.map.changes != changes {
                    return None;
                }
                f.take().map(|f| f(s, entry))
            });
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    /// The entry of a key and the state of the table in which it is that; `None` where the table changed meanwhile.
    fn find_slowly(
        &self,
        py: Python<'_>,
        hash: isize,
        key: *mut PyObject,
    ) -> PyResult<Option<(Option<u32>, u64)>> {
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
            let Some((entry, next, other)) = candidate else { return Ok(Some((None, changes))) };
            // SAFETY: both are alive (`other` is owned here); the GIL is held.
            let same = other.as_ptr() == key
                || match unsafe { ffi::PyObject_RichCompareBool(other.as_ptr(), key, ffi::Py_EQ) } {
                    -1 => return Err(PyErr::fetch(py)),
                    n => n == 1,
                };
            drop(other);
            if same {
                return Ok(Some((Some(entry), changes)));
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
        let now = match self.policy().quick_now() {
            Some(now) => now,
            None => self.policy().now(py)?,
        };
        Ok(match self.at(py, hash, key, None, |s, entry| s.answer(entry, hash, now, count))? {
            Found::Value(stored) => Found::Value(track::open(py, stored)),
            miss => miss,
        })
    }

    /// As `lookup` for the key that is the tuple of `args`, with its hash, without making the tuple; `None` where
    /// that cannot be said here: then the tuple is needed.
    #[inline]
    pub(crate) fn lookup_tuple(&self, py: Python<'_>, hash: isize, args: &[*mut PyObject]) -> Option<Own> {
        let now = self.policy().quick_now()?;
        let stored = self.state.with(py, |s| {
            let mut at = s.map.start(hash);
            while let Probe::Candidate { entry, next } = s.map.probe(hash, at) {
                let key = s.map.key(entry)?.as_ptr();
                // SAFETY: the key is alive and the GIL is held.
                if unsafe { is_tuple_of(key, args) } {
                    let value = s.living(entry, now)?;
                    s.counts.hits += 1;
                    return Some(value);
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
        let now = self.policy().now(py)?;
        self.at(py, hash, key, None, |s, entry| entry.is_some_and(|e| s.is_alive(e, now)))
    }
}
