//! NumPy arrays over a block, made through NumPy's own C table, which is looked up when the first window is asked
//! for: importing this package never imports NumPy (12 MB of RSS).
//!
//! The places in the table (`PyArray_Type` 2, `PyArray_New` 93, `PyArray_SetBaseObject` 282) are part of NumPy's
//! binary interface, the same in 1.7 and in 2.x.
#![allow(unsafe_code)]

use crate::block::{Item, Piece};
use crate::own::Own;
use crate::threads::Shared;
use pyo3::exceptions::PyImportError;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

type NewArray = unsafe extern "C" fn(
    *mut PyTypeObject,
    c_int,
    *const isize,
    c_int,
    *const isize,
    *mut c_void,
    c_int,
    c_int,
    *mut PyObject,
) -> *mut PyObject;
type SetBase = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> c_int;

struct Api {
    array_type: usize,
    new: NewArray,
    set_base: SetBase,
}

static API: OnceLock<Api> = OnceLock::new();
const ALIGNED: c_int = 0x100;
const WRITEABLE: c_int = 0x400;

fn load(py: Python<'_>) -> PyResult<&'static Api> {
    if let Some(api) = API.get() {
        return Ok(api);
    }
    let module = py
        .import("numpy._core._multiarray_umath")
        .or_else(|_| py.import("numpy.core._multiarray_umath"))
        .map_err(|e| {
            PyImportError::new_err(format!("{e}; install numpy, or use view(), which needs none"))
        })?;
    let capsule = module.getattr("_ARRAY_API")?;
    // SAFETY: NumPy publishes its table in an unnamed capsule, alive as long as the process; the entries have
    // these types.
    let api = unsafe {
        let table = ffi::PyCapsule_GetPointer(capsule.as_ptr(), std::ptr::null()).cast::<*const c_void>();
        if table.is_null() {
            return Err(PyErr::fetch(py));
        }
        Api {
            array_type: *table.add(2) as usize,
            new: std::mem::transmute::<*const c_void, NewArray>(*table.add(93)),
            set_base: std::mem::transmute::<*const c_void, SetBase>(*table.add(282)),
        }
    };
    Ok(API.get_or_init(|| api))
}

/// A new array over `piece`; the array holds `block`.
pub(crate) fn array(py: Python<'_>, block: &Own, piece: &Piece, writeable: bool) -> PyResult<*mut PyObject> {
    let api = load(py)?;
    let shape = [piece.rows as isize, piece.cols.unwrap_or(1) as isize];
    let strides = [piece.strides[0] as isize, piece.strides[1] as isize];
    let kind = match piece.item {
        Item::F4 => 11,
        Item::F8 => 12,
        // NPY_LONG, which has 64 bits wherever this runs.
        Item::I8 => 7,
    };
    let flags = ALIGNED | if writeable { WRITEABLE } else { 0 };
    // SAFETY: shape and strides describe memory inside the block, which the array keeps as its base.
    unsafe {
        let made = (api.new)(
            api.array_type as *mut PyTypeObject,
            if piece.cols.is_some() { 2 } else { 1 },
            shape.as_ptr(),
            kind,
            strides.as_ptr(),
            piece.ptr.cast(),
            0,
            flags,
            std::ptr::null_mut(),
        );
        if made.is_null() {
            return Err(PyErr::fetch(py));
        }
        ffi::Py_INCREF(block.as_ptr());
        if (api.set_base)(made, block.as_ptr()) != 0 {
            ffi::Py_DECREF(made);
            return Err(PyErr::fetch(py));
        }
        Ok(made)
    }
}

/// The same, read-only.
pub(crate) fn bound<'py>(py: Python<'py>, block: &Own, piece: &Piece) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a new reference.
    Ok(unsafe { Bound::from_owned_ptr(py, array(py, block, piece, false)?) })
}

/// A new one-dimensional array of `n` numbers, and where they lie.
pub(crate) fn owned(py: Python<'_>, n: usize) -> PyResult<(Bound<'_, PyAny>, *mut f64)> {
    let memory = Shared::with_bytes(py, n * 8)?;
    let ptr = memory.ptr();
    let piece = Piece { ptr, item: Item::F8, rows: n, cols: None, strides: [8, 8] };
    let made = array(py, &memory.lend(py)?, &piece, true)?;
    // SAFETY: a new reference from above.
    Ok((unsafe { Bound::from_owned_ptr(py, made) }, ptr.cast()))
}
