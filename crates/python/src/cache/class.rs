//! The two classes, and what is called most: item access and `get`.
//!
//! Made by hand on top of `Cache`: a slot of PyO3's own costs 10 ns a call more, a third of a hit.
#![allow(unsafe_code)]

use super::hooks::Hooks;
use super::terms::{Arguments, Policy};
use super::{Cache, Found, overridden};
use crate::own::Own;
use crate::raw;
use crate::types::{Class, number};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::ffi::{self, Py_ssize_t, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyType};
use std::ffi::{CStr, c_int, c_void};

/// A class, and the function that makes of its arguments those of `Cache`.
struct Public {
    class: Py<PyType>,
    terms: Py<PyCFunction>,
}

static LRU: PyOnceLock<Public> = PyOnceLock::new();
static TTL: PyOnceLock<Public> = PyOnceLock::new();

/// The signature of `LRUCache`.
#[pyfunction(name = "LRUCache")]
#[pyo3(signature = (maxsize, getsizeof = None, *, max_bytes = None))]
fn lru_terms(
    maxsize: Option<f64>,
    getsizeof: Option<Py<PyAny>>,
    #[pyo3(from_py_with = number)] max_bytes: Option<usize>,
) -> Arguments {
    (maxsize, getsizeof, max_bytes.map(|n| n as u64), None, None, 0.0)
}

/// The signature of `TTLCache`.
#[pyfunction(name = "TTLCache")]
#[pyo3(signature = (maxsize, ttl, timer = None, getsizeof = None, *, max_bytes = None, jitter = 0.0))]
fn ttl_terms(
    maxsize: Option<f64>,
    ttl: f64,
    timer: Option<Py<PyAny>>,
    getsizeof: Option<Py<PyAny>>,
    #[pyo3(from_py_with = number)] max_bytes: Option<usize>,
    jitter: f64,
) -> Arguments {
    (maxsize, getsizeof, max_bytes.map(|n| n as u64), Some(ttl), timer, jitter)
}

/// The public class that a class is, or is made of.
fn public<'py>(py: Python<'py>, class: &Bound<'py, PyType>) -> PyResult<&'static Public> {
    let ours = [&LRU, &TTL].into_iter().filter_map(|c| c.get(py));
    for public in ours {
        if class.is_subclass(public.class.bind(py))? {
            return Ok(public);
        }
    }
    Err(PyTypeError::new_err("LRUCache, TTLCache or a class made of them is needed"))
}

/// A cache of a class, without bounds yet.
pub(super) fn bare<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let Hooks { item, room, size } = Hooks::of(class, public(py, class)?.class.bind(py))?;
    let arguments = (item, room, size).into_pyobject(py)?;
    let base: *mut PyTypeObject = py.get_type::<Cache>().as_type_ptr();
    // SAFETY: `Cache` has a tp_new, and this is a class made of it.
    unsafe {
        let slot = ffi::PyType_GetSlot(base, ffi::Py_tp_new);
        let make = std::mem::transmute::<*mut c_void, ffi::newfunc>(slot);
        Bound::from_owned_ptr_or_err(py, make(class.as_type_ptr(), arguments.as_ptr(), std::ptr::null_mut()))
    }
}

/// Bounds from the arguments of a public class.
fn policy(
    py: Python<'_>,
    public: &Public,
    args: *mut PyObject,
    kwargs: *mut PyObject,
    hooks: Hooks,
) -> PyResult<Policy> {
    // SAFETY: the contract of tp_new and tp_init: a tuple, and a dict or NULL.
    let arguments =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyObject_Call(public.terms.as_ptr(), args, kwargs))? };
    Policy::new(py, arguments.extract::<Arguments>()?, hooks.size)
}

/// `tp_new` of both. Where a subclass has an `__init__` of its own, that says what the bounds are.
unsafe extern "C" fn new(
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of tp_new.
    let (py, class) = unsafe {
        let py = Python::assume_attached();
        (py, Bound::from_borrowed_ptr(py, class.cast()).cast_into_unchecked::<PyType>())
    };
    let make = || {
        let public = public(py, &class)?;
        let made = bare(&class)?;
        if class.getattr("__init__")?.is(&public.class.bind(py).getattr("__init__")?) {
            let own = made.cast::<Cache>()?.get();
            own.settle(py, policy(py, public, args, kwargs, own.hooks)?);
        }
        Ok(made.into_ptr())
    };
    raw::give(py, make())
}

/// `tp_init` of both: what a subclass's own calls. Afterwards nothing changes the bounds.
unsafe extern "C" fn init(slf: *mut PyObject, args: *mut PyObject, kwargs: *mut PyObject) -> c_int {
    // SAFETY: the contract of tp_init, which is called for objects of these classes alone.
    let (py, slf) = unsafe {
        let py = Python::assume_attached();
        (py, Bound::from_borrowed_ptr(py, slf))
    };
    let settle = || {
        let own = slf.cast::<Cache>()?.get();
        if own.policy.get().is_none() {
            own.settle(py, policy(py, public(py, &slf.get_type())?, args, kwargs, own.hooks)?);
        }
        Ok(())
    };
    status(py, settle())
}

/// What a slot gives that has no value.
fn status(py: Python<'_>, done: PyResult<()>) -> c_int {
    match done {
        Ok(()) => 0,
        Err(error) => {
            error.restore(py);
            -1
        }
    }
}

/// `cache[key]`
unsafe extern "C" fn item(slf: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: the contract of the slot, which is called for objects of these classes alone.
    unsafe {
        let py = Python::assume_attached();
        match raw::contents::<Cache>(slf).lookup(py, key, true) {
            Ok(Found::Value(value)) => value.into_ptr(),
            Ok(Found::Miss(_)) => missing(py, slf, key),
            Err(error) => raw::give(py, Err(error)),
        }
    }
}

/// A subclass may have `__missing__`; else it is an error.
#[cold]
unsafe fn missing(py: Python<'_>, slf: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: borrowed references that live for the call.
    let (slf, key) = unsafe { (Bound::from_borrowed_ptr(py, slf), Bound::from_borrowed_ptr(py, key)) };
    let class = slf.get_type();
    let ours = [&LRU, &TTL].iter().any(|c| c.get(py).is_some_and(|c| c.class.is(&class)));
    let found = match !ours && slf.hasattr("__missing__").unwrap_or(false) {
        true => slf.call_method1("__missing__", (key,)),
        false => Err(PyKeyError::new_err((key.unbind(),))),
    };
    raw::give(py, found.map(Bound::into_ptr))
}

/// `cache[key] = value` and, without a value, `del cache[key]`
unsafe extern "C" fn set_item(slf: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int {
    // SAFETY: the contract of the slot.
    unsafe {
        let py = Python::assume_attached();
        let (own, key) = (raw::contents::<Cache>(slf), Bound::from_borrowed_ptr(py, key));
        let done = if value.is_null() {
            own.take(py, key.as_ptr())
                .and_then(|gone| gone.map(drop).ok_or_else(|| PyKeyError::new_err((key.unbind(),))))
        } else if own.hooks.room || own.hooks.size {
            let slf = Bound::from_borrowed_ptr(py, slf).cast_into_unchecked::<Cache>();
            overridden::set(&slf, &key, Bound::from_borrowed_ptr(py, value))
        } else {
            own.set(&key, Bound::from_borrowed_ptr(py, value))
        };
        status(py, done)
    }
}

/// `key in cache`
unsafe extern "C" fn contains(slf: *mut PyObject, key: *mut PyObject) -> c_int {
    // SAFETY: the contract of the slot.
    unsafe {
        let py = Python::assume_attached();
        match raw::contents::<Cache>(slf).has(py, key) {
            Ok(found) => c_int::from(found),
            Err(error) => {
                error.restore(py);
                -1
            }
        }
    }
}

/// The arguments of `get`: a key, and a default.
unsafe fn key_and_default(
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> Option<(*mut PyObject, *mut PyObject)> {
    // SAFETY: the contract of METH_FASTCALL | METH_KEYWORDS: `n` values, then one for each name.
    unsafe {
        if names.is_null() {
            return match *raw::args(args, n) {
                [key] => Some((key, ffi::Py_None())),
                [key, default] => Some((key, default)),
                _ => None,
            };
        }
        let named =
            Bound::from_borrowed_ptr(Python::assume_attached(), names).extract::<Vec<String>>().ok()?;
        let values = raw::args(args, n + named.len() as Py_ssize_t);
        let by = |name: &str| named.iter().position(|n| n == name).map(|at| values[n as usize + at]);
        match (n, by("key"), by("default"), named.len()) {
            (0, Some(key), default, 1..=2) => Some((key, default.unwrap_or(ffi::Py_None()))),
            (1, None, Some(default), 1) => Some((values[0], default)),
            _ => None,
        }
    }
}

unsafe extern "C" fn get(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL; the method descriptor checked `slf`.
    unsafe {
        let py = Python::assume_attached();
        let Some((key, default)) = key_and_default(args, n, names) else {
            let error = PyTypeError::new_err("get() takes a key, and at most a default");
            return raw::give(py, Err(error));
        };
        let own = raw::contents::<Cache>(slf);
        if own.hooks.item {
            let slf = Bound::from_borrowed_ptr(py, slf).cast_into_unchecked::<Cache>();
            let found = overridden::get(&slf, &Bound::from_borrowed_ptr(py, key));
            return raw::give(
                py,
                found.map(|o| o.map_or_else(|| Own::to(default).into_ptr(), Bound::into_ptr)),
            );
        }
        let found = own.lookup(py, key, true).map(|found| match found {
            Found::Value(value) => value,
            Found::Miss(_) => Own::to(default),
        });
        raw::give(py, found.map(Own::into_ptr))
    }
}

/// Makes one of the two classes.
fn make(py: Python<'_>, name: &'static CStr, doc: &'static CStr) -> PyResult<Py<PyType>> {
    let class = Class {
        name,
        size: 0,
        flags: ffi::Py_TPFLAGS_BASETYPE,
        slots: &[
            (ffi::Py_tp_new, new as *mut c_void),
            (ffi::Py_tp_init, init as *mut c_void),
            (ffi::Py_tp_doc, doc.as_ptr().cast_mut().cast()),
            (ffi::Py_mp_subscript, item as *mut c_void),
            (ffi::Py_mp_ass_subscript, set_item as *mut c_void),
            (ffi::Py_sq_contains, contains as *mut c_void),
        ],
    };
    // SAFETY: the slots have these types; objects are those of `Cache`, whose size is inherited.
    let made = unsafe { class.make(py, Some(&py.get_type::<Cache>())) }?;
    const GET: &CStr = c"get($self, key, default=None)\n--\n\nThe value of a key, or default.";
    raw::add_fast_named(made.bind(py), c"get", GET, get)?;
    Ok(made)
}

/// Adds the classes to the module.
pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let lru = LRU.get_or_try_init(py, || {
        const DOC: &CStr = c"LRUCache(maxsize, getsizeof=None, *, max_bytes=None)\n--\n\nBounded by number (or by the sum of getsizeof); the least recently used entry goes first.";
        let class = make(py, c"m5mem._native.LRUCache", DOC)?;
        PyResult::Ok(Public { class, terms: wrap_pyfunction!(lru_terms, py)?.unbind() })
    })?;
    let ttl = TTL.get_or_try_init(py, || {
        const DOC: &CStr = c"TTLCache(maxsize, ttl, timer=None, getsizeof=None, *, max_bytes=None, jitter=0.0)\n--\n\nAs LRUCache; an entry is also gone ttl seconds after it was stored, or up to the share jitter earlier, by chance.";
        let class = make(py, c"m5mem._native.TTLCache", DOC)?;
        PyResult::Ok(Public { class, terms: wrap_pyfunction!(ttl_terms, py)?.unbind() })
    })?;
    m.add("LRUCache", &lru.class)?;
    m.add("TTLCache", &ttl.class)
}
