//! Classes made from slots by hand, where PyO3's own way costs too much a call or comes only with a later Python.
#![allow(unsafe_code)]

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};
use std::ffi::{CStr, c_int, c_ulong, c_void};

/// What is written down of a class. `size` 0: the size of the base.
pub(crate) struct Class<'a> {
    pub(crate) name: &'static CStr,
    pub(crate) size: usize,
    pub(crate) flags: c_ulong,
    pub(crate) slots: &'a [(c_int, *mut c_void)],
}

impl Class<'_> {
    /// Makes the class.
    ///
    /// # Safety
    /// The slots hold functions of their types, and tables that live for ever; `size` is that of the objects that
    /// they work on.
    pub(crate) unsafe fn make(
        &self,
        py: Python<'_>,
        base: Option<&Bound<'_, PyType>>,
    ) -> PyResult<Py<PyType>> {
        let mut slots: Vec<_> =
            self.slots.iter().map(|&(slot, pfunc)| ffi::PyType_Slot { slot, pfunc }).collect();
        slots.push(ffi::PyType_Slot { slot: 0, pfunc: std::ptr::null_mut() });
        let mut spec = ffi::PyType_Spec {
            name: self.name.as_ptr(),
            basicsize: self.size as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | self.flags) as u32,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the spec is whole, and good by the caller's contract.
        let made = unsafe {
            match base {
                None => ffi::PyType_FromSpec(&raw mut spec),
                Some(base) => {
                    let bases = (base,).into_pyobject(py)?;
                    ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr())
                }
            }
        };
        // SAFETY: NULL with the error set, or a new type.
        unsafe { Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked::<PyType>().unbind()) }
    }
}

/// A number that a user says.
pub(crate) trait Number: Sized {
    fn of(given: &Bound<'_, PyAny>) -> PyResult<Self>;
}

impl Number for f64 {
    fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        given.extract()
    }
}

/// A number of things: whole, 0 or more.
impl Number for usize {
    fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        given.extract().map_err(|error: PyErr| match error.is_instance_of::<PyOverflowError>(given.py()) {
            true => PyValueError::new_err(format!("a number of 0 or more is needed, not {given}")),
            false => error,
        })
    }
}

impl<T: Number> Number for Option<T> {
    fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if given.is_none() { Ok(None) } else { T::of(given).map(Some) }
    }
}

/// For arguments (`from_py_with`): an error says what is wrong with the number, not how Rust would hold it.
pub(crate) fn number<T: Number>(given: &Bound<'_, PyAny>) -> PyResult<T> {
    T::of(given)
}

/// Names that a user gives: a sequence of texts, and not one text.
pub(crate) struct Names(pub(crate) Vec<String>);

impl<'a, 'py> FromPyObject<'a, 'py> for Names {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.cast::<PyString>().is_ok() {
            return Err(PyTypeError::new_err(format!(
                "a sequence of names is needed, as [{:?}]",
                given.to_string()
            )));
        }
        given
            .extract::<Vec<String>>()
            .map(Self)
            .or_else(|_| given.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>().map(Self))
    }
}
