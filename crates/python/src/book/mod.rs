//! `CandleBook`: the newest bars of many symbols in one piece of memory, for what is computed across them.

mod input;
mod saved;
mod state;

use crate::bars;
use crate::block::{Item, Rows};
use crate::guard::{self, Guard, OnBad};
use crate::npy;
use crate::threads::StateCell;
use crate::tick::{self, Interval, Tick};
use crate::track::{self, Version};
use crate::types::{Names, number};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use state::{Bars, Places, State};
use std::collections::HashMap;

/// The newest `capacity` bars of many symbols in one block: a bar begins at the same moment for all of them.
///
/// `window(n, "close")` is the last n bars of one field (n × symbols), `window(n, symbol="BTC")` those of one symbol
/// (n × fields), both together a column; read-only, and they never change. With `closed=True` the open bar is left
/// out, and the window is a view without a copy; otherwise, where ticks build the bars, it is a copy.
/// With `interval=` bars are built by `push_tick`; a symbol that did not trade has a flat bar at its last close
/// (`fill="last"`), or NaN (`fill="nan"`). A tick more than `max_gap` ahead of the newest is not believed alone.
/// A tick that is none is counted (`on_bad="skip"`), and warned of once a reason (`"warn"`), or an error (`"raise"`).
/// It pickles and copies; `state()` gives what is saved.
#[pyclass(frozen, weakref, module = "m5mem._native")]
pub(crate) struct CandleBook {
    state: StateCell<State>,
    symbols: Py<PyTuple>,
    fields: Py<PyTuple>,
    symbol_index: HashMap<String, usize>,
    names: Vec<String>,
    pub(crate) stamp: Py<Version>,
    /// What it was made with, to make another.
    made: Py<PyDict>,
    on_bad: OnBad,
    told: StateCell<u8>,
}

impl Drop for CandleBook {
    fn drop(&mut self) {
        self.stamp.get().end();
    }
}

impl CandleBook {
    fn symbol(&self, name: &str) -> PyResult<usize> {
        let found = self.symbol_index.get(name).copied();
        found.ok_or_else(|| PyKeyError::new_err(format!("no symbol '{name}' in this book")))
    }

    fn field(&self, name: &str) -> PyResult<usize> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            PyKeyError::new_err(format!("no field '{name}'; the fields are {}", self.names.join(", ")))
        })
    }
}

#[pymethods]
impl CandleBook {
    #[new]
    #[pyo3(signature = (symbols, capacity = 200, fields = None, dtype = "f8", *, interval = None, unit = "s", fill = "last", max_gap = None, prices = "positive", on_bad = "skip"))]
    #[allow(clippy::too_many_arguments)] // one argument a thing that a book may be
    fn new(
        py: Python<'_>,
        symbols: Names,
        #[pyo3(from_py_with = number)] capacity: usize,
        fields: Option<Names>,
        dtype: &str,
        interval: Option<&Bound<'_, PyAny>>,
        unit: &str,
        fill: &str,
        max_gap: Option<&Bound<'_, PyAny>>,
        prices: &str,
        on_bad: &str,
    ) -> PyResult<Self> {
        let symbols = symbols.0;
        let made = PyDict::new(py);
        for (name, value) in [("interval", interval), ("max_gap", max_gap)] {
            made.set_item(name, value)?;
        }
        for (name, value) in
            [("dtype", dtype), ("unit", unit), ("fill", fill), ("prices", prices), ("on_bad", on_bad)]
        {
            made.set_item(name, value)?;
        }
        made.set_item("capacity", capacity)?;
        made.set_item("symbols", PyTuple::new(py, &symbols)?)?;
        let names = fields.map_or_else(bars::usual_fields, |f| f.0);
        made.set_item("fields", PyTuple::new(py, &names)?)?;
        let on_bad = OnBad::named(on_bad)?;
        let symbol_index: HashMap<String, usize> =
            symbols.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let distinct = names.iter().enumerate().all(|(i, n)| !names[..i].contains(n));
        let width = symbols.len().saturating_mul(names.len());
        if symbol_index.len() != symbols.len() || symbols.is_empty() || names.is_empty() || !distinct {
            return Err(PyValueError::new_err("symbols and fields must be distinct names, one at least"));
        }
        if capacity == 0 || capacity.saturating_mul(width) > 1 << 34 {
            return Err(PyValueError::new_err("capacity must be positive, and the book less than 128 GiB"));
        }
        let item = Item::named(dtype)?;
        let fill = match fill {
            "last" => true,
            "nan" => false,
            _ => return Err(PyValueError::new_err("fill must be 'last' or 'nan'")),
        };
        let any_price = guard::any_price(prices)?;
        let place = |name: &str| names.iter().position(|n| n == name);
        let four = ["open", "high", "low", "close"].map(place);
        let places = match four {
            [Some(o), Some(h), Some(l), Some(c)] => {
                Some(Places { prices: [o, h, l, c], volume: place("volume") })
            }
            _ => None,
        };
        let unit_ns: i64 = py.import("m5mem._time")?.call_method1("unit_ns", (unit,))?.extract()?;
        let mut built = None;
        if let Some(interval) = interval {
            if places.is_none() {
                return Err(PyValueError::new_err("bars from ticks need the fields open, high, low, close"));
            }
            let interval = Interval::from_py(interval, unit_ns)?;
            built = Some(Bars { interval, unit_ns, bar: None, open: vec![None; symbols.len()] });
        }
        let stamp = Version::make(py)?;
        let state = State {
            rows: Rows::new(py, capacity, width, item, false)?,
            times: Rows::new(py, capacity, 1, Item::I8, true)?,
            symbols: symbols.len(),
            places,
            bars: built,
            guard: Guard::from_py(max_gap, unit_ns, any_price)?,
            held: None,
            fill,
            late: 0,
            gaps: 0,
            stamp: stamp.clone_ref(py),
        };
        Ok(Self {
            state: StateCell::new(state),
            symbols: PyTuple::new(py, &symbols)?.unbind(),
            fields: PyTuple::new(py, &names)?.unbind(),
            symbol_index,
            names,
            stamp,
            made: made.unbind(),
            on_bad,
            told: StateCell::new(0),
        })
    }

    /// Appends one bar that begins at `time` (nanoseconds since 1970, or a datetime): an array (symbols × fields), or a
    /// dict of candles by symbol. A symbol that is not in the dict has the bar of one that did not trade (`fill`).
    fn append(&self, py: Python<'_>, time: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        let time = match time.extract::<i64>() {
            Ok(ns) => ns,
            Err(_) => tick::time_ns(py, time)?,
        };
        let (mut row, traded) = self.row(values)?;
        self.state.with(py, |s| {
            let idle = traded.iter().enumerate().filter(|(_, traded)| !**traded);
            idle.for_each(|(symbol, _)| s.idle(&mut row, symbol));
            s.append(py, &row, time)
        })
    }

    /// Takes a tick of a symbol; returns how many bars it closed, for all symbols. `ts` is a number in the book's unit,
    /// or a datetime. A tick of a bar that is closed already is dropped (`late_ticks`), one that is none is too
    /// (`bad_ticks`, `on_bad`).
    #[pyo3(signature = (symbol, ts, price, qty = 0.0))]
    fn push_tick(
        &self,
        py: Python<'_>,
        symbol: &str,
        ts: &Bound<'_, PyAny>,
        price: f64,
        qty: f64,
    ) -> PyResult<u64> {
        let symbol = self.symbol(symbol)?;
        let Some(unit_ns) = self.state.with(py, |s| s.bars.as_ref().map(|b| b.unit_ns)) else {
            return Err(PyValueError::new_err("give CandleBook an interval= to build bars from ticks"));
        };
        let ts = input::stamp(py, ts, unit_ns)?;
        match self.state.with(py, |s| s.tick(py, symbol, &Tick { ts, price, qty }))? {
            Ok(closed) => Ok(closed),
            Err(why) => self.on_bad.say(py, why, &self.told).map(|()| 0),
        }
    }

    /// The last `n` bars of a field (n × symbols), of a symbol (n × fields), or of both (n), read-only.
    #[pyo3(signature = (n = None, field = None, symbol = None, *, closed = false))]
    fn window<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = number)] n: Option<usize>,
        field: Option<&str>,
        symbol: Option<&str>,
        closed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if field.is_none() && symbol.is_none() {
            return Err(PyTypeError::new_err("window() wants a field, a symbol, or both"));
        }
        let field = field.map(|f| self.field(f)).transpose()?;
        let symbol = symbol.map(|s| self.symbol(s)).transpose()?;
        track::read(py, &self.stamp);
        let (memory, piece) = self.state.with(py, |s| s.look(py, n, field, symbol, closed))?;
        npy::bound(py, &memory.lend(py)?, &piece)
    }

    /// When each of the last `n` bars begins: int64 nanoseconds since 1970, a view.
    #[pyo3(signature = (n = None, *, closed = false))]
    fn times<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = number)] n: Option<usize>,
        closed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        track::read(py, &self.stamp);
        let (memory, piece) = self.state.with(py, |s| s.look_at_times(n, closed));
        npy::bound(py, &memory.lend(py)?, &piece)
    }

    /// One number: `field` of a symbol's newest bar, or of the one `back` bars before it.
    #[pyo3(signature = (symbol, field = "close", back = 0))]
    fn last(
        &self,
        py: Python<'_>,
        symbol: &str,
        field: &str,
        #[pyo3(from_py_with = number)] back: usize,
    ) -> PyResult<f64> {
        let (field, symbol) = (self.field(field)?, self.symbol(symbol)?);
        track::read(py, &self.stamp);
        let found = self.state.with(py, |s| s.last(field, symbol, back));
        found.ok_or_else(|| pyo3::exceptions::PyIndexError::new_err(format!("no bar {back} back")))
    }

    /// One field as a DataFrame of its own: a row a bar, a column a symbol.
    #[pyo3(signature = (field = "close", n = None))]
    fn to_pandas<'py>(
        &self,
        py: Python<'py>,
        field: &str,
        #[pyo3(from_py_with = number)] n: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pandas = py.import("pandas")?;
        let field = self.field(field)?;
        track::read(py, &self.stamp);
        let (times, values) = self.state.with(py, |s| {
            PyResult::Ok((s.look_at_times(n, false), s.look(py, n, Some(field), None, false)?))
        })?;
        let named = PyDict::new(py);
        named.set_item("utc", true)?;
        named.set_item("unit", "ns")?;
        let times = npy::bound(py, &times.0.lend(py)?, &times.1)?;
        let index = pandas.call_method("to_datetime", (times,), Some(&named))?;
        let options = PyDict::new(py);
        options.set_item("columns", self.symbols.bind(py).to_list())?;
        options.set_item("copy", true)?;
        options.set_item("index", index.call_method1("rename", ("time",))?)?;
        let values = npy::bound(py, &values.0.lend(py)?, &values.1)?;
        pandas.call_method("DataFrame", (values,), Some(&options))
    }

    #[getter]
    fn symbols(&self, py: Python<'_>) -> Py<PyTuple> {
        self.symbols.clone_ref(py)
    }

    #[getter]
    fn fields(&self, py: Python<'_>) -> Py<PyTuple> {
        self.fields.clone_ref(py)
    }

    #[getter]
    fn capacity(&self, py: Python<'_>) -> usize {
        self.state.with(py, |s| s.rows.capacity)
    }

    /// Bytes of memory, slack included; blocks that only views still hold are not counted.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> usize {
        self.state.with(py, |s| s.rows.nbytes() + s.times.nbytes())
    }

    /// Grows by one with every change: put it into cache keys.
    #[getter]
    fn version(&self, py: Python<'_>) -> u64 {
        track::read(py, &self.stamp);
        self.stamp.get().version()
    }

    /// Ticks of bars that were closed already (dropped).
    #[getter]
    fn late_ticks(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.late)
    }

    /// Ticks that were none (dropped), by reason: `not_finite`, `price`, `quantity`, `unit`, `future`.
    #[getter]
    fn bad_ticks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.state.with(py, |s| s.guard.counts);
        Guard::counts(py, counts)
    }

    /// Bars in which no symbol traded.
    #[getter]
    fn gap_bars(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.gaps)
    }

    /// All that it knows as a dict of plain values, for `CandleBook.from_state`: it pickles, and is good in another
    /// process and another version of Python.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.save(py)
    }

    /// A book with the bars of a `state`.
    #[staticmethod]
    fn from_state<'py>(py: Python<'py>, state: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        Self::restore(py, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let state = slf.get().save(py)?;
        Ok((py.get_type::<Self>().getattr("from_state")?, PyTuple::new(py, [state])?))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        track::read(py, &self.stamp);
        self.state.with(py, |s| s.rows.len())
    }

    fn __sizeof__(&self, py: Python<'_>) -> usize {
        size_of::<Self>() + self.nbytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (len, capacity) = self.state.with(py, |s| (s.rows.len(), s.rows.capacity));
        format!(
            "<m5mem.CandleBook {len}/{capacity}, {} symbols ({})>",
            self.symbol_index.len(),
            self.names.join(", ")
        )
    }
}
