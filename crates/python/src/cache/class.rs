//! The two classes, and what is called most: item access and `get`.
//!
//! Made by hand on top of `Cache`: a slot of PyO3's own costs 10 ns a call more, a third of a hit.
#![allow(unsafe_code)]

use super::{Cache, Found};
use crate::own::Own;
use crate::raw;
use crate::types::Class;
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
type Terms = (Option<f64>, Option<Py<PyAny>>, Option<u64>, Option<f64>, Option<Py<PyAny>>, f64);

/// The signature of `LRUCache`.
#[pyfunction(name = "LRUCache")]
#[pyo3(signature = (maxsize, getsizeof = None, *, max_bytes = None))]
fn lru_terms(maxsize: Option<f64>, getsizeof: Option<Py<PyAny>>, max_bytes: Option<u64>) -> Terms {
    (maxsize, getsizeof, max_bytes, None, None, 0.0)
}

/// The signature of `TTLCache`.
#[pyfunction(name = "TTLCache")]
#[pyo3(signature = (maxsize, ttl, timer = None, getsizeof = None, *, max_bytes = None, jitter = 0.0))]
fn ttl_terms(
    maxsize: Option<f64>,
    ttl: f64,
    timer: Option<Py<PyAny>>,
    getsizeof: Option<Py<PyAny>>,
    max_bytes: Option<u64>,
    jitter: f64,
) -> Terms {
    (maxsize, getsizeof, max_bytes, Some(ttl), timer, jitter)
}

/// `tp_new` of both: the arguments as `Cache` takes them, then its own `tp_new`.
unsafe fn new(
    public: &PyOnceLock<Public>,
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of tp_new; `Cache` has one.
    unsafe {
        let py = Python::assume_attached();
        let Some(public) = public.get(py) else { return std::ptr::null_mut() };
        let terms = ffi::PyObject_Call(public.terms.as_ptr(), args, kwargs);
        if terms.is_null() {
            return terms;
        }
        let base: *mut PyTypeObject = py.get_type::<Cache>().as_type_ptr();
        let slot = ffi::PyType_GetSlot(base, ffi::Py_tp_new);
        let make = std::mem::transmute::<*mut c_void, ffi::newfunc>(slot);
        let made = make(class, terms, std::ptr::null_mut());
        ffi::Py_DECREF(terms);
        made
    }
}

unsafe extern "C" fn new_lru(
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of tp_new.
    unsafe { new(&LRU, class, args, kwargs) }
}

unsafe extern "C" fn new_ttl(
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of tp_new.
    unsafe { new(&TTL, class, args, kwargs) }
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
        } else {
            own.set(&key, Bound::from_borrowed_ptr(py, value))
        };
        match done {
            Ok(()) => 0,
            Err(error) => {
                error.restore(py);
                -1
            }
        }
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

unsafe extern "C" fn get(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL; the method descriptor checked `slf`.
    unsafe {
        let py = Python::assume_attached();
        let (key, default) = match *raw::args(args, n) {
            [key] => (key, ffi::Py_None()),
            [key, default] => (key, default),
            _ => {
                let error = PyTypeError::new_err("get(key, default=None) takes 1 or 2 arguments");
                return raw::give(py, Err(error));
            }
        };
        let found = raw::contents::<Cache>(slf).lookup(py, key, true).map(|found| match found {
            Found::Value(value) => value,
            Found::Miss(_) => Own::to(default),
        });
        raw::give(py, found.map(Own::into_ptr))
    }
}

/// Makes one of the two classes.
fn make(py: Python<'_>, name: &'static CStr, doc: &'static CStr, new: ffi::newfunc) -> PyResult<Py<PyType>> {
    let class = Class {
        name,
        size: 0,
        flags: ffi::Py_TPFLAGS_BASETYPE,
        slots: &[
            (ffi::Py_tp_new, new as *mut c_void),
            (ffi::Py_tp_doc, doc.as_ptr().cast_mut().cast()),
            (ffi::Py_mp_subscript, item as *mut c_void),
            (ffi::Py_mp_ass_subscript, set_item as *mut c_void),
            (ffi::Py_sq_contains, contains as *mut c_void),
        ],
    };
    // SAFETY: the slots have these types; objects are those of `Cache`, whose size is inherited.
    let made = unsafe { class.make(py, Some(&py.get_type::<Cache>())) }?;
    const GET: &CStr = c"get($self, key, default=None, /)\n--\n\nThe value of a key, or default.";
    raw::add_fast(made.bind(py), c"get", GET, get)?;
    Ok(made)
}

/// Adds the classes to the module.
pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let lru = LRU.get_or_try_init(py, || {
        const DOC: &CStr = c"LRUCache(maxsize, getsizeof=None, *, max_bytes=None)\n--\n\nBounded by number (or by the sum of getsizeof); the least recently used entry goes first.";
        let class = make(py, c"m5mem._native.LRUCache", DOC, new_lru)?;
        PyResult::Ok(Public { class, terms: wrap_pyfunction!(lru_terms, py)?.unbind() })
    })?;
    let ttl = TTL.get_or_try_init(py, || {
        const DOC: &CStr = c"TTLCache(maxsize, ttl, timer=None, getsizeof=None, *, max_bytes=None, jitter=0.0)\n--\n\nAs LRUCache; an entry is also gone ttl seconds after it was stored, or up to the share jitter earlier, by chance.";
        let class = make(py, c"m5mem._native.TTLCache", DOC, new_ttl)?;
        PyResult::Ok(Public { class, terms: wrap_pyfunction!(ttl_terms, py)?.unbind() })
    })?;
    m.add("LRUCache", &lru.class)?;
    m.add("TTLCache", &ttl.class)
}
