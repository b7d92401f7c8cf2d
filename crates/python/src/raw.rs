//! The few CPython calls that PyO3 does not offer to a wheel for 3.9: the buffer protocol, and methods called
//! without an argument tuple.
//!
//! Both joined the stable ABI later (buffers in 3.11, `METH_FASTCALL` in 3.10) with the layout and the symbols
//! that 3.9 already had; 3.9 and 3.10 are frozen, so nothing can move there. `docs/adr` has the decision, and
//! the tests run on each version.
#![allow(unsafe_code)]

use pyo3::PyClass;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyType;
use std::ffi::{CStr, c_char, c_int, c_void};

/// `Py_buffer`, unchanged from 3.0 on and stable from 3.11 on.
#[repr(C)]
pub(crate) struct RawBuffer {
    pub(crate) buf: *mut c_void,
    pub(crate) obj: *mut PyObject,
    pub(crate) len: Py_ssize_t,
    pub(crate) itemsize: Py_ssize_t,
    pub(crate) readonly: c_int,
    pub(crate) ndim: c_int,
    pub(crate) format: *mut c_char,
    pub(crate) shape: *mut Py_ssize_t,
    pub(crate) strides: *mut Py_ssize_t,
    pub(crate) suboffsets: *mut Py_ssize_t,
    pub(crate) internal: *mut c_void,
}

pub(crate) const SLOT_GETBUFFER: c_int = 1;
pub(crate) const SLOT_RELEASEBUFFER: c_int = 2;
pub(crate) const BUF_WRITABLE: c_int = 0x1;
pub(crate) const BUF_FORMAT: c_int = 0x4;
pub(crate) const BUF_ND: c_int = 0x8;
pub(crate) const BUF_STRIDES: c_int = 0x10 | BUF_ND;

unsafe extern "C" {
    fn PyObject_GetBuffer(obj: *mut PyObject, view: *mut RawBuffer, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut RawBuffer);
}

/// Reads one element as a number, at an address inside a buffer of its type.
pub(crate) type Reader = unsafe fn(*const u8) -> f64;

/// Makes a [`Reader`] of a type.
macro_rules! readers {
    ($($name:ident: $type:ty),+) => {$(
        unsafe fn $name(p: *const u8) -> f64 {
            // SAFETY: the caller's contract; elements may lie unaligned.
            (unsafe { p.cast::<$type>().read_unaligned() }) as f64
        }
    )+};
}
readers!(read_f8: f64, read_f4: f32, read_i8: i64, read_i4: i32);

/// An exported buffer of another object, given back on drop.
pub(crate) struct Borrowed(RawBuffer);

impl Borrowed {
    /// Asks `object` for its buffer with format, shape and strides.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // SAFETY: an all-zero Py_buffer is what the call expects to fill.
        let mut view: RawBuffer = unsafe { std::mem::zeroed() };
        // SAFETY: `object` is alive and `view` is ours; on success the exporter filled it.
        if unsafe { PyObject_GetBuffer(object.as_ptr(), &raw mut view, BUF_FORMAT | BUF_STRIDES) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self(view))
    }

    /// Shape and strides in bytes, missing ones (a scalar) as empty.
    pub(crate) fn dims(&self) -> (&[Py_ssize_t], &[Py_ssize_t]) {
        let n = self.0.ndim.max(0) as usize;
        if n == 0 || self.0.shape.is_null() || self.0.strides.is_null() {
            return (&[], &[]);
        }
        // SAFETY: with PyBUF_STRIDES the exporter gives `ndim` entries each.
        unsafe {
            (std::slice::from_raw_parts(self.0.shape, n), std::slice::from_raw_parts(self.0.strides, n))
        }
    }

    /// The reader for the element type, or an error that names what is accepted.
    pub(crate) fn reader(&self) -> PyResult<Reader> {
        let format = if self.0.format.is_null() {
            "B"
        } else {
            // SAFETY: the exporter gives a NUL-terminated format.
            unsafe { CStr::from_ptr(self.0.format) }.to_str().unwrap_or("?")
        };
        let format = format.trim_start_matches(['@', '=', '<']);
        match (format, self.0.itemsize) {
            ("d", 8) => Ok(read_f8),
            ("f", 4) => Ok(read_f4),
            ("l" | "q", 8) => Ok(read_i8),
            ("i" | "l", 4) => Ok(read_i4),
            (other, size) => Err(PyTypeError::new_err(format!(
                "elements of format '{other}' ({size} bytes) are not supported; pass float64, float32, int64 or int32"
            ))),
        }
    }

    /// Whether the elements are native doubles.
    pub(crate) fn is_f8(&self) -> bool {
        if self.0.format.is_null() {
            return false;
        }
        // SAFETY: the exporter gives a NUL-terminated format.
        let format = unsafe { CStr::from_ptr(self.0.format) }.to_bytes();
        matches!(format, b"d" | b"@d" | b"=d" | b"<d")
    }

    /// Where the first element lies.
    pub(crate) fn start(&self) -> *const u8 {
        self.0.buf.cast_const().cast()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer, released once, with the GIL held (Borrowed never leaves a call).
        unsafe { PyBuffer_Release(&raw mut self.0) };
    }
}

/// Numbers of an argument: lent by its buffer where they lie there as they are needed, else copied.
pub(crate) enum Numbers {
    Lent(Borrowed, usize),
    Own(Vec<f64>),
}

impl Numbers {
    /// All numbers of a one-dimensional buffer or of a sequence of numbers.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Ok(buffer) = Borrowed::of(object) else {
            let items = object.try_iter()?.map(|item| item?.extract::<f64>());
            return Ok(Self::Own(items.collect::<PyResult<_>>()?));
        };
        let (&[n], &[stride]) = buffer.dims() else {
            return Err(PyValueError::new_err("a one-dimensional array is needed"));
        };
        let read = buffer.reader()?;
        let start = buffer.start();
        if stride == 8 && buffer.is_f8() && start.addr().is_multiple_of(8) {
            return Ok(Self::Lent(buffer, n.max(0) as usize));
        }
        // SAFETY: `i` runs over the exporter's own shape and strides.
        Ok(Self::Own((0..n).map(|i| unsafe { read(start.offset(i * stride)) }).collect()))
    }

    pub(crate) fn as_slice(&self) -> &[f64] {
        match self {
            Self::Own(values) => values,
            Self::Lent(_, 0) => &[],
            // SAFETY: `of` checked type, stride and alignment; the buffer is held, and the GIL while it is read.
            Self::Lent(buffer, n) => unsafe { std::slice::from_raw_parts(buffer.start().cast(), *n) },
        }
    }
}

/// A function in the calling convention of `METH_FASTCALL`.
pub(crate) type Fast = unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t) -> *mut PyObject;
const METH_FASTCALL: c_int = 0x80;

/// `PyMethodDef` with the fast pointer in place.
#[repr(C)]
struct FastDef {
    name: *const c_char,
    meth: Fast,
    flags: c_int,
    doc: *const c_char,
}

/// Puts a method that takes positional arguments without a tuple on a class.
pub(crate) fn add_fast(
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    doc: &'static CStr,
    f: Fast,
) -> PyResult<()> {
    let def = Box::leak(Box::new(FastDef {
        name: name.as_ptr(),
        meth: f,
        flags: METH_FASTCALL,
        doc: doc.as_ptr(),
    }));
    // SAFETY: FastDef has the layout of PyMethodDef and lives as long as the process; the type is alive.
    let method = unsafe {
        let raw = ffi::PyDescr_NewMethod(class.as_type_ptr(), std::ptr::from_mut(def).cast());
        Bound::from_owned_ptr_or_err(class.py(), raw)?
    };
    class.setattr(name.to_str().unwrap_or_default(), method)
}

/// A function in the calling convention of `METH_FASTCALL | METH_KEYWORDS`: the last are the names of keywords, or NULL.
pub(crate) type FastNamed =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t, *mut PyObject) -> *mut PyObject;

/// As `add_fast`, for a method that takes keywords too.
pub(crate) fn add_fast_named(
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    doc: &'static CStr,
    f: FastNamed,
) -> PyResult<()> {
    const METH_KEYWORDS: c_int = 0x2;
    // SAFETY: both are plain function pointers; the flags say which it is.
    let meth = unsafe { std::mem::transmute::<FastNamed, Fast>(f) };
    let flags = METH_FASTCALL | METH_KEYWORDS;
    let def = Box::leak(Box::new(FastDef { name: name.as_ptr(), meth, flags, doc: doc.as_ptr() }));
    // SAFETY: FastDef has the layout of PyMethodDef and lives as long as the process; the type is alive.
    let method = unsafe {
        let raw = ffi::PyDescr_NewMethod(class.as_type_ptr(), std::ptr::from_mut(def).cast());
        Bound::from_owned_ptr_or_err(class.py(), raw)?
    };
    class.setattr(name.to_str().unwrap_or_default(), method)
}

/// What PyO3 keeps in an object of one of its classes, which nobody takes exclusively.
///
/// # Safety
/// `slf` is an object of the class of `T` or of a subclass, alive for as long as the reference is used, and the GIL
/// is held.
#[inline]
pub(crate) unsafe fn contents<'a, T: PyClass<Frozen = True> + Sync>(slf: *mut PyObject) -> &'a T {
    // SAFETY: by contract; the reference lives as long as the caller's.
    unsafe {
        let bound = Bound::from_owned_ptr(Python::assume_attached(), slf).cast_into_unchecked::<T>();
        &*std::ptr::from_ref(std::mem::ManuallyDrop::new(bound).get())
    }
}

/// Arguments of a fast call as a slice.
///
/// # Safety
/// `args` holds `n` borrowed references for the time of the call.
pub(crate) unsafe fn args<'a>(args: *const *mut PyObject, n: Py_ssize_t) -> &'a [*mut PyObject] {
    if n <= 0 {
        return &[];
    }
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { std::slice::from_raw_parts(args, n as usize) }
}

/// A float argument; `None` with the error set where it is no number.
///
/// # Safety
/// `object` is alive and the GIL is held.
#[inline]
pub(crate) unsafe fn float(object: *mut PyObject) -> Option<f64> {
    // SAFETY: the caller's contract.
    let value = unsafe { ffi::PyFloat_AsDouble(object) };
    // SAFETY: as above.
    if value == -1.0 && !unsafe { ffi::PyErr_Occurred() }.is_null() {
        return None;
    }
    Some(value)
}

/// Hands the result of a method body to the interpreter: a new reference, or NULL with the error set.
pub(crate) fn give(py: Python<'_>, result: PyResult<*mut PyObject>) -> *mut PyObject {
    match result {
        Ok(p) => p,
        Err(e) => {
            e.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// A new reference to `None`.
#[inline]
pub(crate) fn none() -> *mut PyObject {
    // SAFETY: `None` lives for ever; the GIL is held by whoever hands the result back.
    unsafe {
        let none = ffi::Py_None();
        ffi::Py_INCREF(none);
        none
    }
}
