//! The methods that are called with every tick: without an argument tuple, and without a call that costs more than
//! they do.
#![allow(unsafe_code)]

use super::deliver::deliver;
use super::{CandleBuffer, MAX_FIELDS, Row};
use crate::block::Piece;
use crate::own::Own;
use crate::tick::{Stamp, Tick, time_ns};
use crate::{export, npy, raw, track};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A time as an argument; `None` with the error set where it is none. Numbers are in the buffer's unit.
unsafe fn stamp(py: Python<'_>, own: &CandleBuffer, ts: *mut PyObject) -> Option<Stamp> {
    // SAFETY: borrowed references that live for the call; the GIL is held.
    unsafe {
        if ffi::PyFloat_Check(ts) != 0 {
            return raw::float(ts).map(Stamp::Float);
        }
        if ffi::PyLong_Check(ts) != 0 {
            let mut overflow = 0;
            let value = ffi::PyLong_AsLongLongAndOverflow(ts, &raw mut overflow);
            return Some(if overflow == 0 { Stamp::Int(value) } else { Stamp::Float(f64::NAN) });
        }
        if ffi::PyIndex_Check(ts) != 0 {
            let number = ffi::PyNumber_Index(ts);
            if number.is_null() {
                return None;
            }
            let number = Bound::from_owned_ptr(py, number);
            return stamp(py, own, number.as_ptr());
        }
        // A datetime or one of its kind. NumPy's is a float too, but of another unit: so this is asked first.
        let unit = own.state.with(py, |s| s.bars.as_ref().map_or(1, |(b, _)| b.unit_ns));
        match time_ns(py, &Bound::from_borrowed_ptr(py, ts)) {
            Ok(ns) if ns % unit == 0 => Some(Stamp::Int(ns / unit)),
            Ok(ns) => Some(Stamp::Float(ns as f64 / unit as f64)),
            Err(error) if error.is_instance_of::<PyTypeError>(py) => match raw::float(ts) {
                Some(value) => Some(Stamp::Float(value)),
                None => {
                    error.restore(py);
                    None
                }
            },
            Err(error) => {
                error.restore(py);
                None
            }
        }
    }
}

/// The keywords of a call with their values.
unsafe fn keywords<'py>(
    py: Python<'py>,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    if names.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the contract of METH_FASTCALL | METH_KEYWORDS: the values lie behind the positional arguments.
    unsafe {
        (0..ffi::PyTuple_Size(names))
            .map(|i| {
                let name = Bound::from_borrowed_ptr(py, ffi::PyTuple_GetItem(names, i));
                Ok((name.extract()?, Bound::from_borrowed_ptr(py, *args.add((n + i) as usize))))
            })
            .collect()
    }
}

/// A row out of positional arguments, or of keywords by field; and the time, where one is given.
unsafe fn row_of(
    py: Python<'_>,
    own: &CandleBuffer,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
    row: &mut [f64],
) -> PyResult<Option<i64>> {
    // SAFETY: the caller's contract is that of the call.
    let (positional, named) = unsafe { (raw::args(args, n), keywords(py, args, n, names)?) };
    let wrong = |given: usize| {
        let (width, fields) = (own.names.len(), own.names.join(", "));
        let text = format!("{width} number(s) expected ({fields}), {given} given");
        PyTypeError::new_err(text)
    };
    let mut time = None;
    let mut set = vec![false; if named.is_empty() { 0 } else { row.len() }];
    if positional.len() > row.len() {
        return Err(wrong(positional.len()));
    }
    for (name, value) in &named {
        match own.names.iter().position(|f| f == name) {
            Some(at) if at < positional.len() || set[at] => {
                return Err(PyTypeError::new_err(format!("'{name}' is given twice")));
            }
            Some(at) => (row[at], set[at]) = (value.extract()?, true),
            None if name == "time" => {
                time = Some(match value.extract::<i64>() {
                    Ok(ns) => ns,
                    Err(_) => time_ns(py, value)?,
                });
            }
            None => {
                let text = format!("no field '{name}'; the fields are {}", own.names.join(", "));
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    let given = positional.len() + set.iter().filter(|s| **s).count();
    if given != own.names.len() {
        return Err(wrong(given));
    }
    for (slot, &arg) in row.iter_mut().zip(positional) {
        // SAFETY: a borrowed reference that lives for the call.
        let Some(value) = (unsafe { raw::float(arg) }) else { return Err(PyErr::fetch(py)) };
        *slot = value;
    }
    Ok(time)
}

unsafe extern "C" fn append(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL | METH_KEYWORDS.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let mut row: Row = [0.0; MAX_FIELDS];
        let row = &mut row[..own.names.len()];
        let done = row_of(py, own, args, n, names, row).and_then(|time| {
            let has_axis = own.state.with(py, |s| s.times.is_some());
            if time.is_some() != has_axis {
                let text = if has_axis {
                    "this buffer has a time axis: give time= (nanoseconds since 1970, or a datetime)"
                } else {
                    "this buffer has no time axis; make it with time=True"
                };
                return Err(PyValueError::new_err(text));
            }
            own.must_not_be_fed(py)?;
            own.state.with(py, |s| {
                s.append(py, row, time.unwrap_or(0))?;
                Ok(!s.calls.is_empty())
            })
        });
        raw::give(py, done.and_then(|calls| finish(py, slf, calls)).map(|()| raw::none()))
    }
}

unsafe extern "C" fn update_last(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL | METH_KEYWORDS.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let mut row: Row = [0.0; MAX_FIELDS];
        let row = &mut row[..own.names.len()];
        let done = row_of(py, own, args, n, names, row).and_then(|time| match time {
            None => own.must_not_be_fed(py).and_then(|()| {
                own.state.with(py, |s| {
                    s.update_last(py, row)?;
                    Ok(!s.calls.is_empty())
                })
            }),
            Some(_) => Err(PyTypeError::new_err("the time of a candle does not change")),
        });
        raw::give(py, done.and_then(|calls| finish(py, slf, calls)).map(|()| raw::none()))
    }
}

unsafe extern "C" fn push_tick(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL | METH_KEYWORDS.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let mut all = [std::ptr::null_mut(); 3];
        let positional = raw::args(args, n);
        let named = match keywords(py, args, n, names) {
            Ok(named) => named,
            Err(error) => return raw::give(py, Err(error)),
        };
        let mut wrong = None;
        for (slot, &arg) in all.iter_mut().zip(positional) {
            *slot = arg;
        }
        for (name, value) in &named {
            let place = ["ts", "price", "qty"].iter().position(|p| p == name);
            match place {
                Some(at) if all[at].is_null() => all[at] = value.as_ptr(),
                Some(_) => wrong = Some(format!("push_tick(): '{name}' is given twice")),
                None => wrong = Some(format!("push_tick(ts, price, qty=0.0) knows no '{name}'")),
            }
        }
        let [ts, price, qty] = all;
        if wrong.is_none() && (positional.len() > 3 || ts.is_null() || price.is_null()) {
            let given = positional.len() + named.len();
            wrong = Some(format!("push_tick(ts, price, qty=0.0) takes 2 or 3 arguments, {given} given"));
        }
        if let Some(text) = wrong {
            return raw::give(py, Err(PyTypeError::new_err(text)));
        }
        let Some(ts) = stamp(py, own, ts) else { return std::ptr::null_mut() };
        let Some(price) = raw::float(price) else { return std::ptr::null_mut() };
        let qty = if qty.is_null() { Some(0.0) } else { raw::float(qty) };
        let Some(qty) = qty else { return std::ptr::null_mut() };
        let closed = own.state.with(py, |s| {
            let closed = s.tick(py, &Tick { ts, price, qty })?;
            Ok((closed, !s.calls.is_empty()))
        });
        let told = closed.and_then(|(closed, calls)| {
            let fed = finish(py, slf, calls);
            let told = match closed {
                Ok(0) => Ok(0),
                Ok(bars) => own.tell(&Bound::from_borrowed_ptr(py, slf), bars).map(|()| bars),
                Err(why) => own.on_bad.say(py, why, &own.told).map(|()| 0),
            };
            fed.and(told)
        });
        raw::give(py, told.map(|n| ffi::PyLong_FromUnsignedLongLong(n)))
    }
}

/// Makes the calls that a change left, where there are any.
#[inline]
unsafe fn finish(py: Python<'_>, slf: *mut PyObject, calls: bool) -> PyResult<()> {
    if !calls {
        return Ok(());
    }
    // SAFETY: `slf` is a buffer, as the method descriptor checked, and alive for the call.
    deliver(unsafe { Bound::from_borrowed_ptr(py, slf) }.cast::<CandleBuffer>()?)
}

/// `(n=None, field=None)` of `window` and `view`.
unsafe fn window_args(
    own: &CandleBuffer,
    py: Python<'_>,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> PyResult<(Option<usize>, Option<usize>)> {
    // SAFETY: the caller's contract is that of the call: borrowed references that live for it.
    let (mut given, named) = unsafe {
        let positional = raw::args(args, n).iter().map(|&p| Some(Bound::from_borrowed_ptr(py, p)));
        (positional.collect::<Vec<_>>(), keywords(py, args, n, names)?)
    };
    if given.len() > 2 {
        return Err(PyTypeError::new_err("window(n=None, field=None) takes at most 2 arguments"));
    }
    given.resize(2, None);
    for (name, value) in named {
        match ["n", "field"].iter().position(|known| *known == name) {
            Some(at) if at >= n as usize => given[at] = Some(value),
            Some(_) => return Err(PyTypeError::new_err(format!("'{name}' is given twice"))),
            None => {
                return Err(PyTypeError::new_err(format!("window(n=None, field=None) knows no '{name}'")));
            }
        }
    }
    let [n, field] = [0, 1].map(|at| given[at].take().filter(|o| !o.is_none()));
    let n = match n {
        None => None,
        Some(n) => match n.extract::<isize>()? {
            n if n >= 0 => Some(n as usize),
            _ => return Err(PyValueError::new_err("a window has 0 or more candles")),
        },
    };
    let field = match field {
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
    names: *mut PyObject,
    f: fn(Python<'_>, &Own, Piece) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        track::read(py, &own.stamp);
        let made = window_args(own, py, args, n, names).and_then(|(n, field)| {
            let (memory, piece) = own.state.with(py, |s| {
                let n = n.unwrap_or(usize::MAX);
                // Where ticks are about to change the last row, whoever holds it costs a copy of all rows: a short
                // window is rather copied itself.
                if s.bars.is_some() && n.saturating_mul(4) <= s.rows.len() {
                    return s.rows.copied(py, n, field);
                }
                let piece = s.rows.window(n, field);
                Ok((s.rows.hold(), piece))
            })?;
            f(py, &memory.lend(py)?, piece)
        });
        raw::give(py, made)
    }
}

unsafe extern "C" fn window(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, names, |py, block, piece| npy::array(py, block, &piece, false)) }
}

unsafe extern "C" fn view(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, names, export::memoryview) }
}

/// Adds the methods to the class.
pub(super) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let class = &m.py().get_type::<CandleBuffer>();
    raw::add_fast_named(
        class,
        c"append",
        c"append($self, /, *values, **fields)\n--\n\nAppends one candle: a number a field, in order or by name; with a time axis also time=, in nanoseconds since 1970 or a datetime.",
        append,
    )?;
    raw::add_fast_named(
        class,
        c"update_last",
        c"update_last($self, /, *values, **fields)\n--\n\nReplaces the last candle.",
        update_last,
    )?;
    raw::add_fast_named(
        class,
        c"push_tick",
        c"push_tick($self, ts, price, qty=0.0)\n--\n\nTakes a tick into the open bar; returns how many bars it closed. ts is a number in the buffer's unit, a datetime, a pandas Timestamp or a datetime64 (UTC where it has no time zone).",
        push_tick,
    )?;
    raw::add_fast_named(
        class,
        c"window",
        c"window($self, n=None, field=None)\n--\n\nThe last n candles, or one field of them, as a read-only NumPy view.",
        window,
    )?;
    raw::add_fast_named(
        class,
        c"view",
        c"view($self, n=None, field=None)\n--\n\nThe same as a memoryview: needs no NumPy.",
        view,
    )
}
