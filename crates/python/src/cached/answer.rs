//! A call of a cached function: out of the cache, or computed once however many threads ask for it.
#![allow(unsafe_code)]

use super::Cached;
use super::call::Call;
use super::key::{tuple_hash, tuple_key};
use crate::cache::{Cache, Found, Miss, is_plain};
use crate::flight::Turn;
use crate::own::Own;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;

/// What a look into the cache brought.
enum Answer<'py> {
    Value(Own),
    Missing { key: Bound<'py, PyAny>, miss: Miss },
}

impl Cached {
    /// One of its parts.
    ///
    /// # Safety
    /// The part is not NULL. Parts are set once, and only the collector clears them, when nobody can call any more.
    unsafe fn part<'py>(py: Python<'py>, part: *mut PyObject) -> Bound<'py, PyAny> {
        // SAFETY: the object holds it.
        unsafe { Bound::from_borrowed_ptr(py, part) }
    }

    #[inline]
    fn cache(&self) -> &Cache {
        // SAFETY: `cached_function` put a cache there.
        unsafe { crate::raw::contents::<Cache>(self.cache) }
    }

    /// Looks a call up.
    #[inline]
    fn look<'py>(&self, py: Python<'py>, call: &Call) -> PyResult<Answer<'py>> {
        let key = match (call.positional(), call.has_names()) {
            _ if !self.key.is_null() => {
                let (args, kwargs) = call.pack(py)?;
                // SAFETY: not NULL.
                unsafe { Self::part(py, self.key) }.call(args, kwargs.as_ref())?
            }
            // SAFETY: arguments live for the call.
            (&[only], false) if unsafe { is_plain(only) } => unsafe { Bound::from_borrowed_ptr(py, only) },
            (positional, named) => {
                // SAFETY: as above.
                if let Some(hash) = if named { None } else { unsafe { tuple_hash(py, positional) } }
                    && let Some(value) = self.cache().lookup_tuple(py, hash, positional)
                {
                    return Ok(Answer::Value(value));
                }
                // SAFETY: as above.
                unsafe { tuple_key(py, positional, &call.named()) }?
            }
        };
        Ok(match self.cache().lookup(py, key.as_ptr(), true)? {
            Found::Value(value) => Answer::Value(value),
            Found::Miss(miss) => Answer::Missing { key, miss },
        })
    }

    /// Computes what the cache does not have.
    fn compute(&self, py: Python<'_>, call: &Call, key: &Bound<'_, PyAny>, miss: Miss) -> PyResult<Own> {
        // SAFETY: not NULL; `flights` lives as long as the object, which the caller holds.
        let (function, flights) = unsafe { (Self::part(py, self.function), &*self.flights) };
        let lead = loop {
            match flights.join(key, miss.hash)? {
                Turn::Lead(id) => break id,
                Turn::Recurse => return call.hand_to(&function).map(Own::from),
                Turn::Wait(id) => {
                    // SAFETY: not NULL.
                    let fresh = unsafe { Self::part(py, self.waiter) }.call0()?;
                    let Some(waiter) = flights.waiter(py, id, &fresh) else { continue };
                    let (landed, value): (bool, Bound<'_, PyAny>) = waiter.call_method0("wait")?.extract()?;
                    if landed {
                        return Ok(value.into());
                    }
                }
            }
        };
        let result = self.lead(py, call, key, miss, &function);
        flights.land(py, lead, result.as_ref().ok().map(Own::py))?;
        result
    }

    /// The computation of the thread that came first.
    fn lead(
        &self,
        py: Python<'_>,
        call: &Call,
        key: &Bound<'_, PyAny>,
        miss: Miss,
        function: &Bound<'_, PyAny>,
    ) -> PyResult<Own> {
        let cache = self.cache();
        let epoch = cache.epoch(py);
        // Somebody may have finished between the look into the cache and now.
        if !cache.is_still(py, miss)
            && let Found::Value(value) = cache.lookup(py, key.as_ptr(), false)?
        {
            return Ok(value);
        }
        let value = call.hand_to(function)?;
        if cache.epoch(py) == epoch {
            cache.store(key, value.clone(), Some(miss))?;
        }
        Ok(value.into())
    }
}

/// Looks a call up, and gives what was found or what `missing` makes of it.
///
/// # Safety
/// The contract of vectorcall, of a `Cached`.
#[inline(always)]
unsafe fn called(
    slf: *mut PyObject,
    call: Call,
    found: impl FnOnce(Python<'_>, &Cached, Own) -> PyResult<Own>,
    missing: impl FnOnce(Python<'_>, &Cached, &Call, &Bound<'_, PyAny>, Miss) -> PyResult<Own>,
) -> *mut PyObject {
    // SAFETY: the caller's contract.
    let (py, own) = unsafe { (Python::assume_attached(), &*slf.cast::<Cached>()) };
    let result = own.look(py, &call).and_then(|answer| match answer {
        Answer::Value(value) => found(py, own, value),
        Answer::Missing { key, miss } => missing(py, own, &call, &key, miss),
    });
    crate::raw::give(py, result.map(Own::into_ptr))
}

/// The call of a function.
pub(super) unsafe extern "C" fn for_functions(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    flagged: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of vectorcall.
    unsafe {
        called(
            slf,
            Call::new(args, flagged, names),
            |_, _, value| Ok(value),
            |py, own, call, key, miss| own.compute(py, call, key, miss),
        )
    }
}

/// The call of a coroutine function.
pub(super) unsafe extern "C" fn for_coroutines(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    flagged: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the contract of vectorcall; `hit` and `miss` are not NULL where this is the call.
    unsafe {
        called(
            slf,
            Call::new(args, flagged, names),
            |py, own, value| {
                let values = [std::ptr::null_mut(), value.as_ptr()];
                // One argument, which `value` holds for the call; the place before it is for the callee.
                let one =
                    Call::new(values.as_ptr().add(1), 1 | Call::MAY_CHANGE_BEFORE, std::ptr::null_mut());
                one.hand_to(&Cached::part(py, own.hit)).map(Own::from)
            },
            |py, own, call, key, _| {
                let (args, kwargs) = call.pack(py)?;
                Cached::part(py, own.miss).call1((key, args, kwargs)).map(Own::from)
            },
        )
    }
}
