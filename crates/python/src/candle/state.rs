//! The candles, what is fed by them, and the bar that ticks build.

use super::feed::{Event, Fed, Feed};
use super::follower::Call;
use super::row::{MAX_FIELDS, Row};
use crate::bars::{Bars, Open, Step};
use crate::block::Rows;
use crate::guard::{Bad, Check};
use crate::tick::{Interval, Tick};
use crate::track::Version;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Fields by name, where `push_tick` writes.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) open: usize,
    pub(super) high: usize,
    pub(super) low: usize,
    pub(super) close: usize,
    pub(super) volume: Option<usize>,
    pub(super) ts: Option<usize>,
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

/// What changes in a buffer.
pub(super) struct State {
    pub(super) rows: Rows,
    pub(super) stamp: Py<Version>,
    pub(super) feeds: Vec<Feed>,
    pub(super) bars: Option<(Bars, Places)>,
    /// When each candle begins, in nanoseconds since 1970, where the buffer has a time axis.
    pub(super) times: Option<Rows>,
    /// What is to be called when the buffer is let go.
    pub(super) calls: Vec<Call>,
    /// Another buffer feeds it, and its last bar is open; how long its bars are.
    pub(super) fed: bool,
    pub(super) coarse_ns: Option<i64>,
}

impl State {
    #[inline]
    fn notify(&mut self, py: Python<'_>, event: Event, row: &[f64], time: i64) -> PyResult<()> {
        let calls = &mut self.calls;
        self.feeds.iter_mut().try_for_each(|feed| feed.take(py, event, row, time, calls))
    }

    /// When the candle `back` before the newest begins; 0 where there is no axis.
    pub(super) fn time(&self, back: usize) -> i64 {
        self.times.as_ref().and_then(|t| t.get(back, 0)).map_or(0, |t| t.to_bits().cast_signed())
    }

    /// Whether the last candle may still change.
    pub(super) fn last_is_open(&self) -> bool {
        self.fed || self.bars.as_ref().is_some_and(|(b, _)| b.open.is_some())
    }

    /// How long its bars are, where that is known.
    pub(super) fn interval_ns(&self) -> Option<i64> {
        let own = self.bars.as_ref().map(|(b, _)| b.interval.begin_ns(1, b.unit_ns));
        own.or(self.coarse_ns)
    }

    fn row(&self, back: usize) -> Option<Row> {
        let mut row = [0.0; MAX_FIELDS];
        for (field, slot) in row[..self.rows.fields].iter_mut().enumerate() {
            *slot = self.rows.get(back, field)?;
        }
        Some(row)
    }

    /// Opens a bar that another buffer feeds; the one before it is whole.
    pub(super) fn open(&mut self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        if let Some(last) = self.row(0) {
            let begun = self.time(0);
            self.notify(py, Event::Closed, &last[..row.len()], begun)?;
            self.calls.push(Call::Closed(1));
        }
        self.push(py, row, time)?;
        self.stamp.get().bump();
        self.notify(py, Event::Opened, row, time)
    }

    /// Changes the open bar.
    pub(super) fn change(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        self.rows.set_last(py, row)?;
        self.stamp.get().bump();
        let time = self.time(0);
        self.notify(py, Event::Replace, row, time)
    }

    /// Forgets all candles, and lets what follows forget them; views stay as they are.
    pub(super) fn clear(&mut self, py: Python<'_>) -> PyResult<()> {
        self.stamp.get().bump();
        for feed in &mut self.feeds {
            match &mut feed.fed {
                Fed::Indicator(indicator, _) => {
                    indicator.get().change(py, crate::indicators::Indicator::reset)
                }
                Fed::Coarser(coarse) => {
                    coarse.clear(py)?;
                    self.calls.push(Call::Coarser(coarse.buffer.object().clone_ref(py)));
                }
                Fed::Follower { id, .. } => self.calls.push(Call::Reset(*id)),
            }
        }
        if let Some((bars, _)) = &mut self.bars {
            bars.open = None;
            bars.guard.newest = None;
        }
        if let Some(times) = &mut self.times {
            times.clear(py)?;
        }
        self.rows.clear(py)
    }

    /// Adds a row, and its time where there is an axis.
    #[inline]
    fn push(&mut self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        if let Some(times) = &mut self.times {
            times.push(py, &[f64::from_bits(time.cast_unsigned())])?;
        }
        self.rows.push(py, row)
    }

    /// Appends a whole candle.
    #[inline]
    pub(super) fn append(&mut self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        if self.bars.is_some() {
            self.close_bar(py)?;
        }
        self.push(py, row, time)?;
        self.stamp.get().bump();
        self.notify(py, Event::Append, row, time)
    }

    /// Ends the bar that ticks left open.
    fn close_bar(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some((bars, places)) = &mut self.bars else { return Ok(()) };
        let Some(open) = bars.open.take() else { return Ok(()) };
        let (row, time) = (places.row(bars.interval, &open), bars.ns(open.bar));
        self.notify(py, Event::Closed, &row[..self.rows.fields], time)
    }

    /// Replaces the last candle.
    pub(super) fn update_last(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        if self.bars.as_ref().is_some_and(|(b, _)| b.open.is_some()) {
            return Err(PyValueError::new_err(
                "the last candle is open and built from ticks; push a tick instead",
            ));
        }
        let deaf = |f: &Feed| matches!(f.fed, Fed::Follower { replaces: false, .. });
        if self.feeds.iter().any(deaf) {
            let text =
                "an attached indicator has no replace(*values): it cannot follow a candle that changes";
            return Err(PyTypeError::new_err(text));
        }
        if !self.rows.set_last(py, row)? {
            return Err(PyValueError::new_err("the buffer is empty: append a candle first"));
        }
        self.stamp.get().bump();
        let time = self.time(0);
        self.notify(py, Event::Change, row, time)
    }

    /// Judges a tick and takes it; how many bars it closed, or why it is none.
    pub(super) fn tick(&mut self, py: Python<'_>, tick: &Tick) -> PyResult<Result<u64, Bad>> {
        let Some((bars, _)) = &mut self.bars else {
            return Err(PyValueError::new_err("give CandleBuffer an interval= to build candles from ticks"));
        };
        match bars.guard.check(tick) {
            Check::Take => self.take(py, tick).map(Ok),
            Check::TakeAfter(held) => Ok(Ok(self.take(py, &held)? + self.take(py, tick)?)),
            Check::Refuse(why) => Ok(Err(why)),
        }
    }

    /// Takes a tick; how many bars it closed.
    fn take(&mut self, py: Python<'_>, tick: &Tick) -> PyResult<u64> {
        let Some((bars, places)) = &mut self.bars else { return Ok(0) };
        let places = *places;
        let before = bars.open;
        let step = bars.tick(tick);
        let interval = bars.interval;
        let time = bars.ns(bars.open.map_or(0, |o| o.bar));
        let Some(open) = bars.open else { return Ok(0) };
        let (row, width) = (places.row(interval, &open), self.rows.fields);
        match step {
            Step::Drop => Ok(0),
            Step::Change => {
                self.rows.set_last(py, &row[..width])?;
                self.stamp.get().bump();
                self.notify(py, Event::Replace, &row[..width], time)?;
                Ok(0)
            }
            Step::Append { close, gaps } => {
                let filled = gaps.min(self.rows.capacity as u64);
                if let (true, Some(before)) = (close, &before) {
                    let begun = self.time(0);
                    self.notify(py, Event::Closed, &places.row(interval, before)[..width], begun)?;
                }
                for back in (1..=filled).rev() {
                    let Some((bars, _)) = &self.bars else { break };
                    let gap = bars.gap(back);
                    let time = bars.ns(gap.bar);
                    let flat = places.row(interval, &gap);
                    self.push(py, &flat[..width], time)?;
                    self.notify(py, Event::Append, &flat[..width], time)?;
                }
                self.push(py, &row[..width], time)?;
                self.stamp.get().bump();
                self.notify(py, Event::Opened, &row[..width], time)?;
                Ok(if close { 1 + gaps } else { 0 })
            }
        }
    }
}
