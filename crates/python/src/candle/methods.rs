//! The methods of `CandleBuffer` that are not called with every tick.

use super::feed::Feed;
use super::state::{Places, State};
use super::{CandleBuffer, MAX_FIELDS};
use crate::arrow;
use crate::bars::{Bars, Interval};
use crate::block::{Item, Rows};
use crate::cell::GilCell;
use crate::indicator::PyIndicator;
use crate::track::{self, Version};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};

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
        let stamp = Version::make(py)?;
        let state = State { rows, stamp: stamp.clone_ref(py), feeds: Vec::new(), bars: None };
        let made = Self {
            stamp,
            fields: PyTuple::new(py, &names)?.unbind(),
            state: GilCell::new(state),
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
            s.stamp.get().bump();
            for feed in &s.feeds {
                feed.indicator.get().change(py, crate::indicators::Indicator::reset);
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
                feed.indicator.get().change(py, |i| i.push(&x));
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
        track::read(py, &self.stamp);
        self.state
            .with(py, |s| s.rows.get(back, field))
            .ok_or_else(|| PyIndexError::new_err(format!("no candle {back} back")))
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
        track::read(py, &self.stamp);
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
        track::read(py, &self.stamp);
        self.stamp.get().version()
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
        track::read(py, &self.stamp);
        self.state.with(py, |s| s.bars.as_ref().and_then(|(b, _)| b.open.map(|o| b.interval.begin(o.bar))))
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
