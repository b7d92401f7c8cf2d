//! The key of a call. One plain argument is the key itself; anything else is a tuple.
#![allow(unsafe_code)]

use crate::book::CandleBook;
use crate::cache::is_plain;
use crate::candle::CandleBuffer;
use crate::indicator::PyIndicator;
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

/// Stands between positional and keyword arguments in a key.
static MARK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What else stands in a key.
pub(super) struct Style {
    /// The types of the arguments.
    pub(super) typed: bool,
    /// What tells one function of a shared cache from another, or NULL.
    pub(super) prefix: *mut PyObject,
}

impl Style {
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        self.typed || !self.prefix.is_null()
    }
}

/// An argument as it stands in a key: a buffer or an indicator, also inside a tuple, stands with its stamp. The stamp
/// is its identity and does not keep it alive; which version a result is good for, `track` knows.
unsafe fn part(py: Python<'_>, argument: *mut PyObject) -> PyResult<*mut PyObject> {
    // SAFETY: a borrowed reference that lives for the call.
    let argument = unsafe {
        if is_plain(argument) {
            ffi::Py_INCREF(argument);
            return Ok(argument);
        }
        Bound::from_borrowed_ptr(py, argument)
    };
    Ok(match stamped(&argument)? {
        Some(part) => part.into_ptr(),
        None => argument.into_ptr(),
    })
}

/// What stands for a buffer, an indicator, or a tuple with one in it.
fn stamped<'py>(argument: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = argument.py();
    if let Ok(buffer) = argument.cast_exact::<CandleBuffer>() {
        return Ok(Some(buffer.get().stamp.bind(py).clone().into_any()));
    }
    if let Ok(book) = argument.cast_exact::<CandleBook>() {
        return Ok(Some(book.get().stamp.bind(py).clone().into_any()));
    }
    if let Ok(indicator) = argument.cast::<PyIndicator>() {
        return Ok(Some(indicator.get().stamp.bind(py).clone().into_any()));
    }
    let Ok(tuple) = argument.cast_exact::<PyTuple>() else { return Ok(None) };
    let mut some = false;
    let mut parts = Vec::with_capacity(tuple.len());
    for item in tuple.iter() {
        let other = stamped(&item)?;
        some |= other.is_some();
        parts.push(other.unwrap_or(item));
    }
    Ok(if some { Some(PyTuple::new(py, parts)?.into_any()) } else { None })
}

/// The key of a call as a tuple: positional arguments, then a mark and the keyword arguments as they were given.
pub(super) unsafe fn tuple_key<'py>(
    py: Python<'py>,
    positional: &[*mut PyObject],
    named: &[(*mut PyObject, *mut PyObject)],
    style: &Style,
) -> PyResult<Bound<'py, PyAny>> {
    let values = positional.len() + named.len();
    let length = values
        + usize::from(!style.prefix.is_null())
        + if named.is_empty() { 0 } else { 1 + named.len() }
        + if style.typed { values } else { 0 };
    // SAFETY: the tuple is new and each place is set once with a reference of its own; a half-filled tuple may be
    // dropped.
    unsafe {
        let tuple = Bound::from_owned_ptr_or_err(py, ffi::PyTuple_New(length as Py_ssize_t))?;
        let mut at = 0;
        let mut put = |item: *mut PyObject| {
            ffi::PyTuple_SetItem(tuple.as_ptr(), at, item);
            at += 1;
        };
        let another = |item: *mut PyObject| {
            ffi::Py_INCREF(item);
            item
        };
        if !style.prefix.is_null() {
            put(another(style.prefix));
        }
        for &item in positional {
            put(part(py, item)?);
        }
        if !named.is_empty() {
            let mark = MARK.get_or_try_init(py, || py.get_type::<PyAny>().call0().map(Bound::unbind))?;
            put(mark.bind(py).clone().into_ptr());
        }
        for &(name, value) in named {
            put(another(name));
            put(part(py, value)?);
        }
        if style.typed {
            for item in positional.iter().copied().chain(named.iter().map(|n| n.1)) {
                put(another(ffi::Py_TYPE(item).cast()));
            }
        }
        Ok(tuple)
    }
}

/// CPython's hash of the tuple of these hashes (xxHash, the same since 3.8).
fn mix(hashes: impl ExactSizeIterator<Item = isize>) -> isize {
    const P1: u64 = 11_400_714_785_074_694_791;
    const P2: u64 = 14_029_467_366_897_019_727;
    const P5: u64 = 2_870_177_450_012_600_261;
    let length = hashes.len() as u64;
    let mixed = hashes.fold(P5, |acc, hash| {
        acc.wrapping_add((hash as u64).wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
    });
    match mixed.wrapping_add(length ^ (P5 ^ 3_527_539)) {
        u64::MAX => 1_546_275_796,
        hash => hash as isize,
    }
}

/// The hash of the tuple of these arguments, where all are plain and this interpreter hashes tuples as `mix` does.
pub(super) unsafe fn tuple_hash(py: Python<'_>, args: &[*mut PyObject]) -> Option<isize> {
    static KNOWN: PyOnceLock<bool> = PyOnceLock::new();
    let known = KNOWN.get_or_init(py, || {
        let sample = (1, 2, -5).into_pyobject(py).and_then(|t| t.hash());
        sample.is_ok_and(|hash| hash == mix([1, 2, -5].into_iter()))
    });
    // SAFETY: borrowed references that live for the call; hashing plain objects runs no Python code and cannot fail.
    if !known || !args.iter().all(|&a| unsafe { is_plain(a) }) {
        return None;
    }
    // SAFETY: as above.
    Some(mix(args.iter().map(|&a| unsafe { ffi::PyObject_Hash(a) })))
}

/// The key of a call in the default way.
#[pyfunction]
#[pyo3(signature = (args, kwargs = None, typed = false, prefix = None))]
pub(super) fn make_key<'py>(
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    typed: bool,
    prefix: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = args.py();
    let style = Style { typed, prefix: prefix.map_or(std::ptr::null_mut(), Bound::as_ptr) };
    let named: Vec<_> = kwargs.map(|k| k.iter().collect()).unwrap_or_default();
    if named.is_empty() && args.len() == 1 && !style.is_special() {
        let only = args.get_item(0)?;
        // SAFETY: alive.
        if unsafe { is_plain(only.as_ptr()) } {
            return Ok(only);
        }
    }
    let positional: Vec<_> = args.iter().collect();
    let positional: Vec<_> = positional.iter().map(|o| o.as_ptr()).collect();
    let named: Vec<_> = named.iter().map(|(k, v)| (k.as_ptr(), v.as_ptr())).collect();
    // SAFETY: the tuple and the pairs hold the arguments.
    unsafe { tuple_key(py, &positional, &named, &style) }
}
