//! Indicators in pickles and copies: made again with their parameters, they go on from what they came to.

use crate::indicators::{Nan, Spec};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};

/// What makes it, with which arguments, and its state.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Bound<'py, PyAny>);

/// A state as pickle has it: the version of what it holds, and words of 8 bytes.
pub(crate) type State = (u64, Vec<u8>);

const FORMAT: u64 = 1;

pub(crate) fn reduced<'py>(
    class: Bound<'py, PyType>,
    spec: Spec,
    nan: Nan,
    words: &[u64],
) -> PyResult<Reduced<'py>> {
    let py = class.py();
    let (whole, others) = spec.parameters();
    let whole = whole.into_iter().map(|n| n.into_bound_py_any(py));
    let others = others.into_iter().map(|x| x.into_bound_py_any(py));
    let arguments = whole.chain(others).collect::<PyResult<Vec<_>>>()?;
    let make = match nan {
        Nan::Propagate => class.into_any(),
        Nan::Skip => {
            let named = PyDict::new(py);
            named.set_item("nan", "skip")?;
            py.import("functools")?.getattr("partial")?.call((class,), Some(&named))?
        }
    };
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let state = (FORMAT, PyBytes::new(py, &bytes)).into_bound_py_any(py)?;
    Ok((make, PyTuple::new(py, arguments)?, state))
}

/// The words of a state; none where it is torn.
///
/// # Errors
/// `ValueError` for a state that this version does not know.
pub(crate) fn words((format, bytes): State) -> PyResult<Vec<u64>> {
    if format != FORMAT {
        return Err(PyValueError::new_err("this state was written by a newer m5mem"));
    }
    match bytes.as_chunks::<8>() {
        (words, []) => Ok(words.iter().map(|w| u64::from_le_bytes(*w)).collect()),
        _ => Ok(Vec::new()),
    }
}
