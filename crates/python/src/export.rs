//! A read-only memoryview over a piece of a block, for programs without NumPy.
//!
//! PyO3 offers the buffer slots from 3.11 on; a type made from slots by hand has them from 3.9 on.
#![allow(unsafe_code)]

use crate::block::{Item, Piece};
use crate::own::Own;
use crate::raw::{
    BUF_FORMAT, BUF_ND, BUF_STRIDES, BUF_WRITABLE, RawBuffer, SLOT_GETBUFFER, SLOT_RELEASEBUFFER,
};
use crate::types::Class;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi::{self, Py_ssize_t, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::ffi::{c_int, c_void};

#[repr(C)]
struct Exporter {
    head: PyObject,
    block: *mut PyObject,
    piece: Piece,
    shape: [Py_ssize_t; 2],
    strides: [Py_ssize_t; 2],
}

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// A memoryview over `piece` that keeps `block`.
pub(crate) fn memoryview(py: Python<'_>, block: &Own, piece: Piece) -> PyResult<*mut PyObject> {
    let class = CLASS.get_or_try_init(py, || make_class(py))?;
    // SAFETY: the class was made with room for an Exporter; every field is set before anyone else sees it.
    unsafe {
        let exporter = ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0);
        if exporter.is_null() {
            return Err(PyErr::fetch(py));
        }
        let own = exporter.cast::<Exporter>();
        ffi::Py_INCREF(block.as_ptr());
        (*own).block = block.as_ptr();
        (*own).piece = piece;
        (*own).shape = [piece.rows as Py_ssize_t, piece.cols.unwrap_or(1) as Py_ssize_t];
        (*own).strides = [piece.strides[0] as Py_ssize_t, piece.strides[1] as Py_ssize_t];
        let view = ffi::PyMemoryView_FromObject(exporter);
        ffi::Py_DECREF(exporter);
        if view.is_null() { Err(PyErr::fetch(py)) } else { Ok(view) }
    }
}

unsafe extern "C" fn get_buffer(object: *mut PyObject, view: *mut RawBuffer, flags: c_int) -> c_int {
    // SAFETY: called by the interpreter on an Exporter with the GIL held and a view to fill.
    unsafe {
        let own = object.cast::<Exporter>();
        let piece = (*own).piece;
        let size = piece.item.size();
        let cols = piece.cols.unwrap_or(1);
        let packed = piece.strides[0] == size * cols && (piece.cols.is_none() || piece.strides[1] == size);
        let refuse = if flags & BUF_WRITABLE != 0 {
            Some("a window is read-only")
        } else if !packed && flags & BUF_STRIDES != BUF_STRIDES {
            Some("this window is strided; ask for strides, one field, or another order")
        } else {
            None
        };
        if let Some(why) = refuse {
            (*view).obj = std::ptr::null_mut();
            PyBufferError::new_err(why).restore(Python::assume_attached());
            return -1;
        }
        ffi::Py_INCREF(object);
        *view = RawBuffer {
            buf: piece.ptr.cast(),
            obj: object,
            len: (piece.rows * cols * size) as Py_ssize_t,
            itemsize: size as Py_ssize_t,
            readonly: 1,
            ndim: if piece.cols.is_some() { 2 } else { 1 },
            format: std::ptr::null_mut(),
            shape: std::ptr::null_mut(),
            strides: std::ptr::null_mut(),
            suboffsets: std::ptr::null_mut(),
            internal: std::ptr::null_mut(),
        };
        if flags & BUF_FORMAT != 0 {
            (*view).format = match piece.item {
                Item::F4 => c"f",
                Item::F8 => c"d",
                Item::I8 => c"q",
            }
            .as_ptr()
            .cast_mut();
        }
        if flags & BUF_ND != 0 {
            (*view).shape = (&raw mut (*own).shape).cast();
        }
        if flags & BUF_STRIDES == BUF_STRIDES {
            (*view).strides = (&raw mut (*own).strides).cast();
        }
        0
    }
}

unsafe extern "C" fn release_buffer(_object: *mut PyObject, _view: *mut RawBuffer) {}

unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: the last reference of an Exporter is gone; its type is a heap type that its objects hold.
    unsafe {
        let class: *mut PyTypeObject = ffi::Py_TYPE(object);
        ffi::Py_XDECREF((*object.cast::<Exporter>()).block);
        let free: ffi::freefunc = std::mem::transmute(ffi::PyType_GetSlot(class, ffi::Py_tp_free));
        free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}

fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let class = Class {
        name: c"m5mem._native._Window",
        size: size_of::<Exporter>(),
        flags: 0,
        slots: &[
            (SLOT_GETBUFFER, get_buffer as *mut c_void),
            (SLOT_RELEASEBUFFER, release_buffer as *mut c_void),
            (ffi::Py_tp_dealloc, dealloc as *mut c_void),
        ],
    };
    // SAFETY: the slots have these types and work on an Exporter.
    unsafe { class.make(py, None) }
}
