//! The candles, what is fed by them, and the bar that ticks build.

use super::feed::{Event, Feed};
use crate::bars::{Bad, Bars, Check, Interval, Open, Step, Tick};
use crate::block::Rows;
use crate::track::Version;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub(super) const MAX_FIELDS: usize = 64;
pub(super) type Row = [f64; MAX_FIELDS];

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
}

impl State {
    #[inline]
    fn notify(&self, py: Python<'_>, event: Event, row: &[f64]) {
        for feed in &self.feeds {
            let x = feed.source.read(row);
            feed.indicator.get().change(py, |i| match event {
                Event::Append => i.push(&x),
                Event::Replace | Event::Opened if feed.on_close => {}
                Event::Replace => i.replace(&x),
                Event::Opened => i.push(&x),
                Event::Closed if feed.on_close => i.push(&x),
                Event::Closed => {}
            });
        }
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
            self.close_bar(py);
        }
        self.push(py, row, time)?;
        self.stamp.get().bump();
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

    /// Replaces the last candle.
    pub(super) fn update_last(&mut self, py: Python<'_>, row: &[f64]) -> PyResult<()> {
        if self.bars.as_ref().is_some_and(|(b, _)| b.open.is_some()) {
            return Err(PyValueError::new_err(
                "the last candle is open and built from ticks; push a tick instead",
            ));
        }
        if !self.rows.set_last(py, row)? {
            return Err(PyValueError::new_err("the buffer is empty: append a candle first"));
        }
        self.stamp.get().bump();
        for feed in &self.feeds {
            let x = feed.source.read(row);
            feed.indicator.get().change(py, |i| i.replace(&x));
        }
        Ok(())
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
        let row = places.row(interval, &open);
        match step {
            Step::Drop => Ok(0),
            Step::Change => {
                self.rows.set_last(py, &row)?;
                self.stamp.get().bump();
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
                    let gap = bars.gap(back);
                    let time = bars.ns(gap.bar);
                    let flat = places.row(interval, &gap);
                    self.push(py, &flat, time)?;
                    self.notify(py, Event::Append, &flat);
                }
                self.push(py, &row, time)?;
                self.stamp.get().bump();
                self.notify(py, Event::Opened, &row);
                Ok(if close { 1 + gaps } else { 0 })
            }
        }
    }
}
