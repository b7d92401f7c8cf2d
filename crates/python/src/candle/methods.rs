//! The methods of `CandleBuffer` that are not called with every tick.
#![allow(unsafe_code)]

use super::deliver::deliver;
use super::state::{Places, State};
use super::{CandleBuffer, MAX_FIELDS};
use crate::arrow;
use crate::bars::{self, Bars};
use crate::block::{Item, Rows};
use crate::guard::{self, Guard, OnBad};
use crate::npy;
use crate::own::Own;
use crate::threads::StateCell;
use crate::tick::Interval;
use crate::track::{self, Version};
use crate::types::{Names, number};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCapsule, PyDict, PyList, PySlice, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

#[pymethods]
impl CandleBuffer {
    #[new]
    #[pyo3(signature = (capacity = 200, fields = None, dtype = "f8", *, order = "C", interval = None, gaps = "skip", unit = "s", time = false, max_gap = None, prices = "positive", on_bad = "skip", on_close = None))]
    #[allow(clippy::too_many_arguments)] // one argument a thing that a buffer may be
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = number)] capacity: usize,
        fields: Option<Names>,
        dtype: &str,
        order: &str,
        interval: Option<&Bound<'_, PyAny>>,
        gaps: &str,
        unit: &str,
        time: bool,
        max_gap: Option<&Bound<'_, PyAny>>,
        prices: &str,
        on_bad: &str,
        on_close: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        // A service has hundreds of buffers: they share these words.
        let shared = |word: &str| PyString::intern(py, word);
        let made_with = PyDict::new(py);
        for (name, value) in [("dtype", dtype), ("order", order), ("gaps", gaps), ("unit", unit)] {
            made_with.set_item(shared(name), shared(value))?;
        }
        for (name, value) in [("interval", interval), ("max_gap", max_gap)] {
            made_with.set_item(shared(name), value)?;
        }
        for (name, value) in [("prices", prices), ("on_bad", on_bad)] {
            made_with.set_item(shared(name), shared(value))?;
        }
        made_with.set_item(shared("capacity"), capacity)?;
        made_with.set_item(shared("time"), time)?;
        let on_bad = OnBad::named(on_bad)?;
        let any_price = guard::any_price(prices)?;
        if on_close.as_ref().is_some_and(|f| !f.is_callable()) {
            return Err(PyTypeError::new_err("on_close must be callable"));
        }
        let usual = fields.is_none();
        let names = fields.map_or_else(bars::usual_fields, |f| f.0);
        let distinct = names.iter().enumerate().all(|(i, n)| !names[..i].contains(n));
        if capacity == 0 || capacity > 1 << 32 || names.is_empty() || names.len() > MAX_FIELDS || !distinct {
            let text =
                format!("capacity must be 1 to 4,294,967,296, fields 1 to {MAX_FIELDS} distinct names");
            return Err(PyValueError::new_err(text));
        }
        let item = Item::named(dtype)?;
        let by_row = match order {
            "C" => true,
            "F" => false,
            _ => return Err(PyValueError::new_err("order must be 'C' (by candle) or 'F' (by field)")),
        };
        let fill = match gaps {
            "skip" => false,
            "fill" => true,
            _ => return Err(PyValueError::new_err("gaps must be 'skip' or 'fill'")),
        };
        // Names of a program's own are not shared: from 3.12 on what is shared is never freed.
        let own = |name: &String| if usual { shared(name) } else { PyString::new(py, name) };
        let fields = PyTuple::new(py, names.iter().map(own))?;
        made_with.set_item(shared("fields"), &fields)?;
        let rows = Rows::new(py, capacity, names.len(), item, by_row)?;
        let times = if time { Some(Rows::new(py, capacity, 1, Item::I8, true)?) } else { None };
        let stamp = Version::make(py)?;
        let state = State {
            rows,
            stamp: stamp.clone_ref(py),
            feeds: Vec::new(),
            bars: None,
            times,
            calls: Vec::new(),
            fed: false,
            coarse_ns: None,
        };
        let made = Self {
            stamp,
            made: made_with.unbind(),
            on_bad,
            on_close: StateCell::new(on_close.map(Own::from)),
            followers: StateCell::new(Vec::new()),
            told: StateCell::new(0),
            row_class: PyOnceLock::new(),
            fields: fields.unbind(),
            state: StateCell::new(state),
            names,
            by_row,
        };
        let unit_ns: i64 = py.import("m5mem._time")?.call_method1("unit_ns", (unit,))?.extract()?;
        if let Some(interval) = interval {
            let places = Places {
                open: made.index("open")?,
                high: made.index("high")?,
                low: made.index("low")?,
                close: made.index("close")?,
                volume: made.index("volume").ok(),
                ts: made.index("ts").ok(),
            };
            let guard = Guard::from_py(max_gap, unit_ns, any_price)?;
            let bars = Bars::new(Interval::from_py(interval, unit_ns)?, unit_ns, fill, guard);
            made.state.with(py, |s| s.bars = Some((bars, places)));
        }
        Ok(made)
    }

    /// Appends rows: an array (rows × fields), a DataFrame with the fields as columns, or a sequence of rows. With a
    /// time axis `times` says when each begins (int64 nanoseconds, datetimes); a DataFrame's index does by itself.
    #[pyo3(signature = (data, times = None))]
    fn extend(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        times: Option<Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let (py, own) = (slf.py(), slf.get());
        own.must_not_be_fed(py)?;
        let values = own.rows_of(py, data)?;
        let width = own.names.len();
        let rows = values.len() / width;
        let times = own.times_of(py, data, times, rows)?;
        let done = own.state.with(py, |s| {
            values.chunks_exact(width).zip(&times).try_for_each(|(row, &time)| s.append(py, row, time))
        });
        done.and(deliver(slf))?;
        Ok(rows)
    }

    /// When each of the last `n` candles begins: int64 nanoseconds since 1970, a view (`time=True`).
    #[pyo3(name = "times", signature = (n = None))]
    fn py_times<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = number)] n: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.times(py, n)
    }

    /// What is called, with this buffer and the number of bars, when a tick has closed bars.
    #[getter]
    fn on_close(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.on_close.with(py, |f| f.as_ref().map(|f| f.py().clone_ref(py)))
    }

    #[setter]
    fn set_on_close(&self, py: Python<'_>, function: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        if function.as_ref().is_some_and(|f| !f.is_callable()) {
            return Err(PyTypeError::new_err("on_close must be callable"));
        }
        let function = function.map(Own::from);
        drop(self.on_close.with(py, |f| std::mem::replace(f, function)));
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: this is the collector's visit.
        let (function, followers) = unsafe { (self.on_close.peek(), self.followers.peek()) };
        followers.iter().try_for_each(|f| visit.call(f.object.py()))?;
        function.as_ref().map_or(Ok(()), |f| visit.call(f.py()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.on_close.with(py, Option::take));
        drop(self.followers.with(py, std::mem::take));
    }

    /// Forgets all candles, the open bar and what attached indicators know; views stay as they are.
    fn clear(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().must_not_be_fed(slf.py())?;
        Self::clear_all(slf)
    }

    /// Lets every new candle feed `indicator`, and gives it back. `field` is the field it reads (default `close`);
    /// ATR reads high, low, close, RollingVWAP the typical price and volume. `on="close"` makes it see bars from
    /// `push_tick` only when they are whole. Candles that are there already are fed now.
    ///
    /// An object of your own is an indicator too: `update(*values)` is called with the fields that `field` names (one,
    /// or several in a tuple), and `replace(*values)` where the newest candle changes; `reset()` by `clear`, if it has
    /// one. It is called when the change is whole, and may read this buffer. What it raises comes out of the call that
    /// fed it; the candle is in.
    #[pyo3(signature = (indicator, field = None, *, on = "tick"))]
    fn attach<'py>(
        slf: &Bound<'py, Self>,
        indicator: Bound<'py, PyAny>,
        field: Option<&Bound<'py, PyAny>>,
        on: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        Self::attach_any(slf, indicator, field, on)
    }

    /// A buffer of longer bars (`interval`: `"5min"`, a timedelta, or nanoseconds) that follows this one in the same
    /// calls, its last bar open; it begins with the candles that are here. Bars begin at multiples of the interval
    /// since 1970, UTC. `how` says for a field how its bars become one ("first", "max", "min", "last", "sum"); by
    /// default open, high, low, close and volume are what they are everywhere, other fields are the last. Indicators
    /// are attached to it as to any; `on_close` is called when one of its bars is whole. This buffer needs a time axis.
    #[pyo3(signature = (interval, capacity = 200, *, how = None, on_close = None))]
    fn resample<'py>(
        slf: &Bound<'py, Self>,
        interval: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = number)] capacity: usize,
        how: Option<&Bound<'py, PyDict>>,
        on_close: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::coarser(slf, interval, capacity, how, on_close)
    }

    /// Stops feeding `indicator`, or a buffer that `resample` made.
    fn detach(&self, indicator: &Bound<'_, PyAny>) -> PyResult<()> {
        self.detach_any(indicator)
    }

    /// The attached indicators, in the order of `attach`.
    #[getter]
    fn indicators(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.attached_objects(py)
    }

    /// One number: `field` of the newest candle, or of the one `back` candles before it.
    #[pyo3(signature = (field = "close", back = 0))]
    fn last(&self, py: Python<'_>, field: &str, #[pyo3(from_py_with = number)] back: usize) -> PyResult<f64> {
        let field = self.index(field)?;
        track::read(py, &self.stamp);
        self.state
            .with(py, |s| s.rows.get(back, field))
            .ok_or_else(|| PyIndexError::new_err(format!("no candle {back} back")))
    }

    /// The last `n` candles as a pandas DataFrame of their own (a copy).
    #[pyo3(signature = (n = None))]
    fn to_pandas<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = number)] n: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = PyDict::new(py);
        options.set_item("columns", self.fields.bind(py).to_list())?;
        options.set_item("copy", true)?;
        let pandas = py.import("pandas")?;
        let mut parts = self.parts(py, n.unwrap_or(usize::MAX))?;
        let Some((block, rows)) = parts.pop() else { return Ok(py.None().into_bound(py)) };
        if let Some((block, piece)) = parts.pop() {
            let named = PyDict::new(py);
            named.set_item("utc", true)?;
            named.set_item("unit", "ns")?;
            let times = npy::bound(py, &block, &piece)?;
            let index = pandas.call_method("to_datetime", (times,), Some(&named))?;
            options.set_item("index", index.call_method1("rename", ("time",))?)?;
        }
        pandas.call_method("DataFrame", (npy::bound(py, &block, &rows)?,), Some(&options))
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.array(py, None, None)?;
        let Some(dtype) = dtype else {
            return if copy == Some(true) { array.call_method0("copy") } else { Ok(array) };
        };
        let options = PyDict::new(py);
        options.set_item("copy", copy == Some(true))?;
        array.call_method("astype", (dtype,), Some(&options))
    }

    /// Arrow PyCapsule interface: a struct array with a column a field, after `time` (UTC nanoseconds) where the buffer
    /// has a time axis. No copy with order="F".
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let _ = requested_schema;
        arrow::array(py, &self.columns(py), &self.parts(py, usize::MAX)?)
    }

    /// Arrow PyCapsule interface: a stream of one batch.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow::stream(py, self.columns(py), &self.parts(py, usize::MAX)?)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, &self.columns(py))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        track::read(py, &self.stamp);
        self.state.with(py, |s| s.rows.len())
    }

    /// `buffer["close"]`: the whole column; `buffer[-1]`: a candle; `buffer[-20:]`: the candles as an array.
    fn __getitem__<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(field) = at.cast::<PyString>() {
            let field = field.to_cow()?;
            if field == "time" && !self.names.iter().any(|n| n == "time") {
                return self.times(py, None);
            }
            return self.array(py, None, Some(self.index(&field)?));
        }
        if at.cast::<PySlice>().is_ok() {
            return self.array(py, None, None)?.get_item(at);
        }
        self.candle(py, at.extract()?)
    }

    /// The candles of now, oldest first.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, self.candles(py)?)?.as_any().try_iter().map(Bound::into_any)
    }

    #[getter]
    fn fields(&self, py: Python<'_>) -> Py<PyTuple> {
        self.fields.clone_ref(py)
    }

    #[getter]
    fn capacity(&self, py: Python<'_>) -> usize {
        self.state.with(py, |s| s.rows.capacity)
    }

    #[getter]
    fn dtype(&self, py: Python<'_>) -> &'static str {
        match self.state.with(py, |s| s.rows.item) {
            Item::F4 => "f4",
            Item::F8 | Item::I8 => "f8",
        }
    }

    #[getter]
    fn order(&self) -> &'static str {
        if self.by_row { "C" } else { "F" }
    }

    /// Bytes of candle memory, slack included; blocks that only views still hold are not counted.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> usize {
        self.state.with(py, |s| s.rows.nbytes())
    }

    /// Grows by one with every change: put it into cache keys.
    #[getter]
    pub(crate) fn version(&self, py: Python<'_>) -> u64 {
        track::read(py, &self.stamp);
        self.stamp.get().version()
    }

    /// Ticks of bars that were closed already (dropped).
    #[getter]
    fn late_ticks(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.late))
    }

    /// Ticks that were none (dropped): the sum of `bad_ticks`.
    #[getter]
    fn rejected_ticks(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.guard.counts.iter().sum()))
    }

    /// The same by reason: `not_finite`, `price`, `quantity`, `unit`, `future`.
    #[getter]
    fn bad_ticks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.state.with(py, |s| s.bars.as_ref().map_or([0; 5], |(b, _)| b.guard.counts));
        Guard::counts(py, counts)
    }

    /// Bars in which no tick fell.
    #[getter]
    fn gap_bars(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.gaps))
    }

    /// When the open bar began, in the unit of the ticks; `None` where no bar is open.
    #[getter]
    fn bar_start(&self, py: Python<'_>) -> Option<f64> {
        track::read(py, &self.stamp);
        self.state.with(py, |s| s.bars.as_ref().and_then(|(b, _)| b.open.map(|o| b.interval.begin(o.bar))))
    }

    /// All that it knows as a dict of plain values, for `CandleBuffer.from_state`: it pickles, and is good in another
    /// process and another version of Python. Attached indicators and `on_close` are not in it.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.save(py)
    }

    /// A buffer with the candles of a `state`.
    #[staticmethod]
    fn from_state<'py>(py: Python<'py>, state: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        Self::restore(py, state)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let state = slf.get().save(py)?;
        Ok((py.get_type::<Self>().getattr("from_state")?, PyTuple::new(py, [state])?))
    }

    fn __sizeof__(&self, py: Python<'_>) -> usize {
        size_of::<Self>() + self.nbytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (len, capacity, version) =
            self.state.with(py, |s| (s.rows.len(), s.rows.capacity, s.stamp.get().version()));
        format!("<m5mem.CandleBuffer {len}/{capacity} ({}) version={version}>", self.names.join(", "))
    }
}
