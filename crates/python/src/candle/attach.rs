//! Attaching: indicators, objects of Python, coarser buffers; and what each of them sees of the candles that are there.

use super::CandleBuffer;
use super::coarse::{Coarse, How, Longer};
use super::deliver::deliver;
use super::feed::{Event, Fed, Feed};
use super::follower::Follower;
use crate::indicator::PyIndicator;
use crate::own::Own;
use crate::tick::Interval;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// A buffer that follows another.
struct Follows(Py<CandleBuffer>);

impl Longer for Follows {
    fn open(&self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        self.0.get().state.with(py, |s| s.open(py, row, time))
    }

    fn change(&self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        self.0.get().state.with(py, |s| s.change(py, row))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.0.get().state.with(py, |s| s.clear(py))
    }

    fn calls(&self, py: Python<'_>) -> bool {
        self.0.get().state.with(py, |s| !s.calls.is_empty())
    }

    fn set_fed(&self, py: Python<'_>, fed: bool) {
        self.0.get().state.with(py, |s| s.fed = fed);
    }

    fn object(&self) -> &Py<PyAny> {
        self.0.as_any()
    }
}

impl CandleBuffer {
    /// Attaches an indicator of this package or an object of Python.
    pub(super) fn attach_any<'py>(
        slf: &Bound<'py, Self>,
        object: Bound<'py, PyAny>,
        field: Option<&Bound<'py, PyAny>>,
        on: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, own) = (slf.py(), slf.get());
        let on_close = match on {
            "tick" => false,
            "close" => true,
            _ => return Err(PyValueError::new_err("on must be 'tick' or 'close'")),
        };
        let fed = match object.cast::<PyIndicator>() {
            Ok(indicator) => {
                let field: Option<String> = field.map(|f| f.extract()).transpose()?;
                let source = own.source(indicator.get().spec, field.as_deref())?;
                if indicator.get().attached.with(py, |a| std::mem::replace(a, true)) {
                    return Err(PyValueError::new_err(
                        "this indicator is attached already; make another one",
                    ));
                }
                Fed::Indicator(indicator.clone().unbind(), source)
            }
            Err(_) => own.following(&object, field, on_close)?,
        };
        own.feed(py, Feed { fed, on_close })?;
        deliver(slf)?;
        Ok(object)
    }

    /// A place among the followers for an object of Python.
    fn following(
        &self,
        object: &Bound<'_, PyAny>,
        field: Option<&Bound<'_, PyAny>>,
        on_close: bool,
    ) -> PyResult<Fed> {
        let py = object.py();
        if !object.hasattr("update")? {
            let text = "an indicator has update(*values), and replace(*values) where it takes open bars";
            return Err(PyTypeError::new_err(text));
        }
        let replaces = object.hasattr("replace")?;
        if !replaces && !on_close && self.state.with(py, |s| s.bars.is_some() || s.fed) {
            let text = "this indicator has no replace(*values) for an open bar that changes; attach it with on='close'";
            return Err(PyTypeError::new_err(text));
        }
        let names: Vec<String> = match field {
            None if self.names.len() == 1 => self.names.clone(),
            None => vec!["close".to_owned()],
            Some(name) if name.is_instance_of::<PyString>() => vec![name.extract()?],
            Some(names) => names.extract()?,
        };
        let fields = names.iter().map(|name| self.index(name)).collect::<PyResult<Vec<_>>>()?;
        let follower = Own::from(object.clone());
        let id = self.followers.with(py, |all| {
            if all.iter().any(|f| f.object.as_ptr() == follower.as_ptr()) {
                return None;
            }
            let id = all.iter().map(|f| f.id).max().unwrap_or(0) + 1;
            all.push(Follower { id, object: follower });
            Some(id)
        });
        let id =
            id.ok_or_else(|| PyValueError::new_err("this indicator is attached already; make another one"))?;
        Ok(Fed::Follower { id, fields, replaces })
    }

    /// Lets a feed see the candles that are there, and all that come.
    fn feed(&self, py: Python<'_>, mut feed: Feed) -> PyResult<()> {
        self.state.with(py, |s| {
            let open = s.last_is_open();
            let skip = usize::from(open && feed.on_close);
            for back in (skip..s.rows.len()).rev() {
                let row: Vec<f64> = (0..s.rows.fields).filter_map(|f| s.rows.get(back, f)).collect();
                let time = s.time(back);
                feed.take(py, Event::Append, &row, time, &mut s.calls)?;
            }
            s.feeds.push(feed);
            Ok(())
        })
    }

    /// Makes a buffer of longer bars that follows this one.
    pub(super) fn coarser<'py>(
        slf: &Bound<'py, Self>,
        interval: &Bound<'py, PyAny>,
        capacity: usize,
        how: Option<&Bound<'py, PyDict>>,
        on_close: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let (py, own) = (slf.py(), slf.get());
        if own.state.with(py, |s| s.times.is_none()) {
            let text = "a buffer without a time axis cannot be resampled; make it with time=True";
            return Err(PyValueError::new_err(text));
        }
        let ns = match Interval::from_py(interval, 1)? {
            Interval::Int(ns) => ns,
            Interval::Float(_) => {
                return Err(PyValueError::new_err("the interval is a text as '5min', or whole nanoseconds"));
            }
        };
        let short = own.state.with(py, |s| s.interval_ns());
        if short.is_some_and(|short| ns % short != 0 || ns <= short) {
            let text = "the interval must be a multiple of that of the bars that are here";
            return Err(PyValueError::new_err(text));
        }
        let rules = own.names.iter().map(|name| match how.map(|h| h.get_item(name)).transpose()?.flatten() {
            Some(rule) => How::named(&rule.extract::<String>()?),
            None => Ok(How::usual(name)),
        });
        let rules = rules.collect::<PyResult<Vec<_>>>()?;
        let options = own.made.bind(py).copy()?;
        for name in ["interval", "max_gap"] {
            options.set_item(name, py.None())?;
        }
        options.set_item("capacity", capacity)?;
        options.set_item("on_close", on_close)?;
        let made = py.get_type::<Self>().call((), Some(&options))?.cast_into_exact::<Self>()?;
        made.get().state.with(py, |s| {
            s.fed = true;
            s.coarse_ns = Some(ns);
        });
        let coarse = Coarse::new(Box::new(Follows(made.clone().unbind())), ns, rules);
        own.feed(py, Feed { fed: Fed::Coarser(Box::new(coarse)), on_close: false })?;
        Ok(made)
    }

    /// Stops feeding an indicator, an object of Python or a coarser buffer.
    pub(super) fn detach_any(&self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = object.py();
        let id = self
            .followers
            .with(py, |all| all.iter().find(|f| f.object.as_ptr() == object.as_ptr()).map(|f| f.id));
        let is = |fed: &Fed| match fed {
            Fed::Indicator(indicator, _) => indicator.as_ptr() == object.as_ptr(),
            Fed::Follower { id: other, .. } => Some(*other) == id,
            Fed::Coarser(coarse) => coarse.buffer.object().as_ptr() == object.as_ptr(),
        };
        let found = self.state.with(py, |s| {
            let at = s.feeds.iter().position(|f| is(&f.fed))?;
            Some(s.feeds.remove(at))
        });
        let Some(feed) = found else {
            return Err(PyValueError::new_err("this indicator is not attached to this buffer"));
        };
        match feed.fed {
            Fed::Indicator(indicator, _) => indicator.get().attached.with(py, |a| *a = false),
            Fed::Coarser(coarse) => coarse.buffer.set_fed(py, false),
            Fed::Follower { id, .. } => {
                let gone = self
                    .followers
                    .with(py, |all| all.iter().position(|f| f.id == id).map(|at| all.remove(at)));
                drop(gone);
            }
        }
        Ok(())
    }

    /// Everything that follows, in the order in which it came.
    pub(super) fn attached_objects(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        enum Found {
            Object(Py<PyAny>),
            Id(u64),
        }
        let found: Vec<Found> = self.state.with(py, |s| {
            let each = s.feeds.iter().filter_map(|f| match &f.fed {
                Fed::Indicator(indicator, _) => Some(Found::Object(indicator.clone_ref(py).into_any())),
                Fed::Follower { id, .. } => Some(Found::Id(*id)),
                Fed::Coarser(_) => None,
            });
            each.collect()
        });
        let objects = found.into_iter().filter_map(|f| match f {
            Found::Object(object) => Some(object),
            Found::Id(id) => self.follower(py, id).map(Bound::unbind),
        });
        objects.collect()
    }

    /// Forgets all candles, here and in what follows.
    pub(super) fn clear_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().state.with(py, |s| s.clear(py))?;
        deliver(slf)
    }
}
