//! The bars of all symbols: one row a moment, one column a field of a symbol.

use crate::bars::Open;
use crate::block::{self, Columns, Piece, Rows};
use crate::guard::{Bad, Check, Guard};
use crate::threads::Shared;
use crate::tick::{Interval, Tick};
use crate::track::Version;
use pyo3::prelude::*;

/// Where open, high, low, close and volume are among the fields.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) prices: [usize; 4],
    pub(super) volume: Option<usize>,
}

/// What builds bars from ticks.
pub(super) struct Bars {
    pub(super) interval: Interval,
    pub(super) unit_ns: i64,
    /// The newest bar, and how far it was filled, a symbol each.
    pub(super) bar: Option<i64>,
    pub(super) open: Vec<Option<Open>>,
}

pub(super) struct State {
    pub(super) rows: Rows,
    /// When each bar begins, nanoseconds since 1970.
    pub(super) times: Rows,
    pub(super) symbols: usize,
    pub(super) places: Option<Places>,
    pub(super) bars: Option<Bars>,
    pub(super) guard: Guard,
    /// Whose tick the guard holds back.
    pub(super) held: Option<usize>,
    /// A symbol without a trade has a flat bar at its last close; else it has none.
    pub(super) fill: bool,
    pub(super) late: u64,
    pub(super) gaps: u64,
    pub(super) stamp: Py<Version>,
}

impl State {
    fn fields(&self) -> usize {
        self.rows.fields / self.symbols
    }

    /// Which columns a look at one field, one symbol, or both reads.
    pub(super) fn columns(&self, field: Option<usize>, symbol: Option<usize>) -> Columns {
        let first = field.unwrap_or(0) * self.symbols + symbol.unwrap_or(0);
        match (field, symbol) {
            (Some(_), Some(_)) => Columns { first, step: 1, count: None },
            (Some(_), None) => Columns { first, step: 1, count: Some(self.symbols) },
            (None, _) => Columns { first, step: self.symbols, count: Some(self.fields()) },
        }
    }

    /// The last `n` rows of a field, a symbol, or both, without the open bar where they are to be `closed`.
    pub(super) fn look(
        &mut self,
        py: Python<'_>,
        n: Option<usize>,
        field: Option<usize>,
        symbol: Option<usize>,
        closed: bool,
    ) -> PyResult<(Shared, Piece)> {
        let open = self.is_open();
        let skip = usize::from(open && closed);
        let piece = self.rows.look(n.unwrap_or(usize::MAX), skip, self.columns(field, symbol));
        if open && !closed {
            // The last row is about to change: who held it would make every tick copy the whole book.
            return block::copy(py, &piece);
        }
        self.rows.mark(skip);
        Ok((self.rows.hold(), piece))
    }

    /// When each of the last `n` rows begins, in the same way.
    pub(super) fn look_at_times(&mut self, n: Option<usize>, closed: bool) -> (Shared, Piece) {
        let skip = usize::from(self.is_open() && closed);
        self.times.mark(0);
        let only = Columns { first: 0, step: 1, count: None };
        let piece = self.times.look(n.unwrap_or(usize::MAX), skip, only);
        (self.times.hold(), piece)
    }

    /// Whether ticks may still change the last row.
    fn is_open(&self) -> bool {
        self.bars.as_ref().is_some_and(|b| b.bar.is_some())
    }

    /// The last number of a field of a symbol.
    pub(super) fn last(&self, field: usize, symbol: usize, back: usize) -> Option<f64> {
        self.rows.get(back, field * self.symbols + symbol)
    }

    /// Sets the bar of a symbol that did not trade.
    pub(super) fn idle(&self, row: &mut [f64], symbol: usize) {
        let close = self.places.filter(|_| self.fill).and_then(|p| self.last(p.prices[3], symbol, 0));
        for field in 0..self.fields() {
            row[field * self.symbols + symbol] = f64::NAN;
        }
        if let (Some(places), Some(close)) = (self.places, close) {
            for field in places.prices {
                row[field * self.symbols + symbol] = close;
            }
            if let Some(volume) = places.volume {
                row[volume * self.symbols + symbol] = if close.is_nan() { f64::NAN } else { 0.0 };
            }
        }
    }

    /// Appends a bar of every symbol.
    pub(super) fn append(&mut self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        if let Some(bars) = &mut self.bars {
            bars.bar = None;
            bars.open.fill(None);
        }
        self.push(py, row, time)
    }

    fn push(&mut self, py: Python<'_>, row: &[f64], time: i64) -> PyResult<()> {
        self.times.push(py, &[f64::from_bits(time.cast_unsigned())])?;
        self.rows.push(py, row)?;
        self.stamp.get().bump();
        Ok(())
    }

    /// Appends a bar in which nobody has traded yet.
    fn push_idle(&mut self, py: Python<'_>, time: i64) -> PyResult<()> {
        let mut row = vec![f64::NAN; self.rows.fields];
        (0..self.symbols).for_each(|symbol| self.idle(&mut row, symbol));
        self.push(py, &row, time)
    }

    /// Judges a tick and takes it; how many bars it closed, or why it is none.
    pub(super) fn tick(&mut self, py: Python<'_>, symbol: usize, tick: &Tick) -> PyResult<Result<u64, Bad>> {
        let before = match self.guard.check(tick) {
            Check::Refuse(why) => {
                if why == Bad::Future {
                    self.held = Some(symbol);
                }
                return Ok(Err(why));
            }
            Check::Take => None,
            Check::TakeAfter(held) => self.held.take().map(|symbol| (symbol, held)),
        };
        let mut closed = 0;
        if let Some((symbol, held)) = before {
            closed += self.take(py, symbol, &held)?.unwrap_or(0);
        }
        Ok(self.take(py, symbol, tick)?.map(|more| closed + more))
    }

    /// Takes a tick that is one; how many bars it closed.
    fn take(&mut self, py: Python<'_>, symbol: usize, tick: &Tick) -> PyResult<Result<u64, Bad>> {
        let Some(bars) = &mut self.bars else { return Ok(Ok(0)) };
        let Some((bar, at)) = bars.interval.place(tick.ts) else {
            self.guard.counts[Bad::NotFinite as usize] += 1;
            return Ok(Err(Bad::NotFinite));
        };
        let closed = match bars.bar {
            Some(newest) if bar < newest => {
                self.late += 1;
                return Ok(Ok(0));
            }
            Some(newest) => bar.abs_diff(newest),
            None => 0,
        };
        if bars.bar != Some(bar) {
            self.open_bar(py, bar, closed)?;
        }
        self.trade(py, symbol, bar, at, tick)?;
        Ok(Ok(closed))
    }

    /// Opens a bar, `closed` bars after the newest.
    fn open_bar(&mut self, py: Python<'_>, bar: i64, closed: u64) -> PyResult<()> {
        let Some(bars) = &mut self.bars else { return Ok(()) };
        (bars.bar, bars.open) = (Some(bar), vec![None; self.symbols]);
        let (interval, unit_ns) = (bars.interval, bars.unit_ns);
        let missing = closed.saturating_sub(1);
        self.gaps += missing;
        let filled = if self.fill { missing.min(self.rows.capacity as u64) } else { 0 };
        for back in (0..=filled).rev() {
            self.push_idle(py, interval.begin_ns(bar - back.cast_signed(), unit_ns))?;
        }
        Ok(())
    }

    /// Takes a tick into the open bar of a symbol.
    fn trade(&mut self, py: Python<'_>, symbol: usize, bar: i64, at: f64, tick: &Tick) -> PyResult<()> {
        let (Some(bars), Some(places)) = (&mut self.bars, self.places) else { return Ok(()) };
        let open = match &mut bars.open[symbol] {
            Some(open) => {
                open.take(at, tick.price, tick.qty);
                *open
            }
            none => *none.insert(Open::with(bar, at, tick.price, tick.qty)),
        };
        let column = |field: usize| field * self.symbols + symbol;
        let [o, h, l, c] = places.prices.map(column);
        let mut cells = [(o, open.open), (h, open.high), (l, open.low), (c, open.close), (c, open.close)];
        if let Some(volume) = places.volume {
            cells[4] = (column(volume), open.volume);
        }
        self.rows.set_some(py, &cells)?;
        self.stamp.get().bump();
        Ok(())
    }
}
