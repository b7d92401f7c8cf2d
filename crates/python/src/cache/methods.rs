//! The methods of the caches. Item access and `get` are in `class`.
#![allow(unsafe_code)]

use super::hooks::Hooks;
use super::terms::Arguments;
use super::{Cache, Found, When, overridden, saved};
use crate::own::Own;
use crate::track::{self, Reads};
use pyo3::exceptions::{PyKeyError, PyTypeError};
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

/// One of the views, of `m5mem._views`.
fn view<'py>(slf: &Bound<'py, Cache>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    slf.py().import("m5mem._views")?.getattr(name)?.call1((slf,))
}

fn bound<'py>(py: Python<'py>, object: &Own) -> Bound<'py, PyAny> {
    object.py().bind(py).clone()
}

#[pymethods]
impl Cache {
    /// Without bounds yet: the public classes give it those. Which methods a subclass has of its own.
    #[new]
    fn new(item: bool, room: bool, size: bool) -> Self {
        Self::make(Hooks { item, room, size })
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
        self.policy().size_of(value)
    }

    /// The clock that entries expire by; `None`: the monotonic one.
    #[getter]
    fn timer(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.policy().timer.as_ref().map(|t| t.clone_ref(py))
    }

    #[getter]
    fn jitter(&self) -> f64 {
        self.policy().jitter
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

    /// The keys of now, least recently used first; the cache may change meanwhile.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.list(py, |k, _| k.again())?.as_any().try_iter().map(Bound::into_any)
    }

    /// A view of the keys, least recently used first. Iterating shows those of the moment in which it begins.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf, "Keys")
    }

    /// A view of the values. Looking at them is no use of them.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf, "Values")
    }

    /// A view of the pairs. Looking at them is no use of them.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf, "Items")
    }

    /// For the views.
    fn _values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, |_, v| v.again())
    }

    fn _items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        drop(self.sweep(py)?);
        let pairs: Vec<(Own, Own)> =
            self.state.with(py, |s| s.map.iter().map(|(k, v)| (k.again(), v.again())).collect());
        let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k, track::open(py, v))).collect();
        PyList::new(py, pairs.iter().map(|(k, v)| (bound(py, k), bound(py, v))))
    }

    /// As a mapping: equal to one with the same pairs, in whatever order.
    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !other.is_instance(&py.import("_collections_abc")?.getattr("Mapping")?)? {
            return Ok(py.NotImplemented().into_bound(py));
        }
        let dict = py.get_type::<PyDict>();
        let (ours, theirs) =
            (dict.call1((slf.get()._items(py)?,))?, dict.call1((other.call_method0("items")?,))?);
        ours.rich_compare(theirs, pyo3::basic::CompareOp::Eq)
    }

    /// Removes a key and returns its value, or `default`.
    #[pyo3(signature = (key, *default, **named), text_signature = "($self, key, default=...)")]
    fn pop<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let by_name = named.map_or(Ok(None), |n| n.get_item("default"))?;
        if default.len() + named.map_or(0, PyDictMethods::len) > 1 || (named.is_some() && by_name.is_none()) {
            return Err(PyTypeError::new_err("pop() takes a key, and at most a default"));
        }
        let (py, own) = (slf.py(), slf.get());
        let found = match own.hooks.item {
            true => overridden::pop(slf, key)?,
            false => own.take(py, key.as_ptr())?.map(|(_key, value)| bound(py, &track::open(py, value))),
        };
        let default = || default.get_item(0).map_err(|_| PyKeyError::new_err((key.clone().unbind(),)));
        found.or(by_name).map_or_else(default, Ok)
    }

    /// Removes and returns the least recently used pair.
    fn popitem<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (py, own) = (slf.py(), slf.get());
        if own.hooks.item || own.hooks.room {
            return overridden::popitem(slf);
        }
        drop(own.sweep(py)?);
        let gone = own.state.with(py, |s| s.map.remove(s.map.first));
        gone.map(|(key, value)| (bound(py, &key), bound(py, &track::open(py, value))))
            .ok_or_else(|| overridden::empty(slf))
    }

    #[pyo3(signature = (key, default = None))]
    fn setdefault<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, own) = (slf.py(), slf.get());
        let found = if own.hooks.item { overridden::get(slf, key)? } else { own.value(key, true)? };
        if let Some(value) = found {
            return Ok(value);
        }
        let value = default.unwrap_or_else(|| py.None().into_bound(py));
        if own.hooks.any() {
            return slf.as_any().set_item(key, &value).map(|()| value);
        }
        own.set_default(key, value).map(|value| bound(py, &value))
    }

    #[pyo3(signature = (other = None, /, **pairs))]
    fn update(
        slf: &Bound<'_, Self>,
        other: Option<&Bound<'_, PyAny>>,
        pairs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let own = slf.get();
        let put = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| match own.hooks.any() {
            true => slf.as_any().set_item(key, value),
            false => own.set(&key, value),
        };
        if let Some(other) = other {
            let copy = PyDict::new(slf.py());
            copy.call_method1("update", (other,))?;
            copy.iter().try_for_each(put)?;
        }
        pairs.map_or(Ok(()), |p| p.iter().try_for_each(put))
    }

    /// Forgets everything, and keeps results that are being computed now from being stored.
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

    /// Lets entries go that are expired now, or at a `time` of the cache's clock: a list of them.
    #[pyo3(signature = (time = None))]
    fn expire<'py>(&self, py: Python<'py>, time: Option<f64>) -> PyResult<Bound<'py, PyList>> {
        let gone = match time {
            Some(time) => self.sweep_at(py, time),
            None => self.sweep(py)?,
        };
        let gone: Vec<_> = gone.into_iter().map(|(k, v)| (k, track::open(py, v))).collect();
        PyList::new(py, gone.iter().map(|(k, v)| (bound(py, k), bound(py, v))))
    }

    /// Whether a class made of this one has methods of its own, which a cached function would pass by.
    #[getter]
    fn overridden(&self) -> bool {
        self.hooks.any()
    }

    /// Counts the functions that share the cache: how many there were before.
    fn share(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| {
            s.functions += 1;
            s.functions - 1
        })
    }

    /// Pickled and copied with its entries and with what is left of their time.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<saved::Reduced<'py>> {
        saved::reduce(slf)
    }

    #[staticmethod]
    fn _make<'py>(class: &Bound<'py, PyType>, arguments: Option<Arguments>) -> PyResult<Bound<'py, PyAny>> {
        saved::make(class, arguments)
    }

    fn __setstate__<'py>(slf: &Bound<'py, Self>, state: saved::State<'py>) -> PyResult<()> {
        saved::set(slf, state)
    }

    #[getter]
    fn maxsize(&self) -> Option<u64> {
        self.policy().maxsize()
    }

    #[getter]
    fn max_bytes(&self) -> Option<u64> {
        self.policy().weight
    }

    #[getter]
    fn ttl(&self) -> Option<f64> {
        self.policy().ttl
    }

    /// Number of entries, or the sum of their sizes where `getsizeof` was given.
    #[getter]
    fn currsize(&self, py: Python<'_>) -> PyResult<u64> {
        drop(self.sweep(py)?);
        Ok(self.state.with(py, |s| self.policy().weigh(&s.map)))
    }

    /// `hits`, `misses`, `evictions`, `expirations`, `entries`, `size`.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, entries, size) =
            self.state.with(py, |s| (s.counts, s.map.len, self.policy().weigh(&s.map)));
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
        Ok(format!(
            "<m5mem.{} {}/{bound}>",
            slf.get_type().name()?,
            own.state.with(slf.py(), |s| own.policy().weigh(&s.map))
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: this is the collector's visit.
        let state = unsafe { self.state.peek() };
        for (key, value) in state.map.iter() {
            visit.call(key.py())?;
            visit.call(value.py())?;
        }
        let Some(policy) = self.policy.get() else { return Ok(()) };
        visit.call(&policy.getsizeof)?;
        visit.call(&policy.timer)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}
