//! Which numbers of a candle an attached indicator reads, and when.

use super::CandleBuffer;
use crate::indicator::PyIndicator;
use crate::indicators::Spec;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where an attached indicator reads.
pub(super) enum Source {
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
    pub(super) fn read(&self, row: &[f64]) -> [f64; 4] {
        match *self {
            Self::One(f) => [row[f], 0.0, 0.0, 0.0],
            Self::Three([h, l, c]) => [row[h], row[l], row[c], 0.0],
            Self::Typical([h, l, c, v]) => [(row[h] + row[l] + row[c]) / 3.0, row[v], 0.0, 0.0],
            Self::Priced([p, v]) => [row[p], row[v], 0.0, 0.0],
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

impl CandleBuffer {
    /// Where an indicator reads: the field that is asked for, or what it is defined on.
    pub(super) fn source(&self, spec: Spec, field: Option<&str>) -> PyResult<Source> {
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
}
