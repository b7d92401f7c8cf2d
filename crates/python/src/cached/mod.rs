//! What `cached` makes of a function: a callable that looks into a cache without a Python frame or, for plain
//! arguments, a tuple. For a coroutine function it gives a coroutine that ends at once where the value is there: an
//! awaitable of our own would end by an exception, which costs twice as much as the frame that it saves.
//!
//! A hand-made type, since the vectorcall protocol is open to stable-ABI classes of PyO3 from 3.12 on only; the
//! member that announces it (`__vectorcalloffset__`) works from 3.9 on.
#![allow(unsafe_code)]

mod answer;
mod call;
mod class;
mod key;

use crate::cache::Cache;
use crate::flight::{Flights, after_fork};
use key::Style;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// The object behind a cached function.
#[repr(C)]
struct Cached {
    head: PyObject,
    vectorcall: ffi::vectorcallfunc,
    dict: *mut PyObject,
    weak: *mut PyObject,
    /// The cache; the function; what makes a waiter.
    cache: *mut PyObject,
    function: *mut PyObject,
    waiter: *mut PyObject,
    /// What makes keys, or NULL.
    key: *mut PyObject,
    /// For coroutine functions, else NULL: what makes a coroutine of a value, and what makes one on a miss, of key,
    /// arguments and keyword arguments.
    hit: *mut PyObject,
    miss: *mut PyObject,
    flights: *mut Flights,
    style: Style,
    /// Those who waited for an error compute for themselves, once.
    retries: bool,
    /// The function takes key, arguments and keyword arguments, and gives a value and whether to keep it.
    keyed: bool,
}

impl Cached {
    /// The references that it holds; NULL among them.
    fn parts(&self) -> [*mut PyObject; 8] {
        let prefix = self.style.prefix;
        [self.dict, self.cache, self.function, self.waiter, self.key, self.hit, self.miss, prefix]
    }
}

/// A callable that answers from `cache`, and calls `function` where it cannot; `waiter` makes what other threads
/// wait on. With `coroutines`, a pair, the function makes coroutines, and callers await what `hit(value)` or
/// `miss(key, args, kwargs)` gives.
#[pyfunction]
#[pyo3(signature = (cache, function, waiter, key = None, coroutines = None, *, typed = false, prefix = None, retries = false, keyed = false))]
#[allow(clippy::too_many_arguments)] // one argument a thing that a function may be
fn cached_function<'py>(
    cache: &Bound<'py, Cache>,
    function: &Bound<'py, PyAny>,
    waiter: &Bound<'py, PyAny>,
    key: Option<&Bound<'py, PyAny>>,
    coroutines: Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    typed: bool,
    prefix: Option<&Bound<'py, PyAny>>,
    retries: bool,
    keyed: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (hit, miss) = coroutines.unzip();
    let optional = [key, hit.as_ref(), miss.as_ref()];
    if ![function, waiter].into_iter().chain(optional.into_iter().flatten()).all(|f| f.is_callable()) {
        return Err(PyTypeError::new_err("function, waiter, key, hit and miss must be callable"));
    }
    let class = class::get(cache.py())?;
    let [key, hit, miss, prefix] = [key, hit.as_ref(), miss.as_ref(), prefix]
        .map(|o| o.map_or(std::ptr::null_mut(), |f| f.clone().into_ptr()));
    // SAFETY: the class has room for a Cached; the collector sees the object only with zeros (allowed) or whole.
    unsafe {
        let made =
            Bound::from_owned_ptr_or_err(cache.py(), ffi::PyType_GenericAlloc(class.as_type_ptr(), 0))?;
        let own = &mut *made.as_ptr().cast::<Cached>();
        own.vectorcall = if miss.is_null() { answer::for_functions } else { answer::for_coroutines };
        own.cache = cache.clone().into_ptr();
        own.function = function.clone().into_ptr();
        own.waiter = waiter.clone().into_ptr();
        (own.key, own.hit, own.miss) = (key, hit, miss);
        own.flights = Box::into_raw(Box::new(Flights::new()));
        (own.style, own.retries, own.keyed) = (Style { typed, prefix }, retries, keyed);
        Ok(made)
    }
}

/// Adds the functions to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("CachedFunction", class::get(m.py())?)?;
    m.add_function(wrap_pyfunction!(key::make_key, m)?)?;
    m.add_function(wrap_pyfunction!(after_fork, m)?)?;
    m.add_function(wrap_pyfunction!(cached_function, m)?)
}
