//! The class of cached functions: how it is called, bound, collected and freed.
#![allow(unsafe_code)]

use super::Cached;
use crate::types::Class;
use pyo3::ffi::{self, Py_ssize_t, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::ffi::{CStr, c_int, c_void};

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static METHOD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

unsafe extern "C" {
    // In the stable ABI from 3.10 (3.12) on, in every interpreter since 3.3 (3.8).
    fn PyObject_GenericGetDict(object: *mut PyObject, context: *mut c_void) -> *mut PyObject;
    fn PyObject_GenericSetDict(object: *mut PyObject, value: *mut PyObject, context: *mut c_void) -> c_int;
    fn PyVectorcall_Call(object: *mut PyObject, args: *mut PyObject, kwargs: *mut PyObject) -> *mut PyObject;
}

unsafe extern "C" fn descr_get(
    slf: *mut PyObject,
    object: *mut PyObject,
    _class: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of tp_descr_get.
    unsafe {
        let py = Python::assume_attached();
        let own = Bound::from_borrowed_ptr(py, slf);
        if object.is_null() || object == ffi::Py_None() {
            return own.into_ptr();
        }
        let method =
            METHOD.get_or_try_init(py, || PyResult::Ok(py.import("types")?.getattr("MethodType")?.unbind()));
        let bound = method.and_then(|m| m.bind(py).call1((own, Bound::from_borrowed_ptr(py, object))));
        crate::raw::give(py, bound.map(Bound::into_ptr))
    }
}

unsafe extern "C" fn traverse(slf: *mut PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the contract of tp_traverse; a heap type is held by its objects.
    unsafe {
        let own = &*slf.cast::<Cached>();
        let mut result = visit(ffi::Py_TYPE(slf).cast(), arg);
        let mut look = |part: *mut PyObject| {
            if result == 0 && !part.is_null() {
                result = visit(part, arg);
            }
        };
        own.parts().into_iter().for_each(&mut look);
        if !own.flights.is_null() {
            (*own.flights).each(look);
        }
        result
    }
}

unsafe extern "C" fn clear(slf: *mut PyObject) -> c_int {
    // SAFETY: each part is taken before its reference is dropped.
    unsafe {
        let own = &mut *slf.cast::<Cached>();
        ffi::Py_XDECREF(std::mem::replace(&mut own.dict, std::ptr::null_mut()));
        0
    }
}

unsafe extern "C" fn dealloc(slf: *mut PyObject) {
    // SAFETY: the last reference is gone.
    unsafe {
        let class: *mut PyTypeObject = ffi::Py_TYPE(slf);
        ffi::PyObject_GC_UnTrack(slf.cast());
        if !(*slf.cast::<Cached>()).weak.is_null() {
            ffi::PyObject_ClearWeakRefs(slf);
        }
        let own = &*slf.cast::<Cached>();
        for part in own.parts() {
            ffi::Py_XDECREF(part);
        }
        if !own.flights.is_null() {
            // Nobody computes: a call under way holds the object.
            drop(Box::from_raw(own.flights));
        }
        ffi::PyObject_GC_Del(slf.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// The class, made with the first use.
pub(super) fn get(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    CLASS.get_or_try_init(py, || make(py)).map(|class| class.bind(py))
}

fn make(py: Python<'_>) -> PyResult<Py<PyType>> {
    const PYSSIZET: c_int = 19;
    const READONLY: c_int = 1;
    const HAVE_VECTORCALL: u64 = 1 << 11;
    let member = |name: &'static CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: PYSSIZET,
        offset: offset as Py_ssize_t,
        flags: READONLY,
        doc: std::ptr::null(),
    };
    let end =
        ffi::PyMemberDef { name: std::ptr::null(), type_code: 0, offset: 0, flags: 0, doc: std::ptr::null() };
    // The type keeps pointers into both lists: they live for ever.
    let members = Box::leak(Box::new([
        member(c"__vectorcalloffset__", std::mem::offset_of!(Cached, vectorcall)),
        member(c"__dictoffset__", std::mem::offset_of!(Cached, dict)),
        member(c"__weaklistoffset__", std::mem::offset_of!(Cached, weak)),
        end,
    ]));
    let getset = |name: *const std::ffi::c_char, get: Option<ffi::getter>, set: Option<ffi::setter>| {
        ffi::PyGetSetDef { name, get, set, doc: std::ptr::null(), closure: std::ptr::null_mut() }
    };
    let getsets = Box::leak(Box::new([
        getset(c"__dict__".as_ptr(), Some(PyObject_GenericGetDict), Some(PyObject_GenericSetDict)),
        getset(std::ptr::null(), None, None),
    ]));
    let class = Class {
        name: c"m5mem._native.CachedFunction",
        size: size_of::<Cached>(),
        flags: ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR | HAVE_VECTORCALL,
        slots: &[
            (ffi::Py_tp_call, PyVectorcall_Call as *mut c_void),
            (ffi::Py_tp_descr_get, descr_get as *mut c_void),
            (ffi::Py_tp_traverse, traverse as *mut c_void),
            (ffi::Py_tp_clear, clear as *mut c_void),
            (ffi::Py_tp_dealloc, dealloc as *mut c_void),
            (ffi::Py_tp_members, members.as_mut_ptr().cast()),
            (ffi::Py_tp_getset, getsets.as_mut_ptr().cast()),
        ],
    };
    // SAFETY: the slots have these types and work on a Cached; what the type keeps is static or leaked.
    unsafe { class.make(py, None) }
}
