//! Pickling and copying: the bounds, the entries in their order with what is left of their time, and what a subclass
//! keeps in its objects. Results that depend on buffers are left out: the buffers of another process are others.

use super::terms::{Arguments, Policy};
use super::{Cache, When, class};
use crate::own::Own;
use crate::track;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

/// What `__reduce__` gives: what makes an empty cache, its arguments, and the state for `set`.
pub(super) type Reduced<'py> =
    (Bound<'py, PyAny>, (Bound<'py, PyType>, Option<Arguments>), Bound<'py, PyTuple>);

/// Key, value and seconds left of each entry; what a subclass keeps.
pub(super) type State<'py> =
    (Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>, Option<f64>)>, Option<Bound<'py, PyDict>>);

/// See `Cache.__reduce__`.
pub(super) fn reduce<'py>(slf: &Bound<'py, Cache>) -> PyResult<Reduced<'py>> {
    let (py, own) = (slf.py(), slf.get());
    drop(own.sweep(py)?);
    let (policy, now) = (own.policy(), own.policy().now(py)?);
    let entries: Vec<(Own, Own, f64)> = own.state.with(py, |s| {
        let kept = |entry: u32| {
            let (key, value) = (s.map.key(entry)?, s.map.value(entry)?);
            let left = s.map.expires(entry) - now;
            (!track::is_tracked(value.as_ptr())).then(|| (key.again(), value.again(), left))
        };
        s.map.order().filter_map(kept).collect()
    });
    let timed = policy.ttl.is_some();
    let entries = PyList::new(
        py,
        entries.iter().map(|(key, value, left)| {
            (key.py().bind(py).clone(), value.py().bind(py).clone(), timed.then_some(*left))
        }),
    )?;
    let attributes = slf.getattr_opt("__dict__")?;
    let state = (entries, attributes).into_pyobject(py)?;
    let arguments = own.policy.get().map(|p| p.arguments(py));
    let make = py.get_type::<Cache>().getattr("_make")?;
    Ok((make, (slf.get_type(), arguments), state))
}

/// An empty cache of a class.
pub(super) fn make<'py>(
    class: &Bound<'py, PyType>,
    arguments: Option<Arguments>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let made = class::bare(class)?;
    if let Some(arguments) = arguments {
        let own = made.cast::<Cache>()?.get();
        own.settle(py, Policy::new(py, arguments, own.hooks.size)?);
    }
    Ok(made)
}

/// Puts a state into an empty cache.
pub(super) fn set<'py>(slf: &Bound<'py, Cache>, (mut entries, attributes): State<'py>) -> PyResult<()> {
    if let (Some(attributes), Some(dict)) = (attributes, slf.getattr_opt("__dict__")?) {
        dict.call_method1("update", (attributes,))?;
    }
    let own = slf.get();
    let order: Vec<_> = entries.iter().map(|(key, ..)| key.clone()).collect();
    // As they were stored, which is how they expire; then as they were used.
    entries.sort_by(|(.., a), (.., b)| a.unwrap_or_default().total_cmp(&b.unwrap_or_default()));
    for (key, value, left) in entries {
        let size = match own.hooks.size {
            true => super::terms::as_size(&slf.call_method1("getsizeof", (&value,))?)?,
            false => own.policy().size_of(&value)?,
        };
        own.store_sized(&key, value, track::Found::default(), When { left, ..When::default() }, size)?;
    }
    order.iter().try_for_each(|key| own.lookup(slf.py(), key.as_ptr(), false).map(drop))
}
