//! Comparing keys without running Python code, for the kinds of keys that nearly all are.
#![allow(unsafe_code)]

use pyo3::ffi::{self, Py_ssize_t, PyObject};

/// Whether it is an exact string or integer: hashing and comparing those runs no Python code and cannot fail.
///
/// # Safety
/// Alive, and the GIL is held.
#[inline]
pub(crate) unsafe fn is_plain(o: *mut PyObject) -> bool {
    // SAFETY: the caller's contract.
    unsafe { ffi::PyUnicode_CheckExact(o) != 0 || ffi::PyLong_CheckExact(o) != 0 }
}

/// Whether two plain objects are equal; `None`: one of them is not plain.
///
/// # Safety
/// As for `is_plain`.
#[inline]
unsafe fn equal_plain(a: *mut PyObject, b: *mut PyObject) -> Option<bool> {
    // SAFETY: the caller's contract; each call gets the types that it needs.
    unsafe {
        if ffi::PyUnicode_CheckExact(a) != 0 && ffi::PyUnicode_CheckExact(b) != 0 {
            return Some(ffi::PyUnicode_Compare(a, b) == 0);
        }
        if !is_plain(a) || !is_plain(b) {
            return None;
        }
        Some(ffi::PyObject_RichCompareBool(a, b, ffi::Py_EQ) == 1)
    }
}

/// Whether two keys with the same hash are equal; `None`: only Python can say.
///
/// # Safety
/// As for `is_plain`.
#[inline]
pub(crate) unsafe fn quick_equal(a: *mut PyObject, b: *mut PyObject) -> Option<bool> {
    if a == b {
        return Some(true);
    }
    // SAFETY: the caller's contract.
    unsafe { equal_plain(a, b).or_else(|| quick_tuples(a, b)) }
}

/// The same for two exact tuples, which equal keys of calls are.
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
            if x != y && !equal_plain(x, y)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Whether `key` is an exact tuple of just these strings and integers. `false` may also mean that it is not known.
///
/// # Safety
/// As for `is_plain`, of all.
#[inline]
pub(super) unsafe fn is_tuple_of(key: *mut PyObject, args: &[*mut PyObject]) -> bool {
    // SAFETY: the caller's contract; items are borrowed from a tuple that lives.
    unsafe {
        ffi::PyTuple_CheckExact(key) != 0
            && ffi::PyTuple_Size(key) == args.len() as Py_ssize_t
            && args.iter().zip(0..).all(|(&arg, i)| {
                let item = ffi::PyTuple_GetItem(key, i);
                item == arg || equal_plain(item, arg) == Some(true)
            })
    }
}
