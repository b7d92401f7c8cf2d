//! Indicators in pickles and copies: made again with their parameters, they go on from what they came to.

use crate::indicator::PyIndicator;
use crate::indicators::Nan;
use crate::track;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

/// What makes it, with which arguments, and its state.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Bound<'py, PyAny>);

/// The version of what a state holds.
const FORMAT: u64 = 1;

pub(crate) fn reduce<'py>(slf: &Bound<'py, PyIndicator>) -> PyResult<Reduced<'py>> {
    let (py, own) = (slf.py(), slf.get());
    track::read(py, &own.stamp);
    let (nan, words) = own.cell.with(py, |i| (i.nan(), i.state()));
    let (whole, others) = own.spec.parameters();
    let whole = whole.into_iter().map(|n| n.into_bound_py_any(py)).collect::<PyResult<Vec<_>>>()?;
    let others = others.into_iter().map(|x| x.into_bound_py_any(py)).collect::<PyResult<Vec<_>>>()?;
    let class = slf.get_type().into_any();
    let make = match nan {
        Nan::Propagate => class,
        Nan::Skip => {
            let named = PyDict::new(py);
            named.set_item("nan", "skip")?;
            py.import("functools")?.getattr("partial")?.call((class,), Some(&named))?
        }
    };
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let state = (FORMAT, PyBytes::new(py, &bytes)).into_bound_py_any(py)?;
    Ok((make, PyTuple::new(py, whole.into_iter().chain(others))?, state))
}

/// # Errors
/// `ValueError` for what is no state of such an indicator.
pub(crate) fn set(own: &PyIndicator, py: Python<'_>, (format, bytes): (u64, Vec<u8>)) -> PyResult<()> {
    if format != FORMAT {
        return Err(PyValueError::new_err("this state was written by a newer m5mem"));
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
    if own.change(py, |i| rest.is_empty() && i.restore(&words)) {
        return Ok(());
    }
    Err(PyValueError::new_err("this is no state of such an indicator"))
}
