//! Which numbers of a candle an attached indicator reads, and when.

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

pub(super) struct Feed {
    pub(super) indicator: Py<PyIndicator>,
    pub(super) source: Source,
    /// Sees a bar of `push_tick` only when it is closed.
    pub(super) on_close: bool,
}

/// Which events a feed takes part in.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Event {
    /// A whole candle.
    Append,
    /// The last candle changes.
    Replace,
    /// A bar from ticks opens.
    Opened,
    /// A bar from ticks is whole.
    Closed,
}
