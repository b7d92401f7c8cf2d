//! `LRUCache` and `TTLCache` in the shape that cachetools' users know.
#![allow(unsafe_code)]

use crate::cell::GilCell;
use crate::map::{Gone, Map, Probe, Terms};
use crate::raw;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pyo3::{PyTraverseError, PyVisit};

/// What happened so far.
#[derive(Default, Clone, Copy)]
struct Counts {
    hits: u64,
    misses: u64,
    evictions: u64,
    expirations: u64,
}

struct State {
    map: Map,
    counts: Counts,
    /// Grows with each `clear` and `invalidate`: what was computed before is not to be stored after.
    epoch: u64,
}

/// Base of the caches: entries in order of use, bounded by number, by size, by age.
#[pyclass(frozen, subclass, mapping, weakref, name = "Cache", module = "m5mem._native")]
pub(crate) struct Cache {
    state: GilCell<State>,
    /// Bounds of the number of entries and of the sum of their sizes.
    most: Option<u64>,
    weight: Option<u64>,
    ttl: Option<f64>,
    getsizeof: Option<Py<PyAny>>,
    timer: Option<Py<PyAny>>,
}

/// The monotonic clock, in seconds.
fn monotonic() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours to fill; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Whether two keys with the same hash are equal without running Python code; `None`: only Python can say.
///
/// # Safety
/// Both are alive and the GIL is held.
#[inline]
pub(crate) unsafe fn quick_equal(a: *mut PyObject, b: *mut PyObject) -> Option<bool> {
    if a == b {
        return Some(true);
    }
    // SAFETY: the caller's contract. Comparing two exact strings or integers runs no Python code.
    unsafe {
        let plain = |o| ffi::PyUnicode_CheckExact(o) != 0 || ffi::PyLong_CheckExact(o) != 0;
        if !plain(a) || !plain(b) {
            return quick_tuples(a, b);
        }
        Some(ffi::PyObject_RichCompareBool(a, b, ffi::Py_EQ) == 1)
    }
}

/// The same for two exact tuples, which equal keys of calls are.
///
/// # Safety
/// As for `quick_equal`.
unsafe fn quick_tuples(a: *mut PyObject, b: *mut PyObject) -> Option<bool> {
    // SAFETY: the caller's contract; items are borrowed from tuples that live.
    unsafe {
        if ffi::PyTuple_CheckExact(a) == 0 || ffi::PyTuple_CheckExact(b) == 0 {
            return None;
        }
        let n = ffi::PyTuple_Size(a);
        if n != ffi::PyTuple_Size(b) || n > 8 {
            return if n > 8 { None } else { Some(false) };
        }
        for i in 0..n {
            let (x, y) = (ffi::PyTuple_GetItem(a, i), ffi::PyTuple_GetItem(b, i));
            if x == y {
                continue;
            }
            let plain = |o| ffi::PyUnicode_CheckExact(o) != 0 || ffi::PyLong_CheckExact(o) != 0;
            if !plain(x) || !plain(y) {
                return None;
            }
            if ffi::PyObject_RichCompareBool(x, y, ffi::Py_EQ) != 1 {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Whether `key` is an exact tuple of just these strings and integers. `false` may also mean that it is not known.
///
/// # Safety
/// All are alive and the GIL is held.
unsafe fn is_tuple_of(key: *mut PyObject, args: &[*mut PyObject]) -> bool {
    // SAFETY: the caller's contract; items are borrowed from a tuple that lives.
    unsafe {
        ffi::PyTuple_CheckExact(key) != 0
            && ffi::PyTuple_Size(key) == args.len() as Py_ssize_t
            && args.iter().zip(0..).all(|(&arg, i)| {
                let item = ffi::PyTuple_GetItem(key, i);
                let plain = |o| ffi::PyUnicode_CheckExact(o) != 0 || ffi::PyLong_CheckExact(o) != 0;
                item == arg
                    || (plain(item)
                        && plain(arg)
                        && ffi::PyObject_RichCompareBool(item, arg, ffi::Py_EQ) == 1)
            })
    }
}

/// The bounds of a cache, from the arguments of its class.
struct Bounds {
    most: Option<u64>,
    weight: Option<u64>,
    getsizeof: Option<Py<PyAny>>,
}

impl Bounds {
    /// As in cachetools `maxsize` bounds the sum of `getsizeof`, or the number of entries without it. With
    /// `max_bytes` it bounds their number, and `max_bytes` the sum.
    fn new(
        py: Python<'_>,
        maxsize: Option<f64>,
        getsizeof: Option<Py<PyAny>>,
        max_bytes: Option<u64>,
    ) -> PyResult<Self> {
        let maxsize = match maxsize {
            None => None,
            Some(n) if n == f64::INFINITY => None,
            Some(n) if n >= 0.0 && n.fract() == 0.0 && n < 1e18 => Some(n as u64),
            Some(_) => {
                return Err(PyValueError::new_err("maxsize must be a whole number, or None for no bound"));
            }
        };
        Ok(match (max_bytes, getsizeof) {
            (None, None) => Self { most: maxsize, weight: None, getsizeof: None },
            (None, Some(f)) => Self { most: None, weight: maxsize, getsizeof: Some(f) },
            (bytes, Some(f)) => Self { most: maxsize, weight: bytes, getsizeof: Some(f) },
            (bytes, None) => {
                let sizeof = py.import("m5mem._sizeof")?.getattr("sizeof")?.unbind();
                Self { most: maxsize, weight: bytes, getsizeof: Some(sizeof) }
            }
        })
    }
}

impl Cache {
    fn make(bounds: Bounds, ttl: Option<f64>, timer: Option<Py<PyAny>>) -> PyResult<Self> {
        if ttl.is_some_and(|t| t.is_nan() || t < 0.0) {
            return Err(PyValueError::new_err("ttl must be seconds, 0 or more"));
        }
        let Bounds { most, weight, getsizeof } = bounds;
        let map = Map::new(ttl.is_some() || getsizeof.is_some());
        let state = GilCell::new(State { map, counts: Counts::default(), epoch: 0 });
        Ok(Self { state, most, weight, ttl, getsizeof, timer })
    }

    fn now(&self, py: Python<'_>) -> PyResult<f64> {
        match (&self.timer, self.ttl) {
            (_, None) => Ok(0.0),
            (None, Some(_)) => Ok(monotonic()),
            (Some(timer), Some(_)) => timer.bind(py).call0()?.extract(),
        }
    }

    /// The entry of a key. Runs comparisons outside of the cell and starts again when they changed the table.
    #[inline]
    fn find(&self, py: Python<'_>, hash: isize, key: *mut PyObject) -> PyResult<Option<u32>> {
        loop {
            let mut doubtful = None;
            let found = self.state.with(py, |s| {
                let mut at = s.map.start(hash);
                while let Probe::Candidate { entry, next } = s.map.probe(hash, at) {
                    let other = s.map.key(entry)?;
                    if other.as_ptr() == key {
                        return Some(entry);
                    }
                    // SAFETY: the entry's key and the caller's are alive; the GIL is held.
                    match unsafe { quick_equal(other.as_ptr(), key) } {
                        Some(true) => return Some(entry),
                        Some(false) => {}
                        None => {
                            doubtful = Some(next);
                            return None;
                        }
                    }
                    at = next;
                }
                None
            });
            if doubtful.is_none() {
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
                        Ok(s.map.key(entry).map(|k| (entry, next, k.bind(py).clone())))
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

    /// A new reference to the value of a key, or NULL without an error where there is none.
    #[inline]
    pub(crate) fn lookup(&self, py: Python<'_>, key: *mut PyObject, count: bool) -> PyResult<*mut PyObject> {
        // SAFETY: `key` is alive and the GIL is held.
        let hash = unsafe { ffi::PyObject_Hash(key) };
        if hash == -1 {
            return Err(PyErr::fetch(py));
        }
        let now = self.now(py)?;
        let entry = self.find(py, hash, key)?;
        Ok(self.state.with(py, |s| {
            let alive = entry.filter(|&e| s.map.expires(e) > now);
            let Some(entry) = alive else {
                s.counts.misses += u64::from(count);
                return std::ptr::null_mut();
            };
            s.counts.hits += u64::from(count);
            s.map.touch(entry);
            let value = s.map.value(entry).map_or(std::ptr::null_mut(), Py::as_ptr);
            // SAFETY: the map holds the value; the GIL is held.
            unsafe { ffi::Py_XINCREF(value) };
            value
        }))
    }

    /// As `lookup` for the key that is the tuple of `args`, with its hash, without making the tuple; `None` where
    /// that cannot be said here: then the tuple is needed.
    #[inline]
    pub(crate) fn lookup_tuple(
        &self,
        py: Python<'_>,
        hash: isize,
        args: &[*mut PyObject],
    ) -> Option<*mut PyObject> {
        let now = if self.ttl.is_none() { 0.0 } else { self.timer.is_none().then(monotonic)? };
        self.state.with(py, |s| {
            let mut at = s.map.start(hash);
            while let Probe::Candidate { entry, next } = s.map.probe(hash, at) {
                let key = s.map.key(entry)?.as_ptr();
                // SAFETY: the key is alive and the GIL is held.
                if unsafe { is_tuple_of(key, args) } {
                    if s.map.expires(entry) <= now {
                        return None;
                    }
                    s.counts.hits += 1;
                    s.map.touch(entry);
                    let value = s.map.value(entry)?.as_ptr();
                    // SAFETY: the map holds the value; the GIL is held.
                    unsafe { ffi::Py_INCREF(value) };
                    return Some(value);
                }
                at = next;
            }
            None
        })
    }

    fn fetch<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        count: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let value = self.lookup(py, key.as_ptr(), count)?;
        // SAFETY: NULL or a new reference.
        Ok(unsafe { Bound::from_owned_ptr_or_opt(py, value) })
    }

    /// Stores a value, or gives `false` where it alone is too large. What leaves for it is dropped after the table
    /// is whole again.
    pub(crate) fn store(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        let size = match &self.getsizeof {
            None => 1,
            Some(f) => f.bind(py).call1((&value,))?.extract::<u64>()?,
        };
        if self.most == Some(0) || self.weight.is_some_and(|m| size > m) {
            return Ok(false);
        }
        let hash = key.hash()?;
        let now = self.now(py)?;
        let entry = self.find(py, hash, key.as_ptr())?;
        let terms = Terms { size, expires: self.ttl.map_or(f64::INFINITY, |ttl| now + ttl) };
        let (key, value) = (key.clone().unbind(), value.unbind());
        let gone = self.state.with(py, |s| {
            let mut gone: Vec<Gone> = Vec::new();
            let old = match entry {
                Some(entry) => s.map.replace(entry, value, terms).map(|old| (key, old)),
                None => {
                    self.make_room(s, 1, size, now, &mut gone);
                    s.map.insert(hash, key, value, terms);
                    None
                }
            };
            if entry.is_some() {
                self.make_room(s, 0, 0, now, &mut gone);
            }
            gone.extend(old);
            gone
        });
        drop(gone);
        Ok(true)
    }

    /// As `store`; too large a value is an error.
    fn set(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        if self.store(key, value)? { Ok(()) } else { Err(PyValueError::new_err("value too large")) }
    }

    fn weight(&self, s: &State) -> u64 {
        if self.getsizeof.is_some() { s.map.size } else { s.map.len as u64 }
    }

    /// Lets expired entries go, then the least recently used, until `more` entries of `size` fit.
    fn make_room(&self, s: &mut State, more: u64, size: u64, now: f64, gone: &mut Vec<Gone>) {
        let over = |s: &State| {
            self.most.is_some_and(|m| s.map.len as u64 + more > m)
                || self.weight.is_some_and(|m| s.map.size + size > m)
        };
        while over(s) {
            let (entry, expired) = match s.map.expired(now) {
                Some(entry) => (entry, true),
                None => (s.map.first, false),
            };
            let Some(pair) = s.map.remove(entry) else { return };
            if expired {
                s.counts.expirations += 1
            } else {
                s.counts.evictions += 1
            }
            gone.push(pair);
        }
    }

    /// Lets expired entries go.
    fn sweep(&self, py: Python<'_>) -> PyResult<Vec<Gone>> {
        if self.ttl.is_none() {
            return Ok(Vec::new());
        }
        let now = self.now(py)?;
        Ok(self.state.with(py, |s| {
            let mut gone = Vec::new();
            while let Some(pair) = s.map.expired(now).and_then(|entry| s.map.remove(entry)) {
                s.counts.expirations += 1;
                gone.push(pair);
            }
            gone
        }))
    }

    fn take(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Gone>> {
        let (hash, now) = (key.hash()?, self.now(py)?);
        let entry = self.find(py, hash, key.as_ptr())?;
        Ok(self.state.with(py, |s| {
            let alive = entry.filter(|&e| s.map.expires(e) > now)?;
            s.map.remove(alive)
        }))
    }

    fn list<'py>(
        &self,
        py: Python<'py>,
        f: impl Fn(&Py<PyAny>, &Py<PyAny>) -> Py<PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        drop(self.sweep(py)?);
        let items: Vec<Py<PyAny>> = self.state.with(py, |s| s.map.iter().map(|(k, v, _)| f(k, v)).collect());
        PyList::new(py, items)
    }
}

/// Whether it is one of the classes here, which have no `__missing__`.
fn exact(slf: &Bound<'_, Cache>) -> bool {
    slf.as_any().is_exact_instance_of::<LRUCache>() || slf.as_any().is_exact_instance_of::<TTLCache>()
}

#[pymethods]
impl Cache {
    /// As `get`, without being counted as a hit or a miss.
    #[pyo3(signature = (key, default = None))]
    fn peek<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.fetch(py, key, false)?.or(default))
    }

    /// Stores a value if it alone is not too large; whether it did.
    fn offer(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<bool> {
        self.store(key, value)
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().fetch(slf.py(), key, true)? {
            Some(value) => Ok(value),
            None if !exact(slf) && slf.hasattr("__missing__")? => slf.call_method1("__missing__", (key,)),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        self.set(key, value)
    }

    fn __delitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        self.take(py, key)?.map(drop).ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (hash, now) = (key.hash()?, self.now(py)?);
        let entry = self.find(py, hash, key.as_ptr())?;
        Ok(self.state.with(py, |s| entry.is_some_and(|e| s.map.expires(e) > now)))
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
        self.list(py, |k, _| k.clone_ref(py))
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, |_, v| v.clone_ref(py))
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        drop(self.sweep(py)?);
        let items: Vec<Gone> = self
            .state
            .with(py, |s| s.map.iter().map(|(k, v, _)| (k.clone_ref(py), v.clone_ref(py))).collect());
        PyList::new(py, items)
    }

    /// Removes a key and returns its value, or `default`.
    #[pyo3(signature = (key, *default))]
    fn pop<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, pyo3::types::PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.take(py, key)? {
            Some((_key, value)) => Ok(value.into_bound(py)),
            None => default.get_item(0).map_err(|_| PyKeyError::new_err(key.clone().unbind())),
        }
    }

    /// Removes and returns the least recently used pair.
    fn popitem(&self, py: Python<'_>) -> PyResult<Gone> {
        drop(self.sweep(py)?);
        self.state
            .with(py, |s| s.map.remove(s.map.first))
            .ok_or_else(|| PyKeyError::new_err("the cache is empty"))
    }

    #[pyo3(signature = (key, default = None))]
    fn setdefault<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(value) = self.fetch(py, key, true)? {
            return Ok(value);
        }
        let value = default.unwrap_or_else(|| py.None().into_bound(py));
        self.set(key, value.clone())?;
        Ok(value)
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
    fn invalidate(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.state.with(py, |s| s.epoch += 1);
        Ok(self.take(py, key)?.is_some())
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
        if self.most.is_some() || self.getsizeof.is_none() { self.most } else { self.weight }
    }

    #[getter]
    fn max_bytes(&self) -> Option<u64> {
        self.weight
    }

    #[getter]
    fn ttl(&self) -> Option<f64> {
        self.ttl
    }

    /// Number of entries, or the sum of their sizes where `getsizeof` was given.
    #[getter]
    fn currsize(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| self.weight(s))
    }

    /// `hits`, `misses`, `evictions`, `expirations`, `entries`, `size`.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (counts, entries, size) = self.state.with(py, |s| (s.counts, s.map.len, self.weight(s)));
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
        // SAFETY: the collector runs with the GIL held, and never inside `with`, where nothing is allocated that it
        // could be started by.
        let state = unsafe { self.state.peek() };
        for (key, value, _) in state.map.iter() {
            visit.call(key)?;
            visit.call(value)?;
        }
        visit.call(&self.getsizeof)?;
        visit.call(&self.timer)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

unsafe extern "C" fn get(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL; the method descriptor checked `slf`.
    unsafe {
        let py = Python::assume_attached();
        let own = Bound::from_borrowed_ptr(py, slf).cast_into_unchecked::<Cache>();
        let (key, default) = match *raw::args(args, n) {
            [key] => (key, ffi::Py_None()),
            [key, default] => (key, default),
            _ => {
                return raw::give(
                    py,
                    Err(PyTypeError::new_err("get(key, default=None) takes 1 or 2 arguments")),
                );
            }
        };
        let found = own.get().lookup(py, key, true).map(|value| {
            if value.is_null() {
                ffi::Py_INCREF(default);
                return default;
            }
            value
        });
        raw::give(py, found)
    }
}

/// Bounded by number (or by the sum of `getsizeof`); the least recently used entry goes first.
#[pyclass(frozen, extends = Cache, subclass, weakref, module = "m5mem._native")]
pub(crate) struct LRUCache;

// The item methods are repeated here because their `self` is then of the very class that is checked for: asking
// whether a class is a subclass costs 10 ns a call.
#[pymethods]
impl LRUCache {
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Cache::__getitem__(slf.as_super(), key)
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().set(key, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().__delitem__(slf.py(), key)
    }

    #[new]
    #[pyo3(signature = (maxsize, getsizeof = None, *, max_bytes = None))]
    fn new(
        py: Python<'_>,
        maxsize: Option<f64>,
        getsizeof: Option<Py<PyAny>>,
        max_bytes: Option<u64>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let bounds = Bounds::new(py, maxsize, getsizeof, max_bytes)?;
        Ok(PyClassInitializer::from(Cache::make(bounds, None, None)?).add_subclass(Self))
    }
}

/// As `LRUCache`; an entry is also gone `ttl` seconds after it was stored.
#[pyclass(frozen, extends = Cache, subclass, weakref, module = "m5mem._native")]
pub(crate) struct TTLCache;

// The item methods are repeated here because their `self` is then of the very class that is checked for: asking
// whether a class is a subclass costs 10 ns a call.
#[pymethods]
impl TTLCache {
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Cache::__getitem__(slf.as_super(), key)
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().set(key, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.as_super().get().__delitem__(slf.py(), key)
    }

    #[new]
    #[pyo3(signature = (maxsize, ttl, timer = None, getsizeof = None, *, max_bytes = None))]
    fn new(
        py: Python<'_>,
        maxsize: Option<f64>,
        ttl: f64,
        timer: Option<Py<PyAny>>,
        getsizeof: Option<Py<PyAny>>,
        max_bytes: Option<u64>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let bounds = Bounds::new(py, maxsize, getsizeof, max_bytes)?;
        Ok(PyClassInitializer::from(Cache::make(bounds, Some(ttl), timer)?).add_subclass(Self))
    }
}

/// Adds the classes to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Cache>()?;
    m.add_class::<LRUCache>()?;
    m.add_class::<TTLCache>()?;
    const TEXT: &std::ffi::CStr = c"get($self, key, default=None, /)\n--\n\nThe value of a key, or default.";
    raw::add_fast::<Cache>(m.py(), c"get", TEXT, get)?;
    raw::add_fast::<LRUCache>(m.py(), c"get", TEXT, get)?;
    raw::add_fast::<TTLCache>(m.py(), c"get", TEXT, get)
}
