//! The indicators as Python classes, and their batch forms.
#![allow(unsafe_code)]
// The classes have the names that traders know.
#![allow(clippy::upper_case_acronyms)]

use crate::indicator_state::{Reduced, State};
use crate::indicators::{Indicator, Nan, Output, Spec, run};
use crate::threads::StateCell;
use crate::track::{self, Version};
use crate::types::number;
use crate::{indicator_state, npy, raw};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Base of all indicators.
#[pyclass(frozen, subclass, weakref, name = "Indicator", module = "m5mem._native")]
pub(crate) struct PyIndicator {
    pub(crate) cell: StateCell<Indicator>,
    pub(crate) attached: StateCell<bool>,
    pub(crate) spec: Spec,
    pub(crate) stamp: Py<Version>,
}

impl PyIndicator {
    /// Changes it.
    #[inline]
    pub(crate) fn change<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Indicator) -> R) -> R {
        self.cell.with(py, |indicator| {
            let result = f(indicator);
            self.stamp.get().bump();
            result
        })
    }
}

impl Drop for PyIndicator {
    fn drop(&mut self) {
        self.stamp.get().end();
    }
}

fn nan_rule(nan: &str) -> PyResult<Nan> {
    match nan {
        "propagate" => Ok(Nan::Propagate),
        "skip" => Ok(Nan::Skip),
        _ => Err(PyValueError::new_err("nan must be 'propagate' or 'skip'")),
    }
}

/// A period that memory can hold.
fn checked(n: usize) -> PyResult<usize> {
    if (1..=10_000_000).contains(&n) {
        Ok(n)
    } else {
        Err(PyValueError::new_err("a period must be 1 to 10,000,000"))
    }
}

fn deviation(n: usize, ddof: usize) -> PyResult<Spec> {
    if ddof >= n {
        return Err(PyValueError::new_err("ddof must be smaller than the period"));
    }
    Ok(Spec::Std { period: checked(n)?, ddof })
}

/// The parameters of an indicator as its class takes them.
fn parameters(spec: Spec) -> String {
    let text = format!("{spec:?}");
    let inside = text.split_once(['(', '{']).map_or("", |(_, rest)| rest.trim_end_matches([')', '}']).trim());
    inside.replace(": ", "=").replace("atr=", "atr_period=").replace("times=", "multiplier=")
}

/// A new float, or a tuple of two or three.
fn give(outputs: usize, value: Output) -> *mut PyObject {
    // SAFETY: called with the GIL held; a failed allocation leaves NULL with the error set.
    unsafe {
        if outputs == 1 {
            return ffi::PyFloat_FromDouble(value[0]);
        }
        let tuple = ffi::PyTuple_New(outputs as Py_ssize_t);
        for (i, v) in (0..).zip(value.into_iter().take(outputs)) {
            let item = ffi::PyFloat_FromDouble(v);
            if tuple.is_null() || item.is_null() || ffi::PyTuple_SetItem(tuple, i, item) != 0 {
                ffi::Py_XDECREF(tuple);
                return std::ptr::null_mut();
            }
        }
        tuple
    }
}

#[pymethods]
impl PyIndicator {
    /// The newest result: a float, or a tuple of two or three; NaN while warming up.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        track::read(py, &self.stamp);
        let value = self.cell.with(py, |i| i.value);
        // SAFETY: `give` returns a new reference or NULL with the error set.
        unsafe { Bound::from_owned_ptr_or_err(py, give(self.spec.outputs(), value)) }
    }

    /// Whether the warm-up is over.
    #[getter]
    fn ready(&self, py: Python<'_>) -> bool {
        track::read(py, &self.stamp);
        self.cell.with(py, |i| i.seen() > self.spec.lookback() as u64)
    }

    /// Candles before the first result, as TA-Lib counts them.
    #[getter]
    fn lookback(&self) -> usize {
        self.spec.lookback()
    }

    /// Forgets everything.
    fn reset(&self, py: Python<'_>) {
        self.change(py, Indicator::reset);
    }

    /// As it is made again, with what it came to. A copy is attached to nothing.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let own = slf.get();
        track::read(slf.py(), &own.stamp);
        let (nan, words) = own.cell.with(slf.py(), |i| (i.nan(), i.state()));
        indicator_state::reduced(slf.get_type(), own.spec, nan, &words)
    }

    fn __setstate__(&self, py: Python<'_>, state: State) -> PyResult<()> {
        let words = indicator_state::words(state)?;
        if self.change(py, |i| i.restore(&words)) {
            return Ok(());
        }
        Err(PyValueError::new_err("this is no state of such an indicator"))
    }

    fn __float__(&self, py: Python<'_>) -> f64 {
        track::read(py, &self.stamp);
        self.cell.with(py, |i| i.value[0])
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (name, parameters) = (slf.get_type().name()?, parameters(slf.get().spec));
        Ok(format!("<m5mem.{name}({parameters}) value={}>", slf.get().value(slf.py())?))
    }
}

/// `update(x[, y, z])` and `replace(x[, y, z])` without an argument tuple.
unsafe fn feed(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    f: fn(&mut Indicator, &[f64; 4]),
) -> *mut PyObject {
    // SAFETY: the method descriptor checked `slf`; `args` holds `n` references; the GIL is held.
    unsafe {
        let py = Python::assume_attached();
        let own = raw::contents::<PyIndicator>(slf);
        let args = raw::args(args, n);
        let inputs = own.spec.inputs();
        if args.len() != inputs {
            let text = format!("{inputs} number(s) expected, {} given", args.len());
            return raw::give(py, Err(PyTypeError::new_err(text)));
        }
        let mut x = [0.0; 4];
        for (slot, &arg) in x.iter_mut().zip(args) {
            let Some(value) = raw::float(arg) else { return std::ptr::null_mut() };
            *slot = value;
        }
        let value = own.change(py, |i| {
            f(i, &x);
            i.value
        });
        give(own.spec.outputs(), value)
    }
}

unsafe extern "C" fn update(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { feed(slf, args, n, Indicator::push) }
}

unsafe extern "C" fn replace(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { feed(slf, args, n, Indicator::replace) }
}

/// From so many values on the GIL is given up while they are computed: other threads go on. As with NumPy's own
/// functions, a thread that writes into the array meanwhile gets a mixture.
const WORTH_DETACHING: usize = 50_000;

/// Runs `spec` over arrays of equal length.
fn batch<'py>(
    py: Python<'py>,
    spec: Spec,
    nan: &str,
    inputs: &[&Bound<'py, PyAny>],
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let nan = nan_rule(nan)?;
    let numbers = inputs.iter().map(|a| raw::Numbers::of(a)).collect::<PyResult<Vec<_>>>()?;
    let columns: Vec<&[f64]> = numbers.iter().map(raw::Numbers::as_slice).collect();
    let rows = columns[0].len();
    if columns.iter().any(|c| c.len() != rows) {
        return Err(PyValueError::new_err("the arrays differ in length"));
    }
    let made = (0..spec.outputs()).map(|_| npy::owned(py, rows)).collect::<PyResult<Vec<_>>>()?;
    // SAFETY: new arrays of `rows` numbers each, which nobody else has seen; any bits are a number, and `run` writes
    // every one of them.
    let mut out: Vec<&mut [f64]> =
        made.iter().map(|&(_, p)| unsafe { std::slice::from_raw_parts_mut(p, rows) }).collect();
    if rows < WORTH_DETACHING {
        run(spec, nan, &columns, &mut out);
    } else {
        py.detach(|| run(spec, nan, &columns, &mut out));
    }
    Ok(made.into_iter().map(|(array, _)| array).collect())
}

/// One class and one batch function for an indicator: parameters, checks, and the arrays it reads.
macro_rules! indicator {
    ($class:ident, $batch:ident, ($($arg:ident),+), ($($param:ident: $ty:ty = $default:tt),*), $spec:expr, $text:literal) => {
        #[doc = $text]
        #[pyclass(frozen, extends = PyIndicator, module = "m5mem._native")]
        pub(crate) struct $class;

        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = ($($param = $default,)* *, nan = "propagate"))]
            fn new(
                py: Python<'_>,
                $(#[pyo3(from_py_with = number)] $param: $ty,)*
                nan: &str,
            ) -> PyResult<PyClassInitializer<Self>> {
                let spec: Spec = $spec;
                let cell = StateCell::new(Indicator::new(spec, nan_rule(nan)?));
                let stamp = Version::make(py)?;
                let base = PyIndicator { cell, attached: StateCell::new(false), spec, stamp };
                Ok(PyClassInitializer::from(base).add_subclass(Self))
            }
        }

        #[doc = $text]
        #[pyfunction]
        #[pyo3(signature = ($($arg,)+ $($param = $default,)* *, nan = "propagate"))]
        #[allow(clippy::too_many_arguments)] // as many as the indicator has
        pub(crate) fn $batch<'py>(
            py: Python<'py>,
            $($arg: &Bound<'py, PyAny>,)+
            $(#[pyo3(from_py_with = number)] $param: $ty,)*
            nan: &str,
        ) -> PyResult<Bound<'py, PyAny>> {
            let spec: Spec = $spec;
            let mut out = batch(py, spec, nan, &[$($arg),+])?;
            if out.len() == 1 { Ok(out.remove(0)) } else { pyo3::types::PyTuple::new(py, out).map(Bound::into_any) }
        }
    };
}

indicator!(SMA, sma, (values), (period: usize = 30), Spec::Sma(checked(period)?), "Simple moving average. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(EMA, ema, (values), (period: usize = 30), Spec::Ema(checked(period)?), "Exponential moving average, seeded with the simple one. After a NaN or an infinity it stays no number, as in TA-Lib: nan=\"skip\" leaves such candles out.");
indicator!(WMA, wma, (values), (period: usize = 30), Spec::Wma(checked(period)?), "Linearly weighted moving average. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(RSI, rsi, (values), (period: usize = 14), Spec::Rsi(checked(period)?), "Relative strength index (Wilder). After a NaN or an infinity it stays no number, as in TA-Lib: nan=\"skip\" leaves such candles out.");
indicator!(RollingMin, rolling_min, (values), (period: usize = 30), Spec::Min(checked(period)?), "Smallest value of the window. NaN while a NaN is in the window; an infinity is a value like others; both leave with it.");
indicator!(RollingMax, rolling_max, (values), (period: usize = 30), Spec::Max(checked(period)?), "Greatest value of the window. NaN while a NaN is in the window; an infinity is a value like others; both leave with it.");
indicator!(RollingStd, rolling_std, (values), (period: usize = 5, ddof: usize = 0), deviation(period, ddof)?, "Rolling standard deviation. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(Bollinger, bollinger, (values), (period: usize = 5, up: f64 = 2.0, down: f64 = 2.0), Spec::Bollinger { period: checked(period)?, up, down }, "Bollinger bands: upper, middle, lower. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(MACD, macd, (values), (fast: usize = 12, slow: usize = 26, signal: usize = 9), Spec::Macd { fast: checked(fast)?, slow: checked(slow)?, signal: checked(signal)? }, "MACD line, signal line, histogram. After a NaN or an infinity it stays no number, as in TA-Lib: nan=\"skip\" leaves such candles out.");
indicator!(ATR, atr, (high, low, close), (period: usize = 14), Spec::Atr(checked(period)?), "Average true range (Wilder). After a NaN or an infinity it stays no number, as in TA-Lib: nan=\"skip\" leaves such candles out.");
indicator!(RollingVWAP, rolling_vwap, (price, volume), (period: usize = 30), Spec::Vwap(checked(period)?), "Volume-weighted average price of the window; NaN without volume. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(ADX, adx, (high, low, close), (period: usize = 14), Spec::Adx(checked(period)?), "Average directional index and the two directional indicators (Wilder): ADX, +DI, −DI, from the candle on that completes the ADX. After a NaN or an infinity it stays no number: nan=\"skip\" leaves such candles out.");
indicator!(Stoch, stoch, (high, low, close), (fast: usize = 5, slow: usize = 3, signal: usize = 3), Spec::Stoch { fast: checked(fast)?, slow: checked(slow)?, signal: checked(signal)? }, "Slow stochastics: %K (smoothed over `slow` candles) and %D, its simple average over `signal`; 0 where the range is empty. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(
    OBV,
    obv,
    (price, volume),
    (),
    Spec::Obv,
    "On-balance volume, beginning with the first candle's volume, as TA-Lib does. After a NaN or an infinity it stays no number: nan=\"skip\" leaves such candles out."
);
indicator!(CCI, cci, (high, low, close), (period: usize = 14), Spec::Cci(checked(period)?), "Commodity channel index; 0 where the window stands still. A value costs a walk through the window. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");
indicator!(MFI, mfi, (high, low, close, volume), (period: usize = 14), Spec::Mfi(checked(period)?), "Money flow index; 0 where no money flowed. (TA-Lib says 0 already where less than one unit of money flowed.) A NaN or an infinity makes it NaN while it, or a step from or to it, is in the window.");
indicator!(WilliamsR, williams_r, (high, low, close), (period: usize = 14), Spec::WilliamsR(checked(period)?), "Williams %R: −100 at the lowest low of the window, 0 at the highest high or where the range is empty. NaN while a NaN is in the window, or an infinity leaves it no range; both leave with it.");
indicator!(Donchian, donchian, (high, low), (period: usize = 20), Spec::Donchian(checked(period)?), "Donchian channel: highest high, middle, lowest low. NaN while a NaN is in the window; an infinity is a value like others; both leave with it.");
indicator!(Keltner, keltner, (high, low, close), (period: usize = 20, atr_period: usize = 10, multiplier: f64 = 2.0), Spec::Keltner { period: checked(period)?, atr: checked(atr_period)?, times: multiplier }, "Keltner channel: the exponential average of the close, and `multiplier` average true ranges above and below: upper, middle, lower. After a NaN or an infinity it stays no number: nan=\"skip\" leaves such candles out.");
indicator!(VWAPBands, vwap_bands, (price, volume), (period: usize = 30, up: f64 = 2.0, down: f64 = 2.0), Spec::VwapBands { period: checked(period)?, up, down }, "The volume-weighted average price of the window, and volume-weighted standard deviations around it: upper, price, lower; NaN without volume. A NaN or an infinity makes it NaN while it is in the window, and leaves with it.");

/// `update` and `replace` of a class; each class has its own, whose check of `self` is then one comparison.
fn add_methods(class: &Bound<'_, PyType>) -> PyResult<()> {
    raw::add_fast(
        class,
        c"update",
        c"update($self, /, *values)\n--\n\nTakes a new value and returns the result.",
        update,
    )?;
    raw::add_fast(
        class,
        c"replace",
        c"replace($self, /, *values)\n--\n\nPuts the values in the place of the newest ones.",
        replace,
    )
}

/// Adds the classes and functions to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyIndicator>()?;
    add_methods(&m.py().get_type::<PyIndicator>())?;
    macro_rules! add {
        ($($class:ident $batch:ident),+) => {{
            $(m.add_class::<$class>()?; add_methods(&m.py().get_type::<$class>())?; m.add_function(wrap_pyfunction!($batch, m)?)?;)+
        }};
    }
    add!(SMA sma, EMA ema, WMA wma, RSI rsi, RollingMin rolling_min, RollingMax rolling_max, RollingStd rolling_std, Bollinger bollinger, MACD macd, ATR atr, RollingVWAP rolling_vwap, ADX adx, Stoch stoch, OBV obv, CCI cci, MFI mfi, WilliamsR williams_r, Donchian donchian, Keltner keltner, VWAPBands vwap_bands);
    Ok(())
}
