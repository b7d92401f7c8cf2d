//! What follows the candles of a buffer, and when: indicators, objects of Python, coarser buffers.

use super::coarse::Coarse;
use super::follower::Call;
use crate::indicator::PyIndicator;
use pyo3::prelude::*;

/// Where an attached indicator reads.
pub(super) enum Source {
    One(usize),
    /// High, low, close.
    Three([usize; 3]),
    /// Typical price of high, low, close; and volume.
    Typical([usize; 4]),
    /// Two fields: a price and a volume, or high and low.
    Two([usize; 2]),
    /// High, low, close, volume.
    Four([usize; 4]),
}

impl Source {
    #[inline]
    pub(super) fn read(&self, row: &[f64]) -> [f64; 4] {
        match *self {
            Self::One(f) => [row[f], 0.0, 0.0, 0.0],
            Self::Three([h, l, c]) => [row[h], row[l], row[c], 0.0],
            Self::Typical([h, l, c, v]) => [(row[h] + row[l] + row[c]) / 3.0, row[v], 0.0, 0.0],
            Self::Two([p, v]) => [row[p], row[v], 0.0, 0.0],
            Self::Four(fields) => fields.map(|f| row[f]),
        }
    }
}

/// Who is fed.
pub(super) enum Fed {
    Indicator(Py<PyIndicator>, Source),
    /// An object of Python: its number among the followers, the fields that it reads, and whether it can take a new
    /// value in the place of the newest.
    Follower {
        id: u64,
        fields: Vec<usize>,
        replaces: bool,
    },
    Coarser(Box<Coarse>),
}

pub(super) struct Feed {
    pub(super) fed: Fed,
    /// Sees a bar of `push_tick` only when it is closed.
    pub(super) on_close: bool,
}

/// Which events a feed takes part in.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Event {
    /// A whole candle.
    Append,
    /// The last candle, a whole one, is another.
    Change,
    /// The last candle, an open one, changes.
    Replace,
    /// A bar from ticks opens.
    Opened,
    /// A bar from ticks is whole.
    Closed,
}

impl Feed {
    /// Whether the feed sees a new value (`true`), another in the place of the newest (`false`), or nothing.
    #[inline]
    fn sees(&self, event: Event) -> Option<bool> {
        match event {
            Event::Append => Some(true),
            Event::Change => Some(false),
            Event::Replace => (!self.on_close).then_some(false),
            Event::Opened => (!self.on_close).then_some(true),
            Event::Closed => self.on_close.then_some(true),
        }
    }

    /// Takes part in an event. What must wait until the buffer is let go is added to `calls`.
    #[inline]
    pub(super) fn take(
        &mut self,
        py: Python<'_>,
        event: Event,
        row: &[f64],
        time: i64,
        calls: &mut Vec<Call>,
    ) -> PyResult<()> {
        let Some(new) = self.sees(event) else { return Ok(()) };
        match &mut self.fed {
            Fed::Indicator(indicator, source) => {
                let x = source.read(row);
                indicator.get().change(py, |i| if new { i.push(&x) } else { i.replace(&x) });
            }
            Fed::Follower { id, fields, .. } => {
                let values = fields.iter().map(|&f| row[f]).collect();
                calls.push(Call::Follower { id: *id, new, values });
            }
            Fed::Coarser(coarse) => {
                if coarse.take(py, new, row, time)? {
                    calls.push(Call::Coarser(coarse.buffer.object().clone_ref(py)));
                }
            }
        }
        Ok(())
    }
}
