//! What methods do where a class made of a cache has some of its own (`hooks`): as in cachetools, they go through those. `popitem` is called for each
//! entry that has to leave, `getsizeof` says how large a value is, and `get`, `pop`, `setdefault` and `update` use item
//! access. Caches without any of that never come here.

use super::terms::as_size;
use super::{Cache, When};
use crate::track::{self, Found};
use pyo3::exceptions::{PyKeyError, PyRuntimeError};
use pyo3::prelude::*;

/// `cache[key] = value` where the class says how large a value is, or how room is made.
pub(super) fn set(slf: &Bound<'_, Cache>, key: &Bound<'_, PyAny>, value: Bound<'_, PyAny>) -> PyResult<()> {
    let (py, own) = (slf.py(), slf.get());
    let policy = own.policy();
    let size = match own.hooks.size {
        true => as_size(&slf.call_method1("getsizeof", (&value,))?)?,
        false => policy.size_of(&value)?,
    };
    if policy.refuses(size) {
        return Err(own.too_large());
    }
    drop(own.sweep(py)?);
    let hash = key.hash()?;
    loop {
        let (over, len) = own.at(py, hash, key.as_ptr(), None, |s, entry| {
            let (more, grows) = match entry {
                Some(entry) => (0, size.saturating_sub(s.map.size_of(entry))),
                None => (1, size),
            };
            (policy.is_over(&s.map, more, grows), s.map.len)
        })?;
        if !over {
            break;
        }
        slf.call_method0("popitem")?;
        let gone = own.state.with(py, |s| {
            s.counts.evictions += u64::from(s.map.len < len);
            s.map.len < len
        });
        if !gone {
            return Err(PyRuntimeError::new_err(
                "popitem() of this cache takes nothing out, so there is no room",
            ));
        }
    }
    own.store_sized(key, value, Found::default(), When::default(), size).map(drop)
}

/// `get` by item access: nothing where the key is not there.
pub(super) fn get<'py>(
    slf: &Bound<'py, Cache>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if slf.as_any().contains(key)? { slf.as_any().get_item(key).map(Some) } else { Ok(None) }
}

/// `pop` by item access.
pub(super) fn pop<'py>(
    slf: &Bound<'py, Cache>,
    key: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = get(slf, key)?;
    if found.is_some() {
        slf.as_any().del_item(key)?;
    }
    Ok(found)
}

/// `popitem` by item access: the value of the first key, which is deleted then.
pub(super) fn popitem<'py>(slf: &Bound<'py, Cache>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let (py, own) = (slf.py(), slf.get());
    drop(own.sweep(py)?);
    let first = own.state.with(py, |s| {
        let first = s.map.first;
        s.map.key(first).zip(s.map.value(first)).map(|(key, value)| (key.again(), value.again()))
    });
    let Some((key, value)) = first else { return Err(empty(slf)) };
    slf.as_any().del_item(key.py())?;
    let value = track::open(py, value);
    Ok((key.py().bind(py).clone(), value.py().bind(py).clone()))
}

pub(super) fn empty(slf: &Bound<'_, Cache>) -> PyErr {
    match slf.get_type().name() {
        Ok(name) => PyKeyError::new_err(format!("{name} is empty")),
        Err(error) => error,
    }
}
