//! `CandleBuffer`: the newest candles in one piece of memory, with indicators fed in the same call.
#![allow(unsafe_code)]

use crate::bars::{Bars, Interval, Open, Stamp, Step};
use crate::block::{Block, Item, Piece, Rows};
use crate::cell::GilCell;
use crate::indicator::PyIndicator;
use crate::indicators::Spec;
use crate::{arrow, export, npy, raw};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyString, PyTuple};

const MAX_FIELDS: usize = 64;
type Row = [f64; MAX_FIELDS];

/// Where an attached indicator reads.
enum Source {
    One(usize),
    /// High, low, close.
    Three([usize; 3]),
    /// Typical price of high, low, close; and volume.
    Typical([usize; 4]),
    /// A price and a volume.
    Priced([usize; 2]),
}

impl Source {
    #[inline]
    fn read(&self, row: &[f64]) -> [f64; 4] {
        match *self {
            Self::One(f) => [row[f], 0.0, 0.0, 0.0],
            Self::Three([h, l, c]) => [row[h], row[l], row[c], 0.0],
            Self::Typical([h, l, c, v]) => [(row[h] + row[l] + row[c]) / 3.0, row[v], 0.0, 0.0],
            Self::Priced([p, v]) => [row[p], row[v], 0.0, 0.0],
        }
    }
}

struct Feed {
    indicator: Py<PyIndicator>,
    source: Source,
    /// Sees a bar of `push_tick` only when it is closed.
    on_close: bool,
}

/// Which events a feed takes part in.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    /// A whole candle.
    Append,
    /// The last candle changes.
    Replace,
    /// A bar from ticks opens.
    Opened,
    /// A bar from ticks is whole.
    Closed,
}

/// Fields by name, where `push_tick` writes.
#[derive(Clone, Copy)]
struct Places {
    open: usize,
    high: usize,
    low: usize,
    close: usize,
    volume: Option<usize>,
    ts: Option<usize>,
}

struct State {
    rows: Rows,
    version: u64,
    feeds: Vec<Feed>,
    bars: Option<(Bars, Places)>,
}

impl State {
    #[inline]
    fn notify(&self, py: Python<'_>, event: Event, row: &[f64]) {
        for feed in &self.feeds {
            let x = feed.source.read(row);
            feed.indicator.get().cell.with(py, |i| match event {
                Event::Append => i.push(&x),
                Event::Replace | Event::Opened if feed.on_close => {}
                Event::Replace => i.replace(&x),
                Event::Opened => i.push(&x),
                Event::Closed if feed.on_close => i.push(&x),
                Event::Closed => {}
            });
        }
    }

    #[inline]
    fn append(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        if self.bars.is_some() {
            self.close_bar(py);
        }
        self.rows.push(py, row)?;
        self.version += 1;
        self.notify(py, Event::Append, row);
        Ok(())
    }

    /// Ends the bar that ticks left open.
    fn close_bar(&mut self, py: Python<'_>) {
        let Some((bars, places)) = &mut self.bars else { return };
        let Some(open) = bars.open.take() else { return };
        let row = places.row(bars.interval, &open);
        self.notify(py, Event::Closed, &row);
    }

    fn update_last(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        if self.bars.as_ref().is_some_and(|(b, _)| b.open.is_some()) {
            return Err(PyValueError::new_err(
                "the last candle is open and built from ticks; push a tick instead",
            ));
        }
        if !self.rows.set_last(py, row)? {
            return Err(PyValueError::new_err("the buffer is empty: append a candle first"));
        }
        self.version += 1;
        for feed in &self.feeds {
            let x = feed.source.read(row);
            feed.indicator.get().cell.with(py, |i| i.replace(&x));
        }
        Ok(())
    }

    /// Takes a tick; how many bars it closed.
    fn tick(&mut self, py: Python<'_>, ts: Stamp, price: f64, qty: f64) -> PyResult<u64> {
        let Some((bars, places)) = &mut self.bars else {
            return Err(PyValueError::new_err("give CandleBuffer an interval= to build candles from ticks"));
        };
        let places = *places;
        let before = bars.open;
        let step = bars.tick(ts, price, qty);
        let interval = bars.interval;
        let Some(open) = bars.open else { return Ok(0) };
        let row = places.row(interval, &open);
        match step {
            Step::Drop => Ok(0),
            Step::Change => {
                self.rows.set_last(py, &row)?;
                self.version += 1;
                self.notify(py, Event::Replace, &row);
                Ok(0)
            }
            Step::Append { close, gaps } => {
                let filled = gaps.min(self.rows.capacity as u64);
                if let (true, Some(before)) = (close, &before) {
                    self.notify(py, Event::Closed, &places.row(interval, before));
                }
                for back in (1..=filled).rev() {
                    let Some((bars, _)) = &self.bars else { break };
                    let flat = places.row(interval, &bars.gap(back));
                    self.rows.push(py, &flat)?;
                    self.notify(py, Event::Append, &flat);
                }
                self.rows.push(py, &row)?;
                self.version += 1;
                self.notify(py, Event::Opened, &row);
                Ok(if close { 1 + gaps } else { 0 })
            }
        }
    }
}

impl Places {
    #[inline]
    fn row(&self, interval: Interval, bar: &Open) -> Row {
        let mut row = [0.0; MAX_FIELDS];
        (row[self.open], row[self.high], row[self.low], row[self.close]) =
            (bar.open, bar.high, bar.low, bar.close);
        if let Some(volume) = self.volume {
            row[volume] = bar.volume;
        }
        if let Some(ts) = self.ts {
            row[ts] = interval.begin(bar.bar);
        }
        row
    }
}

/// The newest `capacity` candles in one contiguous piece of memory.
///
/// `window(n)` is a read-only NumPy view that costs no copy and never changes: what would overwrite it goes to a
/// fresh block. Attached indicators are updated in the same call. With `interval=` candles are built from ticks.
#[pyclass(frozen, module = "m5mem._native")]
pub(crate) struct CandleBuffer {
    state: GilCell<State>,
    names: Vec<String>,
    fields: Py<PyTuple>,
    by_row: bool,
}

impl CandleBuffer {
    fn index(&self, name: &str) -> PyResult<usize> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            PyKeyError::new_err(format!("no field '{name}'; the fields are {}", self.names.join(", ")))
        })
    }

    fn piece(&self, py: Python<'_>, n: Option<usize>, field: Option<usize>) -> (Py<Block>, Piece) {
        self.state.with(py, |s| {
            let piece = s.rows.window(n.unwrap_or(usize::MAX), field);
            (s.rows.block.clone_ref(py), piece)
        })
    }

    fn array<'py>(
        &self,
        py: Python<'py>,
        n: Option<usize>,
        field: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (block, piece) = self.piece(py, n, field);
        let made = npy::array(py, &block, &piece, false)?;
        // SAFETY: a new reference.
        Ok(unsafe { Bound::from_owned_ptr(py, made) })
    }

    fn source(&self, spec: Spec, field: Option<&str>) -> PyResult<Source> {
        let hlc = || PyResult::Ok([self.index("high")?, self.index("low")?, self.index("close")?]);
        match (spec, field) {
            (Spec::Atr(_), None) => Ok(Source::Three(hlc()?)),
            (Spec::Atr(_), Some(_)) => {
                Err(PyValueError::new_err("ATR reads high, low and close; leave field out"))
            }
            (Spec::Vwap(_), None | Some("typical")) => {
                let [h, l, c] = hlc()?;
                Ok(Source::Typical([h, l, c, self.index("volume")?]))
            }
            (Spec::Vwap(_), Some(f)) => Ok(Source::Priced([self.index(f)?, self.index("volume")?])),
            (_, None) if self.names.len() == 1 => Ok(Source::One(0)),
            (_, f) => Ok(Source::One(self.index(f.unwrap_or("close"))?)),
        }
    }

    /// Rows of an array (rows × fields, or a single field), or of a sequence of rows.
    fn rows_of(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
        let width = self.names.len();
        let data = if data.hasattr("to_numpy")? && data.hasattr("columns")? {
            &data.get_item(self.fields.bind(py).to_list())?.call_method0("to_numpy")?
        } else {
            data
        };
        let wrong = || {
            PyValueError::new_err(format!("rows of {width} number(s) expected: {}", self.names.join(", ")))
        };
        let Ok(buffer) = raw::Borrowed::of(data) else {
            let mut out = Vec::new();
            for row in data.try_iter()? {
                let row = row?;
                let before = out.len();
                match row.extract::<f64>() {
                    Ok(x) if width == 1 => out.push(x),
                    _ => out.extend_from_slice(raw::Numbers::of(&row)?.as_slice()),
                }
                if out.len() - before != width {
                    return Err(wrong());
                }
            }
            return Ok(out);
        };
        let read = buffer.reader()?;
        let (rows, strides) = match buffer.dims() {
            (&[n], &[s]) if width == 1 => (n, [s, 0]),
            (&[n, w], &[s, f]) if w as usize == width => (n, [s, f]),
            _ => return Err(wrong()),
        };
        let cell = |row: isize, field: usize| {
            // SAFETY: inside the exporter's own shape.
            unsafe { read(buffer.start().offset(row * strides[0] + field as isize * strides[1])) }
        };
        Ok((0..rows)
            .flat_map(|row| (0..width).map(move |field| (row, field)))
            .map(|(r, f)| cell(r, f))
            .collect())
    }
}

#[pymethods]
impl CandleBuffer {
    #[new]
    #[pyo3(signature = (capacity = 200, fields = None, dtype = "f8", *, order = "C", interval = None, gaps = "skip"))]
    fn new(
        py: Python<'_>,
        capacity: usize,
        fields: Option<Vec<String>>,
        dtype: &str,
        order: &str,
        interval: Option<&Bound<'_, PyAny>>,
        gaps: &str,
    ) -> PyResult<Self> {
        let names =
            fields.unwrap_or_else(|| ["open", "high", "low", "close", "volume"].map(String::from).to_vec());
        let distinct = names.iter().enumerate().all(|(i, n)| !names[..i].contains(n));
        if capacity == 0 || capacity > 1 << 32 || names.is_empty() || names.len() > MAX_FIELDS || !distinct {
            let text = format!("capacity must be positive, fields 1 to {MAX_FIELDS} distinct names");
            return Err(PyValueError::new_err(text));
        }
        let item = match dtype {
            "f8" | "float64" | "<f8" => Item::F8,
            "f4" | "float32" | "<f4" => Item::F4,
            _ => return Err(PyValueError::new_err("dtype must be 'f8' or 'f4'")),
        };
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
        let rows = Rows::new(py, capacity, names.len(), item, by_row)?;
        let made = Self {
            fields: PyTuple::new(py, &names)?.unbind(),
            state: GilCell::new(State { rows, version: 0, feeds: Vec::new(), bars: None }),
            names,
            by_row,
        };
        if let Some(interval) = interval {
            let places = Places {
                open: made.index("open")?,
                high: made.index("high")?,
                low: made.index("low")?,
                close: made.index("close")?,
                volume: made.index("volume").ok(),
                ts: made.index("ts").ok(),
            };
            let bars = Bars::new(Interval::from_py(interval)?, fill);
            made.state.with(py, |s| s.bars = Some((bars, places)));
        }
        Ok(made)
    }

    /// Appends rows: an array (rows × fields), a DataFrame with the fields as columns, or a sequence of rows.
    fn extend(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let values = self.rows_of(py, data)?;
        let width = self.names.len();
        self.state.with(py, |s| values.chunks_exact(width).try_for_each(|row| s.append(py, row)))?;
        Ok(values.len() / width)
    }

    /// Forgets all candles, the open bar and what attached indicators know; views stay as they are.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.state.with(py, |s| {
            s.version += 1;
            for feed in &s.feeds {
                feed.indicator.get().cell.with(py, crate::indicators::Indicator::reset);
            }
            if let Some((bars, _)) = &mut s.bars {
                bars.open = None;
            }
            s.rows.clear(py)
        })
    }

    /// Lets every new candle feed `indicator`, and gives it back. `field` is the field it reads (default `close`);
    /// ATR reads high, low, close, RollingVWAP the typical price and volume. `on="close"` makes it see bars from
    /// `push_tick` only when they are whole. Candles that are there already are fed now.
    #[pyo3(signature = (indicator, field = None, *, on = "tick"))]
    fn attach<'py>(
        &self,
        py: Python<'py>,
        indicator: Bound<'py, PyIndicator>,
        field: Option<&str>,
        on: &str,
    ) -> PyResult<Bound<'py, PyIndicator>> {
        let source = self.source(indicator.get().spec, field)?;
        let on_close = match on {
            "tick" => false,
            "close" => true,
            _ => return Err(PyValueError::new_err("on must be 'tick' or 'close'")),
        };
        if indicator.get().attached.with(py, |a| std::mem::replace(a, true)) {
            return Err(PyValueError::new_err("this indicator is attached already; make another one"));
        }
        let feed = Feed { indicator: indicator.clone().unbind(), source, on_close };
        self.state.with(py, |s| {
            let open = s.bars.as_ref().is_some_and(|(b, _)| b.open.is_some());
            let skip = usize::from(open && on_close);
            for back in (skip..s.rows.len()).rev() {
                let row: Vec<f64> = (0..s.rows.fields).filter_map(|f| s.rows.get(back, f)).collect();
                let x = feed.source.read(&row);
                feed.indicator.get().cell.with(py, |i| i.push(&x));
            }
            s.feeds.push(feed);
        });
        Ok(indicator)
    }

    /// Stops feeding `indicator`.
    fn detach(&self, py: Python<'_>, indicator: &Bound<'_, PyIndicator>) -> PyResult<()> {
        let found = self.state.with(py, |s| {
            let at = s.feeds.iter().position(|f| f.indicator.as_ptr() == indicator.as_ptr())?;
            Some(s.feeds.remove(at))
        });
        let Some(_feed) = found else {
            return Err(PyValueError::new_err("this indicator is not attached to this buffer"));
        };
        indicator.get().attached.with(py, |a| *a = false);
        Ok(())
    }

    /// The attached indicators, in the order of `attach`.
    #[getter]
    fn indicators(&self, py: Python<'_>) -> Vec<Py<PyIndicator>> {
        self.state.with(py, |s| s.feeds.iter().map(|f| f.indicator.clone_ref(py)).collect())
    }

    /// One number: `field` of the newest candle, or of the one `back` candles before it.
    #[pyo3(signature = (field = "close", back = 0))]
    fn last(&self, py: Python<'_>, field: &str, back: usize) -> PyResult<f64> {
        let field = self.index(field)?;
        self.state
            .with(py, |s| s.rows.get(back, field))
            .ok_or_else(|| pyo3::exceptions::PyIndexError::new_err(format!("no candle {back} back")))
    }

    /// The last `n` candles as a pandas DataFrame of their own (a copy).
    #[pyo3(signature = (n = None))]
    fn to_pandas<'py>(&self, py: Python<'py>, n: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let options = PyDict::new(py);
        options.set_item("columns", self.fields.bind(py).to_list())?;
        options.set_item("copy", true)?;
        py.import("pandas")?.call_method("DataFrame", (self.array(py, n, None)?,), Some(&options))
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

    /// Arrow PyCapsule interface: a struct array with a column a field. No copy with order="F".
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let _ = requested_schema;
        let (block, piece) = self.piece(py, None, None);
        arrow::array(py, &self.names, &block, &piece)
    }

    /// Arrow PyCapsule interface: a stream of one batch.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let (block, piece) = self.piece(py, None, None);
        arrow::stream(py, &self.names, &block, &piece)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let item = self.state.with(py, |s| s.rows.item);
        arrow::schema(py, &self.names, item)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.state.with(py, |s| s.rows.len())
    }

    /// `buffer["close"]`: the whole column.
    fn __getitem__<'py>(&self, py: Python<'py>, field: &str) -> PyResult<Bound<'py, PyAny>> {
        let field = self.index(field)?;
        self.array(py, None, Some(field))
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
            Item::F8 => "f8",
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
        self.state.with(py, |s| s.version)
    }

    /// Ticks of bars that were closed already (dropped).
    #[getter]
    fn late_ticks(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.late))
    }

    /// Ticks with a NaN or infinite time, price or quantity (dropped).
    #[getter]
    fn rejected_ticks(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.rejected))
    }

    /// Bars in which no tick fell.
    #[getter]
    fn gap_bars(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |s| s.bars.as_ref().map_or(0, |(b, _)| b.gaps))
    }

    /// When the open bar began, in the unit of the ticks; `None` where no bar is open.
    #[getter]
    fn bar_start(&self, py: Python<'_>) -> Option<f64> {
        self.state.with(py, |s| s.bars.as_ref().and_then(|(b, _)| b.open.map(|o| b.interval.begin(o.bar))))
    }

    fn __sizeof__(&self, py: Python<'_>) -> usize {
        size_of::<Self>() + self.nbytes(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (len, capacity, version) = self.state.with(py, |s| (s.rows.len(), s.rows.capacity, s.version));
        format!("<m5mem.CandleBuffer {len}/{capacity} ({}) version={version}>", self.names.join(", "))
    }
}

unsafe fn with_row(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    f: fn(&mut State, Python<'_>, &[f64]) -> PyResult<()>,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own, args) =
            (Python::assume_attached(), raw::contents::<CandleBuffer>(slf), raw::args(args, n));
        let width = own.names.len();
        if args.len() != width {
            let text = format!("{width} number(s) expected ({}), {} given", own.names.join(", "), args.len());
            return raw::give(py, Err(PyTypeError::new_err(text)));
        }
        let mut row = std::mem::MaybeUninit::<Row>::uninit();
        let start = row.as_mut_ptr().cast::<f64>();
        for (i, &arg) in args.iter().enumerate() {
            let Some(value) = raw::float(arg) else { return std::ptr::null_mut() };
            start.add(i).write(value);
        }
        let row = std::slice::from_raw_parts(start, width);
        raw::give(py, own.state.with(py, |s| f(s, py, row)).map(|()| raw::none()))
    }
}

unsafe extern "C" fn append(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { with_row(slf, args, n, State::append) }
}

unsafe extern "C" fn update_last(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { with_row(slf, args, n, State::update_last) }
}

unsafe extern "C" fn push_tick(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let (ts, price, qty) = match raw::args(args, n) {
            &[ts, price] => (ts, price, None),
            &[ts, price, qty] => (ts, price, Some(qty)),
            other => {
                let text =
                    format!("push_tick(ts, price, qty=0.0) takes 2 or 3 arguments, {} given", other.len());
                return raw::give(py, Err(PyTypeError::new_err(text)));
            }
        };
        let ts = if ffi::PyLong_Check(ts) != 0 {
            let mut overflow = 0;
            let value = ffi::PyLong_AsLongLongAndOverflow(ts, &raw mut overflow);
            if overflow == 0 { Stamp::Int(value) } else { Stamp::Float(f64::NAN) }
        } else {
            let Some(value) = raw::float(ts) else { return std::ptr::null_mut() };
            Stamp::Float(value)
        };
        let Some(price) = raw::float(price) else { return std::ptr::null_mut() };
        let qty = match qty {
            None => 0.0,
            Some(qty) => match raw::float(qty) {
                Some(qty) => qty,
                None => return std::ptr::null_mut(),
            },
        };
        let closed = own.state.with(py, |s| s.tick(py, ts, price, qty));
        raw::give(py, closed.map(|n| ffi::PyLong_FromUnsignedLongLong(n)))
    }
}

/// `(n=None, field=None)` of `window` and `view`.
unsafe fn window_args(
    own: &CandleBuffer,
    py: Python<'_>,
    args: &[*mut PyObject],
) -> PyResult<(Option<usize>, Option<usize>)> {
    if args.len() > 2 {
        return Err(PyTypeError::new_err("window(n=None, field=None) takes at most 2 arguments"));
    }
    // SAFETY: borrowed references that live for the call.
    let at =
        |i: usize| args.get(i).map(|&p| unsafe { Bound::from_borrowed_ptr(py, p) }).filter(|o| !o.is_none());
    let n = match at(0) {
        None => None,
        Some(n) => match n.extract::<isize>()? {
            n if n >= 0 => Some(n as usize),
            _ => return Err(PyValueError::new_err("a window has 0 or more candles")),
        },
    };
    let field = match at(1) {
        None => None,
        Some(f) => Some(own.index(&f.cast::<PyString>()?.to_cow()?)?),
    };
    Ok((n, field))
}

/// `window` and `view`: the two ways to look at a piece.
unsafe fn look(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    n: Py_ssize_t,
    f: fn(Python<'_>, &Py<Block>, Piece) -> PyResult<*mut PyObject>,
) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe {
        let (py, own) = (Python::assume_attached(), raw::contents::<CandleBuffer>(slf));
        let made = window_args(own, py, raw::args(args, n)).and_then(|(n, field)| {
            let (block, piece) = own.state.with(py, |s| {
                let piece = s.rows.window(n.unwrap_or(usize::MAX), field);
                (s.rows.block.bind(py).clone(), piece)
            });
            // A bound reference: dropping one outside of PyO3's own calls is exact.
            let block = std::mem::ManuallyDrop::new(block.unbind());
            let made = f(py, &block, piece);
            ffi::Py_DECREF(block.as_ptr());
            made
        });
        raw::give(py, made)
    }
}

unsafe extern "C" fn window(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, |py, block, piece| npy::array(py, block, &piece, false)) }
}

unsafe extern "C" fn view(slf: *mut PyObject, args: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject {
    // SAFETY: the contract of METH_FASTCALL.
    unsafe { look(slf, args, n, export::memoryview) }
}

/// Adds the class to the module.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<CandleBuffer>()?;
    let class = &m.py().get_type::<CandleBuffer>();
    raw::add_fast(
        class,
        c"append",
        c"append($self, /, *values)\n--\n\nAppends one candle, a number a field.",
        append,
    )?;
    raw::add_fast(
        class,
        c"update_last",
        c"update_last($self, /, *values)\n--\n\nReplaces the last candle.",
        update_last,
    )?;
    raw::add_fast(
        class,
        c"push_tick",
        c"push_tick($self, ts, price, qty=0.0, /)\n--\n\nTakes a tick into the open bar; returns how many bars it closed.",
        push_tick,
    )?;
    raw::add_fast(
        class,
        c"window",
        c"window($self, n=None, field=None, /)\n--\n\nThe last n candles, or one field of them, as a read-only NumPy view.",
        window,
    )?;
    raw::add_fast(
        class,
        c"view",
        c"view($self, n=None, field=None, /)\n--\n\nThe same as a memoryview: needs no NumPy.",
        view,
    )
}
