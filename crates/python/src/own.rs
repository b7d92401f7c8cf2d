//! A reference to a Python object that is dropped on the spot.
//!
//! PyO3's `Py` asks, when dropped, whether PyO3 itself took the GIL, and puts the drop off where it did not: in the
//! methods and slots here that the interpreter calls directly it never did.
#![allow(unsafe_code)]

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use std::mem::ManuallyDrop;

/// See the module. Made, used and dropped with the GIL held.
#[repr(transparent)]
pub(crate) struct Own(ManuallyDrop<Py<PyAny>>);

impl Own {
    /// A reference of its own to what `object` points to.
    ///
    /// # Safety
    /// `object` is alive and the GIL is held.
    #[inline]
    pub(crate) unsafe fn to(object: *mut PyObject) -> Self {
        // SAFETY: the caller's contract.
        unsafe {
            ffi::Py_INCREF(object);
            // A token of the GIL costs nothing; the caller holds it.
            Self::from(Bound::from_owned_ptr(Python::assume_attached(), object))
        }
    }

    /// Another reference to the same object.
    #[inline]
    pub(crate) fn again(&self) -> Self {
        // SAFETY: alive, since it is held here; the GIL is held wherever an `Own` is.
        unsafe { Self::to(self.as_ptr()) }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut PyObject {
        self.0.as_ptr()
    }

    /// Hands the reference over.
    #[inline]
    pub(crate) fn into_ptr(self) -> *mut PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// For PyO3's own calls.
    pub(crate) fn py(&self) -> &Py<PyAny> {
        &self.0
    }
}

impl From<Bound<'_, PyAny>> for Own {
    #[inline]
    fn from(object: Bound<'_, PyAny>) -> Self {
        Self(ManuallyDrop::new(object.unbind()))
    }
}

impl Drop for Own {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: our reference; the GIL is held by the rule of the type.
        unsafe { ffi::Py_DECREF(self.as_ptr()) };
    }
}
