//! A call of a cached function: out of the cache, or computed once however many threads ask for it.
#![allow(unsafe_code)]

use super::Cached;
use super::call::Call;
use super::key::{tuple_hash, tuple_key};
use crate::cache::{Cache, Found, Miss, When, is_plain};
use crate::flight::{Turn, Waiting};
use crate::own::Own;
use crate::track;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

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
            (&[only], false) if !self.style.is_special() && unsafe { is_plain(only) } => unsafe {
                Bound::from_borrowed_ptr(py, only)
            },
            (positional, named) => {
                let bare = !named && !self.style.is_special();
                // SAFETY: as above.
                if let Some(hash) = if bare { unsafe { tuple_hash(py, positional) } } else { None }
                    && let Some(value) = self.cache().lookup_tuple(py, hash, positional)
                {
                    return Ok(Answer::Value(value));
                }
                // SAFETY: as above.
                unsafe { tuple_key(py, positional, &call.named(), &self.style) }?
            }
        };
        Ok(match self.cache().lookup(py, key.as_ptr(), true)? {
            Found::Value(value) => Answer::Value(value),
            Found::Miss(miss) => Answer::Missing { key, miss },
        })
    }

    /// Computes what the cache does not have, or takes what another thread that computes it brings: its value, and
    /// its error too. With `errors="retry"` those who waited for an error compute once more, together.
    fn compute(&self, py: Python<'_>, call: &Call, key: &Bound<'_, PyAny>, miss: Miss) -> PyResult<Own> {
        let mut again = None;
        let result = self.compute_or_wait(py, call, key, miss, &mut again);
        if let Some(waiter) = again {
            tell(&waiter, py, &result)?;
        }
        result.map(|stored| track::open(py, stored))
    }

    /// The value as it is stored. `again`: those who wait for this thread's second try.
    fn compute_or_wait<'py>(
        &self,
        py: Python<'py>,
        call: &Call,
        key: &Bound<'py, PyAny>,
        miss: Miss,
        again: &mut Option<Bound<'py, PyAny>>,
    ) -> PyResult<Own> {
        // SAFETY: not NULL; `flights` lives as long as the object, which the caller holds.
        let (function, flights) = unsafe { (Self::part(py, self.function), &*self.flights) };
        let mut may_be_behind = true;
        let lead = loop {
            let (id, owner) = match flights.join(key, miss.hash)? {
                Turn::Lead(id) => break id,
                Turn::Wait(id, owner) => (id, owner),
            };
            let waiter = match flights.waiter(py, id, None) {
                Some(waiter) => waiter,
                None => {
                    // SAFETY: not NULL.
                    let fresh = unsafe { Self::part(py, self.waiter) }.call0()?;
                    let Some(waiter) = flights.waiter(py, id, Some(fresh)) else { continue };
                    waiter
                }
            };
            let _waiting = Waiting::new(py, flights, id, owner)?;
            let mut landed: (u8, Bound<'_, PyAny>) = waiter.call_method0("wait")?.extract()?;
            if landed.0 == 2 && self.retries && again.is_none() {
                let (first, second): (bool, Bound<'_, PyAny>) = waiter.call_method0("again")?.extract()?;
                if first {
                    *again = Some(second);
                    continue;
                }
                landed = second.call_method0("wait")?.extract()?;
            }
            match landed {
                // What it read changed before it was over, maybe before this call: it is asked for once more. What
                // began after this call is good whatever happened since.
                (1, value) if may_be_behind && track::is_stale(value.as_ptr()) => may_be_behind = false,
                (1, value) => return Ok(value.into()),
                (2, error) => return Err(PyErr::from_value(error)),
                _ => {}
            }
        };
        let result = self.lead(py, call, key, miss, &function);
        let waiter = flights.land(py, lead)?;
        if let Some(waiter) = waiter {
            tell(waiter.py().bind(py), py, &result)?;
        }
        result
    }

    /// The computation of the thread that came first: the value as it is stored.
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
        let ticket = track::begin(py, key);
        let value = self.ask(py, call, key, function);
        let found = track::end(&ticket);
        let (value, keep) = value?;
        refuse_used_up(&value)?;
        if keep {
            let when = When { miss: Some(miss), epoch: Some(epoch), ..When::default() };
            return cache.store(key, value, found, when).map(|(stored, _)| stored);
        }
        found.wrap(value)
    }

    /// Calls the function; one that is `keyed` gets the key, and says whether its value is to be kept.
    fn ask<'py>(
        &self,
        py: Python<'py>,
        call: &Call,
        key: &Bound<'py, PyAny>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        if !self.keyed {
            return Ok((call.hand_to(function)?, true));
        }
        let (args, kwargs) = call.pack(py)?;
        function.call1((key, args, kwargs))?.extract()
    }
}

/// Wakes who waits, with the value, or with the error unless it is this thread's alone, as Ctrl-C is.
fn tell(waiter: &Bound<'_, PyAny>, py: Python<'_>, result: &PyResult<Own>) -> PyResult<()> {
    match result {
        Ok(value) => waiter.call_method1("land", (1, value.py())),
        Err(error) if error.is_instance_of::<PyException>(py) => {
            waiter.call_method1("land", (2, error.value(py)))
        }
        Err(_) => waiter.call_method1("land", (0, py.None())),
    }
    .map(drop)
}

/// A generator or a coroutine can be used only once: a kept one would be empty for the second caller.
fn refuse_used_up(value: &Bound<'_, PyAny>) -> PyResult<()> {
    static TYPES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    let types = TYPES.get_or_try_init(py, || {
        let types = py.import("types")?;
        let names = ["GeneratorType", "CoroutineType", "AsyncGeneratorType"];
        let classes = names.iter().map(|n| types.getattr(*n)).collect::<PyResult<Vec<_>>>()?;
        PyResult::Ok(pyo3::types::PyTuple::new(py, classes)?.into_any().unbind())
    })?;
    if !value.is_instance(types.bind(py))? {
        return Ok(());
    }
    if value.hasattr("close")? {
        value.call_method0("close")?;
    }
    let name = value.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "a {name} can be used only once, so it cannot be cached: return a list, or cache an async def"
    )))
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
