//! The arguments of a call as the vectorcall protocol hands them over, and handing them on.
#![allow(unsafe_code)]

use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::OnceLock;

/// Arguments that live as long as the call.
#[derive(Clone, Copy)]
pub(super) struct Call {
    args: *const *mut PyObject,
    /// Number of positional arguments, with the protocol's flag.
    flagged: usize,
    /// Names of the others, or NULL.
    names: *mut PyObject,
}

type Vectorcall =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;

/// `PyObject_Vectorcall` where the interpreter has it as a function: from 3.11 on.
fn direct() -> Option<Vectorcall> {
    static FOUND: OnceLock<Option<Vectorcall>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a look among the symbols of the process; the function has had this type ever since.
        unsafe {
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_Vectorcall".as_ptr());
            (!found.is_null()).then(|| std::mem::transmute::<*mut libc::c_void, Vectorcall>(found))
        }
    })
}

impl Call {
    /// In the number of arguments: the callee may use the place before the first for the time of the call.
    pub(super) const MAY_CHANGE_BEFORE: usize = 1 << (usize::BITS - 1);

    /// # Safety
    /// The contract of vectorcall: `args` holds the positional and then the named arguments, for as long as this is
    /// used.
    pub(super) unsafe fn new(args: *const *mut PyObject, flagged: usize, names: *mut PyObject) -> Self {
        Self { args, flagged, names }
    }

    #[inline]
    pub(super) fn positional(&self) -> &[*mut PyObject] {
        let n = (self.flagged & !Self::MAY_CHANGE_BEFORE) as Py_ssize_t;
        // SAFETY: by the contract of `new`.
        unsafe { crate::raw::args(self.args, n) }
    }

    #[inline]
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_null()
    }

    /// Names and values of the named arguments.
    pub(super) fn named(&self) -> Vec<(*mut PyObject, *mut PyObject)> {
        if self.names.is_null() {
            return Vec::new();
        }
        let n = self.positional().len();
        // SAFETY: by the contract of `new`.
        unsafe {
            (0..ffi::PyTuple_Size(self.names))
                .map(|i| (ffi::PyTuple_GetItem(self.names, i), *self.args.add(n + i as usize)))
                .collect()
        }
    }

    /// A tuple and, where there are named arguments, a dict.
    pub(super) fn pack<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
        // SAFETY: borrowed references that live for the call.
        let of = |p: *mut PyObject| unsafe { Bound::from_borrowed_ptr(py, p) };
        let args = PyTuple::new(py, self.positional().iter().map(|&p| of(p)))?;
        if !self.has_names() {
            return Ok((args, None));
        }
        let kwargs = PyDict::new(py);
        for (name, value) in self.named() {
            kwargs.set_item(of(name), of(value))?;
        }
        Ok((args, Some(kwargs)))
    }

    /// Calls `function` with these arguments.
    pub(super) fn hand_to<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = function.py();
        match direct() {
            // SAFETY: the arguments are as the protocol wants them; NULL with the error set, or a new reference.
            Some(call) => unsafe {
                let result = call(function.as_ptr(), self.args, self.flagged, self.names);
                Bound::from_owned_ptr_or_err(py, result)
            },
            None => {
                let (args, kwargs) = self.pack(py)?;
                function.call(args, kwargs.as_ref())
            }
        }
    }
}
