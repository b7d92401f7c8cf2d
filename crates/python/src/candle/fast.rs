//! The methods that are called with every tick: without an argument tuple, and without a call that costs more than
//! they do.
#![allow(unsafe_code)]

use super::state::State;
use super::{CandleBuffer, Row};
use crate::bars::Stamp;
use crate::block::{Block, Piece};
use crate::{export, npy, raw, track};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;

unsafe fn with_row(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    f: fn(&mut State, Python<'_>, &[f64]) -> PyResult<()>,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own, args) =
            (Python::assume_attached(), raw::contents::<CandleBuffer>(slf), raw::args(args, n));
        let width = own.names.len();
        if args.len() != width {
            let text = format!("{width} number(s) expected ({}), {} given", own.names.join(", "), args.len());
            return raw::give(py, Err(PyTypeError::new_err(text)));
        }
        let mut row = std::mem::MaybeUninit::<Row>::uninit();
        let start = row.as_mut_ptr().cast::<f64>();
        for (i, &arg) in args.iter().enumerate() {
            let Some(value) = raw::float(arg) else { return std::ptr::null_mut() };
            start.add(i).write(value);
        }
        let row = std::slice::from_raw_parts(start, width);
        raw::give(py, own.state.with(py, |s| f(s, py, row)).map(|()| raw::none()))
    }
}

unsafe extern "C" fn append(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { with_row(slf, args, n, State::append) }
}

unsafe extern "C" fn update_last(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { with_row(slf, args, n, State::update_last) }
}

unsafe extern "C" fn push_tick(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let (ts, price, qty) = match raw::args(args, n) {
            &[ts, price] => (ts, price, None),
            &[ts, price, qty] => (ts, price, Some(qty)),
            other => {
                let text =
                    format!("push_tick(ts, price, qty=0.0) takes 2 or 3 arguments, {} given", other.len());
                return raw::give(py, Err(PyTypeError::new_err(text)));
            }
        };
        let ts = if ffi::PyLong_Check(ts) != 0 {
            let mut overflow = 0;
            let value = ffi::PyLong_AsLongLongAndOverflow(ts, &raw mut overflow);
            if overflow == 0 { Stamp::Int(value) } else { Stamp::Float(f64::NAN) }
        } else {
            let Some(value) = raw::float(ts) else { return std::ptr::null_mut() };
            Stamp::Float(value)
        };
        let Some(price) = raw::float(price) else { return std::ptr::null_mut() };
        let qty = match qty {
            None => 0.0,
            Some(qty) => match raw::float(qty) {
                Some(qty) => qty,
                None => return std::ptr::null_mut(),
            },
        };
        let closed = own.state.with(py, |s| s.tick(py, ts, price, qty));
        raw::give(py, closed.map(|n| ffi::PyLong_FromUnsignedLongLong(n)))
    }
}

/// `(n=None, field=None)` of `window` and `view`.
unsafe fn window_args(
    own: &CandleBuffer,
    py: Python<'_>,
    args: &[*mut PyObject],
) -> PyResult<(Option<usize>, Option<usize>)> {
    if args.len() > 2 {
        return Err(PyTypeError::new_err("window(n=None, field=None) takes at most 2 arguments"));
    }
    // SAFETY: borrowed references that live for the call.
    let at =
        |i: usize| args.get(i).map(|&p| unsafe { Bound::from_borrowed_ptr(py, p) }).filter(|o| !o.is_none());
    let n = match at(0) {
        None => None,
        Some(n) => match n.extract::<isize>()? {
            n if n >= 0 => Some(n as usize),
            _ => return Err(PyValueError::new_err("a window has 0 or more candles")),
        },
    };
    let field = match at(1) {
        None => None,
        Some(f) => Some(own.index(&f.cast::<PyString>()?.to_cow()?)?),
    };
    Ok((n, field))
}

/// `window` and `view`: the two ways to look at a piece.
unsafe fn look(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    f: fn(Python<'_>, &Py<Block>, Piece) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        track::read(py, &own.stamp);
        let made = window_args(own, py, raw::args(args, n)).and_then(|(n, field)| {
            let (block, piece) = own.state.with(py, |s| {
                let piece = s.rows.window(n.unwrap_or(usize::MAX), field);
                (s.rows.block.bind(py).clone(), piece)
            });
            // A bound reference: dropping one outside of PyO3's own calls is exact.
            let block = std::mem::ManuallyDrop::new(block.unbind());
            let made = f(py, &block, piece);
            ffi::Py_DECREF(block.as_ptr());
            made
        });
        raw::give(py, made)
    }
}

unsafe extern "C" fn window(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, |py, block, piece| npy::array(py, block, &piece, false)) }
}

unsafe extern "C" fn view(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, export::memoryview) }
}

/// Adds the methods to the class.
pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let class = &m.py().get_type::<CandleBuffer>();
    raw::add_fast(
        class,
        c"append",
        c"append($self, /, *values)\n--\n\nAppends one candle, a number a field.",
        append,
    )?;
    raw::add_fast(
        class,
        c"update_last",
        c"update_last($self, /, *values)\n--\n\nReplaces the last candle.",
        update_last,
    )?;
    raw::add_fast(
        class,
        c"push_tick",
        c"push_tick($self, ts, price, qty=0.0, /)\n--\n\nTakes a tick into the open bar; returns how many bars it closed.",
        push_tick,
    )?;
    raw::add_fast(
        class,
        c"window",
        c"window($self, n=None, field=None, /)\n--\n\nThe last n candles, or one field of them, as a read-only NumPy view.",
        window,
    )?;
    raw::add_fast(
        class,
        c"view",
        c"view($self, n=None, field=None, /)\n--\n\nThe same as a memoryview: needs no NumPy.",
        view,
    )
}
