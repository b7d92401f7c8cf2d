//! Storing values, and letting go of what has to leave for them.
#![allow(unsafe_code)]

use super::{Cache, Miss, State};
use crate::map::Gone;
use crate::own::Own;
use crate::track;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Entries that leave; mostly there is one, which needs no list. Dropped outside of the cell, when the table is
/// whole again: that may run Python code.
#[derive(Default)]
struct Leaving {
    one: Option<Gone>,
    more: Vec<Gone>,
}

impl Leaving {
    fn push(&mut self, gone: Gone) {
        match self.one {
            None => self.one = Some(gone),
            Some(_) => self.more.push(gone),
        }
    }
}

/// Lets the entries of buffers go that are gone themselves.
fn drop_orphans(s: &mut State, gone: &mut Leaving) {
    let so_far = track::gone_so_far();
    if !s.depends || s.gone_seen == so_far {
        return;
    }
    s.gone_seen = so_far;
    for entry in s.map.entries_where(track::is_orphan) {
        s.counts.expirations += 1;
        s.map.remove(entry).into_iter().for_each(|pair| gone.push(pair));
    }
}

/// When a value is stored.
#[derive(Default)]
pub(crate) struct When {
    /// The key was not found before.
    pub(crate) miss: Option<Miss>,
    /// Only while nothing was invalidated since.
    pub(crate) epoch: Option<u64>,
    /// Only where there is none.
    pub(crate) absent: bool,
    /// For so many seconds yet.
    pub(crate) left: Option<f64>,
}

/// What became of it.
enum Put {
    Stored,
    Refused,
    There(Own),
}

impl Cache {
    /// Stores a value with what it depends on, where it alone is not too large and `when` holds: the value as it is
    /// stored, and whether it is.
    pub(crate) fn store(
        &self,
        key: &Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
        found: track::Found,
        when: When,
    ) -> PyResult<(Own, bool)> {
        let size = self.policy().size_of(&value)?;
        self.store_sized(key, value, found, when, size)
    }

    /// As `store`, for a value of this size.
    pub(super) fn store_sized(
        &self,
        key: &Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
        found: track::Found,
        when: When,
        size: u64,
    ) -> PyResult<(Own, bool)> {
        let py = key.py();
        let depends = !found.is_empty();
        let value = found.wrap(value)?;
        if self.policy().refuses(size) {
            return Ok((value, false));
        }
        let now = self.policy().now(py)?;
        let hash = match when.miss {
            Some(miss) => miss.hash,
            None => key.hash()?,
        };
        let mut terms = self.policy().terms(py, size, now);
        if let Some(left) = when.left {
            terms.expires = now + left;
        }
        let absent = when.miss.and_then(|miss| miss.changes);
        let own = Own::from(key.clone());
        let mut gone = Leaving::default();
        // SAFETY: alive; attached.
        let stored = unsafe { Own::to(value.as_ptr()) };
        let other = self.at(py, hash, key.as_ptr(), absent, |s, entry| {
            if when.epoch.is_some_and(|epoch| s.epoch != epoch) {
                gone.push((own, value));
                return Put::Refused;
            }
            if let (true, Some(there)) = (when.absent, entry.and_then(|e| s.living(e, now))) {
                gone.push((own, value));
                return Put::There(there);
            }
            s.depends |= depends;
            match entry {
                Some(entry) => {
                    if let Some(old) = s.map.replace(entry, value, terms) {
                        gone.push((own, old));
                    }
                    self.make_room(s, 0, 0, now, &mut gone);
                }
                None => {
                    drop_orphans(s, &mut gone);
                    self.make_room(s, 1, size, now, &mut gone);
                    s.map.insert(hash, own, value, terms);
                }
            }
            Put::Stored
        })?;
        drop(gone);
        Ok(match other {
            Put::Stored => (stored, true),
            Put::Refused => (stored, false),
            Put::There(other) => (other, true),
        })
    }

    /// As `store`; too large a value is an error.
    pub(super) fn set(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        let (_, stored) = self.store(key, value, track::Found::default(), When::default())?;
        if stored { Ok(()) } else { Err(self.too_large()) }
    }

    /// Stores a value where the key has none; the value that it has afterwards.
    pub(super) fn set_default(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<Own> {
        let when = When { absent: true, ..When::default() };
        match self.store(key, value, track::Found::default(), when)? {
            (stored, true) => Ok(track::open(key.py(), stored)),
            (_, false) => Err(self.too_large()),
        }
    }

    pub(super) fn too_large(&self) -> PyErr {
        match self.policy.get() {
            Some(_) => PyValueError::new_err("value too large"),
            None => PyRuntimeError::new_err(
                "this cache has no bounds: the __init__ of its class does not call super().__init__(maxsize, ...)",
            ),
        }
    }

    /// Lets expired entries go, then the least recently used, until `more` entries of `size` fit.
    fn make_room(&self, s: &mut State, more: u64, size: u64, now: f64, gone: &mut Leaving) {
        while self.policy().is_over(&s.map, more, size) {
            let (entry, count) = match s.map.expired(now) {
                Some(entry) => (entry, &mut s.counts.expirations),
                None => (s.map.first, &mut s.counts.evictions),
            };
            let Some(pair) = s.map.remove(entry) else { return };
            *count += 1;
            gone.push(pair);
        }
    }

    /// Lets entries go that are expired, or whose data have changed.
    pub(super) fn sweep(&self, py: Python<'_>) -> PyResult<Vec<Gone>> {
        let depends = self.state.with(py, |s| s.depends);
        if self.policy().ttl.is_none() && !depends {
            return Ok(Vec::new());
        }
        let now = self.policy().now(py)?;
        Ok(self.sweep_at(py, now))
    }

    /// The same at a moment by the cache's clock.
    pub(super) fn sweep_at(&self, py: Python<'_>, now: f64) -> Vec<Gone> {
        self.state.with(py, |s| {
            let mut gone = Vec::new();
            while let Some(pair) = s.map.expired(now).and_then(|entry| s.map.remove(entry)) {
                s.counts.expirations += 1;
                gone.push(pair);
            }
            if self.policy().jitter > 0.0 {
                // Then the oldest is not always the first to expire.
                for entry in s.map.all_expired(now) {
                    s.counts.expirations += 1;
                    gone.extend(s.map.remove(entry));
                }
            }
            if s.depends {
                for entry in s.map.entries_where(track::is_stale) {
                    s.counts.expirations += 1;
                    gone.extend(s.map.remove(entry));
                }
            }
            gone
        })
    }

    /// Takes the entry of a key out.
    pub(super) fn take(&self, py: Python<'_>, key: *mut PyObject) -> PyResult<Option<Gone>> {
        // SAFETY: `key` is alive and the GIL is held.
        let hash = unsafe { ffi::PyObject_Hash(key) };
        if hash == -1 {
            return Err(PyErr::fetch(py));
        }
        let now = self.policy().now(py)?;
        self.at(py, hash, key, None, |s, entry| {
            let alive = entry.filter(|&e| s.is_alive(e, now))?;
            s.map.remove(alive)
        })
    }
}
