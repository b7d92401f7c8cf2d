//! What `cached` makes of a function: a callable that looks into a cache without a Python frame or, for one plain
//! argument, a tuple.
//!
//! A hand-made type, since the vectorcall protocol is open to stable-ABI classes of PyO3 from 3.12 on only; the
//! member that announces it (`__vectorcalloffset__`) works from 3.9 on.
#![allow(unsafe_code)]

use crate::cache::Cache;
use crate::candle::CandleBuffer;
use crate::flight::{Flights, Turn};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, Py_ssize_t, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use std::ffi::{c_int, c_void};

#[repr(C)]
struct Cached {
    head: PyObject,
    vectorcall: ffi::vectorcallfunc,
    dict: *mut PyObject,
    weak: *mut PyObject,
    /// The cache; the function; what makes a waiter; what makes keys, or NULL.
    cache: *mut PyObject,
    function: *mut PyObject,
    waiter: *mut PyObject,
    key: *mut PyObject,
    flights: *mut Flights,
}

static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// Stands between positional and keyword arguments in a key.
static MARK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static METHOD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

unsafe extern "C" {
    // In the stable ABI from 3.10 on, in every interpreter since 3.3.
    fn PyObject_GenericGetDict(object: *mut PyObject, context: *mut c_void) -> *mut PyObject;
    fn PyObject_GenericSetDict(object: *mut PyObject, value: *mut PyObject, context: *mut c_void) -> c_int;
}

/// An argument as it stands in a key: a buffer stands with its version, so that a key is good for its data only.
unsafe fn part(py: Python<'_>, argument: *mut PyObject) -> PyResult<*mut PyObject> {
    // SAFETY: a borrowed reference that lives for the call.
    let argument = unsafe {
        if plain(argument) {
            ffi::Py_INCREF(argument);
            return Ok(argument);
        }
        Bound::from_borrowed_ptr(py, argument)
    };
    match argument.cast_exact::<CandleBuffer>() {
        Ok(buffer) => Ok((buffer, buffer.get().version(py)).into_pyobject(py)?.into_ptr()),
        Err(_) => Ok(argument.clone().into_ptr()),
    }
}

/// The key of a call as a tuple: positional arguments, then a mark and the keyword arguments as they were given.
unsafe fn tuple_key<'py>(
    py: Python<'py>,
    positional: &[*mut PyObject],
    named: &[(*mut PyObject, *mut PyObject)],
) -> PyResult<Bound<'py, PyAny>> {
    let length = positional.len() + if named.is_empty() { 0 } else { 1 + 2 * named.len() };
    // SAFETY: the tuple is new and each place is set once with a reference of its own; a half-filled tuple may be
    // dropped.
    unsafe {
        let tuple = Bound::from_owned_ptr_or_err(py, ffi::PyTuple_New(length as Py_ssize_t))?;
        let mut at = 0;
        let mut put = |item: *mut PyObject| {
            ffi::PyTuple_SetItem(tuple.as_ptr(), at, item);
            at += 1;
        };
        for &item in positional {
            put(part(py, item)?);
        }
        if !named.is_empty() {
            let mark = MARK.get_or_try_init(py, || py.get_type::<PyAny>().call0().map(Bound::unbind))?;
            put(mark.bind(py).clone().into_ptr());
        }
        for &(name, value) in named {
            ffi::Py_INCREF(name);
            put(name);
            put(part(py, value)?);
        }
        Ok(tuple)
    }
}

/// CPython's hash of the tuple of these hashes (xxHash, the same since 3.8).
fn mix(hashes: impl ExactSizeIterator<Item = isize>) -> isize {
    const P1: u64 = 11_400_714_785_074_694_791;
    const P2: u64 = 14_029_467_366_897_019_727;
    const P5: u64 = 2_870_177_450_012_600_261;
    let length = hashes.len() as u64;
    let mixed = hashes.fold(P5, |acc, hash| {
        acc.wrapping_add((hash as u64).wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
    });
    match mixed.wrapping_add(length ^ (P5 ^ 3_527_539)) {
        u64::MAX => 1_546_275_796,
        hash => hash as isize,
    }
}

/// The hash of the tuple of these arguments, where all are plain and this interpreter hashes tuples as `mix` does.
unsafe fn tuple_hash(py: Python<'_>, args: &[*mut PyObject]) -> Option<isize> {
    static KNOWN: PyOnceLock<bool> = PyOnceLock::new();
    let known = KNOWN.get_or_init(py, || {
        let sample = (1, 2, -5).into_pyobject(py).and_then(|t| t.hash());
        sample.is_ok_and(|hash| hash == mix([1, 2, -5].into_iter()))
    });
    // SAFETY: borrowed references that live for the call; hashing plain objects runs no Python code and cannot fail.
    if !known || !args.iter().all(|&a| unsafe { plain(a) }) {
        return None;
    }
    // SAFETY: as above.
    Some(mix(args.iter().map(|&a| unsafe { ffi::PyObject_Hash(a) })))
}

/// Whether the argument can be the key itself.
unsafe fn plain(argument: *mut PyObject) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyUnicode_CheckExact(argument) != 0 || ffi::PyLong_CheckExact(argument) != 0 }
}

/// The key of a call in the default way.
#[pyfunction]
#[pyo3(signature = (args, kwargs = None))]
fn make_key<'py>(
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = args.py();
    let named: Vec<_> = kwargs.map(|k| k.iter().collect()).unwrap_or_default();
    if named.is_empty() && args.len() == 1 {
        let only = args.get_item(0)?;
        // SAFETY: alive.
        if unsafe { plain(only.as_ptr()) } {
            return Ok(only);
        }
    }
    let positional: Vec<_> = args.iter().collect();
    let positional: Vec<_> = positional.iter().map(|o| o.as_ptr()).collect();
    let named: Vec<_> = named.iter().map(|(k, v)| (k.as_ptr(), v.as_ptr())).collect();
    // SAFETY: the tuple and the pairs hold the arguments.
    unsafe { tuple_key(py, &positional, &named) }
}

/// A tuple and, where there are keyword arguments, a dict of a vectorcall's arguments.
unsafe fn pack<'py>(
    py: Python<'py>,
    positional: &[*mut PyObject],
    named: &[(*mut PyObject, *mut PyObject)],
) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
    // SAFETY: borrowed references that live for the call.
    unsafe {
        let of = |&p: &*mut PyObject| Bound::from_borrowed_ptr(py, p);
        let args = PyTuple::new(py, positional.iter().map(of))?;
        if named.is_empty() {
            return Ok((args, None));
        }
        let kwargs = PyDict::new(py);
        for (name, value) in named {
            kwargs.set_item(of(name), of(value))?;
        }
        Ok((args, Some(kwargs)))
    }
}

unsafe fn answer(
    py: Python<'_>,
    own: &Cached,
    positional: &[*mut PyObject],
    named: &[(*mut PyObject, *mut PyObject)],
) -> PyResult<*mut PyObject> {
    // SAFETY: called with the GIL held on a live object; the arguments live for the call. The parts of the object
    // are set once and only the collector clears them, when nobody can call it any more.
    unsafe {
        let key = if !own.key.is_null() {
            let (args, kwargs) = pack(py, positional, named)?;
            Bound::from_borrowed_ptr(py, own.key).call(args, kwargs.as_ref())?
        } else if let ([only], []) = (positional, named)
            && plain(*only)
        {
            Bound::from_borrowed_ptr(py, *only)
        } else {
            if named.is_empty()
                && let Some(hash) = tuple_hash(py, positional)
            {
                let cache = Bound::from_borrowed_ptr(py, own.cache).cast_into_unchecked::<Cache>();
                if let Some(value) = cache.get().lookup_tuple(py, hash, positional) {
                    return Ok(value);
                }
            }
            tuple_key(py, positional, named)?
        };
        let cache = Bound::from_borrowed_ptr(py, own.cache).cast_into_unchecked::<Cache>();
        let value = cache.get().lookup(py, key.as_ptr(), true)?;
        if !value.is_null() {
            return Ok(value);
        }
        let (args, kwargs) = pack(py, positional, named)?;
        compute(py, own, cache.get(), &key, args, kwargs.as_ref())
    }
}

/// Computes what the cache does not have: once, however many threads ask for it.
#[cold]
unsafe fn compute(
    py: Python<'_>,
    own: &Cached,
    cache: &Cache,
    key: &Bound<'_, PyAny>,
    args: Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<*mut PyObject> {
    // SAFETY: as for `answer`; `flights` lives as long as the object.
    let (function, waiter, flights) = unsafe {
        let of = |p| Bound::from_borrowed_ptr(py, p);
        (of(own.function), of(own.waiter), &*own.flights)
    };
    let hash = key.hash()?;
    let lead = loop {
        match flights.join(key, hash)? {
            Turn::Lead(id) => break id,
            Turn::Recurse => return function.call(args, kwargs).map(Bound::into_ptr),
            Turn::Wait(id) => {
                let Some(waiter) = flights.waiter(py, id, &waiter.call0()?) else { continue };
                let (landed, value): (bool, Bound<'_, PyAny>) = waiter.call_method0("wait")?.extract()?;
                if landed {
                    return Ok(value.into_ptr());
                }
            }
        }
    };
    let epoch = cache.epoch(py);
    // Somebody may have finished between the look into the cache and now.
    let found = cache.lookup(py, key.as_ptr(), false);
    let result = match found {
        Err(error) => Err(error),
        // SAFETY: a new reference.
        Ok(value) if !value.is_null() => Ok(unsafe { Bound::from_owned_ptr(py, value) }),
        Ok(_) => function.call(args, kwargs).and_then(|value| {
            if cache.epoch(py) == epoch {
                cache.store(key, value.clone())?;
            }
            Ok(value)
        }),
    };
    flights.land(py, lead, result.as_ref().ok())?;
    result.map(Bound::into_ptr)
}

unsafe extern "C" fn vectorcall(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    nargsf: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of vectorcall: `args` holds the positional and then the named arguments.
    unsafe {
        let py = Python::assume_attached();
        let own = &*slf.cast::<Cached>();
        let n = (nargsf & !(1 << (usize::BITS - 1))) as Py_ssize_t;
        let positional = crate::raw::args(args, n);
        let result = if names.is_null() {
            answer(py, own, positional, &[])
        } else {
            let named: Vec<_> = (0..ffi::PyTuple_Size(names))
                .map(|i| (ffi::PyTuple_GetItem(names, i), *args.offset(n + i)))
                .collect();
            answer(py, own, positional, &named)
        };
        crate::raw::give(py, result)
    }
}

/// The same by tuple and dict, for callers that have them.
unsafe extern "C" fn call(slf: *mut PyObject, args: *mut PyObject, kwargs: *mut PyObject) -> *mut PyObject {
    // SAFETY: the contract of tp_call.
    unsafe {
        let py = Python::assume_attached();
        let positional: Vec<_> =
            (0..ffi::PyTuple_Size(args)).map(|i| ffi::PyTuple_GetItem(args, i)).collect();
        let mut named = Vec::new();
        if !kwargs.is_null() {
            let (mut at, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(kwargs, &raw mut at, &raw mut name, &raw mut value) != 0 {
                named.push((name, value));
            }
        }
        crate::raw::give(py, answer(py, &*slf.cast::<Cached>(), &positional, &named))
    }
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
        let mut parts =
            vec![ffi::Py_TYPE(slf).cast(), own.dict, own.cache, own.function, own.waiter, own.key];
        if !own.flights.is_null() {
            (*own.flights).each(|p| parts.push(p));
        }
        for part in parts {
            if !part.is_null() {
                let result = visit(part, arg);
                if result != 0 {
                    return result;
                }
            }
        }
        0
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
        for part in [own.dict, own.cache, own.function, own.waiter, own.key] {
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

fn make_class(py: Python<'_>) -> PyResult<Py<PyAny>> {
    const PYSSIZET: c_int = 19;
    const READONLY: c_int = 1;
    const HAVE_VECTORCALL: u64 = 1 << 11;
    let member = |name: &'static std::ffi::CStr, offset: usize| ffi::PyMemberDef {
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
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_call, call as *mut c_void),
        slot(ffi::Py_tp_descr_get, descr_get as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, getsets.as_mut_ptr().cast()),
        slot(0, std::ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR
        | HAVE_VECTORCALL;
    let mut spec = ffi::PyType_Spec {
        name: c"m5mem._native.CachedFunction".as_ptr(),
        basicsize: size_of::<Cached>() as c_int,
        itemsize: 0,
        flags: flags as u32,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the spec is whole; what the type keeps is static or leaked.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec)).map(Bound::unbind) }
}

/// A callable that answers from `cache`, and calls `function` where it cannot; `waiter` makes what other threads
/// wait on.
#[pyfunction]
fn cached_function<'py>(
    cache: &Bound<'py, Cache>,
    function: &Bound<'py, PyAny>,
    waiter: &Bound<'py, PyAny>,
    key: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = cache.py();
    if !function.is_callable() || !waiter.is_callable() || key.is_some_and(|k| !k.is_callable()) {
        return Err(PyTypeError::new_err("function, waiter and key must be callable"));
    }
    let class = CLASS.get_or_try_init(py, || make_class(py))?;
    // SAFETY: the class has room for a Cached; the collector sees the object only with zeros (allowed) or whole.
    unsafe {
        let made = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0))?;
        let own = &mut *made.as_ptr().cast::<Cached>();
        own.vectorcall = vectorcall;
        own.cache = cache.clone().into_ptr();
        own.function = function.clone().into_ptr();
        own.waiter = waiter.clone().into_ptr();
        own.key = key.map_or(std::ptr::null_mut(), |k| k.clone().into_ptr());
        own.flights = Box::into_raw(Box::new(Flights::new()));
        Ok(made)
    }
}

/// Adds the functions to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("CachedFunction", CLASS.get_or_try_init(m.py(), || make_class(m.py()))?)?;
    m.add_function(wrap_pyfunction!(make_key, m)?)?;
    m.add_function(wrap_pyfunction!(cached_function, m)?)
}
