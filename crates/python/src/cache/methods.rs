//! The methods of the caches. Item access and `get` are in `class`.
#![allow(unsafe_code)]

use super::terms::Policy;
use super::{Cache, Found, When};
use crate::own::Own;
use crate::track::{self, Reads};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

impl Cache {
    fn value<'py>(&self, key: &Bound<'py, PyAny>, count: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.lookup(key.py(), key.as_ptr(), count)? {
            Found::Value(value) => Some(bound(key.py(), &value)),
            Found::Miss(_) => None,
        })
    }

    /// A list of `f` of each entry, least recently used first.
    fn list<'py>(&self, py: Python<'py>, f: impl Fn(&Own, &Own) -> Own) -> PyResult<Bound<'py, PyList>> {
        drop(self.sweep(py)?);
        let items: Vec<Own> = self.state.with(py, |s| s.map.iter().map(|(k, v)| f(k, v)).collect());
        let items: Vec<Own> = items.into_iter().map(|item| track::open(py, item)).collect();
        PyList::new(py, items.iter().map(|item| item.py().bind(py)))
    }
}

/// A reference of its own to the same object.
fn another(object: &Own) -> Own {
    // SAFETY: alive, since it is held here; the GIL is held wherever an `Own` is.
    unsafe { Own::to(object.as_ptr()) }
}

fn bound<'py>(py: Python<'py>, object: &Own) -> Bound<'py, PyAny> {
    object.py().bind(py).clone()
}

#[pymethods]
impl Cache {
    /// From all that bounds a cache; the classes have the signatures that are for people.
    #[new]
    fn new(
        py: Python<'_>,
        maxsize: Option<f64>,
        getsizeof: Option<Py<PyAny>>,
        max_bytes: Option<u64>,
        ttl: Option<f64>,
        timer: Option<Py<PyAny>>,
        jitter: f64,
    ) -> PyResult<Self> {
        Ok(Self::make(Policy::new(py, maxsize, getsizeof, max_bytes, ttl, timer, jitter)?))
    }

    /// As `get`, without being counted as a hit or a miss.
    #[pyo3(signature = (key, default = None))]
    fn peek<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.value(key, false)?.or(default))
    }

    /// Stores a value if it alone is not too large; whether it did. `reads`: what it was computed from; `epoch`: only
    /// where nothing was invalidated since then.
    #[pyo3(signature = (key, value, reads = None, epoch = None))]
    fn offer(
        &self,
        key: &Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
        reads: Option<&Bound<'_, Reads>>,
        epoch: Option<u64>,
    ) -> PyResult<bool> {
        let found = reads.map(|r| r.get().found(key.py())).unwrap_or_default();
        Ok(self.store(key, value, found, When { epoch, ..When::default() })?.1)
    }

    /// What a value counts: its size by `getsizeof`, or 1.
    fn getsizeof(&self, value: &Bound<'_, PyAny>) -> PyResult<u64> {
        self.policy.size_of(value)
    }

    /// The clock that entries expire by; `None`: the monotonic one.
    #[getter]
    fn timer(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.policy.timer.as_ref().map(|t| t.clone_ref(py))
    }

    #[getter]
    fn jitter(&self) -> f64 {
        self.policy.jitter
    }

    /// `LRUCache[str, float]`, for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("types")?.getattr("GenericAlias")?.call1((cls, item))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        drop(self.sweep(py)?);
        Ok(self.state.with(py, |s| s.map.len))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys(py)?.as_any().try_iter().map(Bound::into_any)
    }

    /// The keys, least recently used first: a list of now.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, |k, _| another(k))
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, |_, v| another(v))
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        drop(self.sweep(py)?);
        let pairs: Vec<(Own, Own)> =
            self.state.with(py, |s| s.map.iter().map(|(k, v)| (another(k), another(v))).collect());
        let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k, track::open(py, v))).collect();
        PyList::new(py, pairs.iter().map(|(k, v)| (bound(py, k), bound(py, v))))
    }

    /// Removes a key and returns its value, or `default`.
    #[pyo3(signature = (key, *default))]
    fn pop<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.take(key.py(), key.as_ptr())? {
            Some((_key, value)) => Ok(bound(key.py(), &track::open(key.py(), value))),
            None => default.get_item(0).map_err(|_| PyKeyError::new_err((key.clone().unbind(),))),
        }
    }

    /// Removes and returns the least recently used pair.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        drop(self.sweep(py)?);
        let gone = self.state.with(py, |s| s.map.remove(s.map.first));
        gone.map(|(key, value)| (bound(py, &key), bound(py, &track::open(py, value))))
            .ok_or_else(|| PyKeyError::new_err("the cache is empty"))
    }

    #[pyo3(signature = (key, default = None))]
    fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = self.value(key, true)? {
            return Ok(value);
        }
        let value = default.unwrap_or_else(|| key.py().None().into_bound(key.py()));
        self.set_default(key, value).map(|value| bound(key.py(), &value))
    }

    #[pyo3(signature = (other = None, **pairs))]
    fn update(&self, other: Option<&Bound<'_, PyAny>>, pairs: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let py_dict = |source: &Bound<'_, PyAny>| {
            let copy = PyDict::new(source.py());
            copy.call_method1("update", (source,))?;
            copy.iter().try_for_each(|(key, value)| self.set(&key, value))
        };
        other.map_or(Ok(()), py_dict)?;
        pairs.map_or(Ok(()), |p| p.iter().try_for_each(|(key, value)| self.set(&key, value)))
    }

    fn clear(&self, py: Python<'_>) {
        drop(self.state.with(py, |s| {
            s.epoch += 1;
            s.map.take()
        }));
    }

    /// Removes a key, and keeps results that are being computed now from being stored; whether it was there.
    fn invalidate(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.state.with(key.py(), |s| s.epoch += 1);
        Ok(self.take(key.py(), key.as_ptr())?.is_some())
    }

    /// Grows with each `clear` and `invalidate`.
    #[getter]
    pub(crate) fn epoch(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.epoch)
    }

    /// Lets expired entries go now; how many went.
    fn expire(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.sweep(py)?.len())
    }

    #[getter]
    fn maxsize(&self) -> Option<u64> {
        self.policy.maxsize()
    }

    #[getter]
    fn max_bytes(&self) -> Option<u64> {
        self.policy.weight
    }

    #[getter]
    fn ttl(&self) -> Option<f64> {
        self.policy.ttl
    }

    /// Number of entries, or the sum of their sizes where `getsizeof` was given.
    #[getter]
    fn currsize(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| self.policy.weigh(&s.map))
    }

    /// `hits`, `misses`, `evictions`, `expirations`, `entries`, `size`.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, entries, size) =
            self.state.with(py, |s| (s.counts, s.map.len, self.policy.weigh(&s.map)));
        let out = PyDict::new(py);
        for (name, value) in [
            ("hits", counts.hits),
            ("misses", counts.misses),
            ("evictions", counts.evictions),
            ("expirations", counts.expirations),
            ("entries", entries as u64),
            ("size", size),
        ] {
            out.set_item(name, value)?;
        }
        Ok(out)
    }

    fn __sizeof__(&self, py: Python<'_>) -> usize {
        size_of::<Self>() + self.state.with(py, |s| s.map.bytes())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let own = slf.get();
        let bound = own.maxsize().map_or("unbounded".to_owned(), |m| m.to_string());
        Ok(format!("<m5mem.{} {}/{bound}>", slf.get_type().name()?, own.currsize(slf.py())))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: this is the collector's visit.
        let state = unsafe { self.state.peek() };
        for (key, value) in state.map.iter() {
            visit.call(key.py())?;
            visit.call(value.py())?;
        }
        visit.call(&self.policy.getsizeof)?;
        visit.call(&self.policy.timer)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}
