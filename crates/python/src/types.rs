//! Classes made from slots by hand, where PyO3's own way costs too much a call or comes only with a later Python.
#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;
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
