//! Which ticks are none, and what is done about them.

use crate::threads::StateCell;
use crate::tick::{Interval, Tick};
use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Whether prices of 0 and less are prices, as a user says.
pub(crate) fn any_price(prices: &str) -> PyResult<bool> {
    match prices {
        "positive" => Ok(false),
        "any" => Ok(true),
        _ => Err(PyValueError::new_err("prices must be 'positive' or 'any'")),
    }
}

/// What a tick that is none does.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum OnBad {
    Skip,
    Warn,
    Raise,
}

impl OnBad {
    /// As a user says it.
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        match name {
            "skip" => Ok(Self::Skip),
            "warn" => Ok(Self::Warn),
            "raise" => Ok(Self::Raise),
            _ => Err(PyValueError::new_err("on_bad must be 'skip', 'warn' or 'raise'")),
        }
    }

    /// Says that a tick was none, as it was asked for: each reason is warned of once (`told` remembers which).
    #[cold]
    pub(crate) fn say(self, py: Python<'_>, why: Bad, told: &StateCell<u8>) -> PyResult<()> {
        let text = || format!("a tick was refused: {}", why.text());
        match self {
            Self::Skip => Ok(()),
            Self::Raise => Err(PyValueError::new_err(text())),
            Self::Warn => {
                let bit = 1 << (why as u8);
                let first = told.with(py, |told| std::mem::replace(told, *told | bit) & bit == 0);
                if !first {
                    return Ok(());
                }
                let category = py.get_type::<PyRuntimeWarning>();
                py.import("warnings")?.call_method1("warn", (text(), category)).map(drop)
            }
        }
    }
}

/// Why a tick is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    NotFinite,
    Price,
    Quantity,
    Unit,
    Future,
}

impl Bad {
    pub(crate) const ALL: [Self; 5] =
        [Self::NotFinite, Self::Price, Self::Quantity, Self::Unit, Self::Future];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::Price => "price",
            Self::Quantity => "quantity",
            Self::Unit => "unit",
            Self::Future => "future",
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotFinite => "time, price or quantity is NaN, infinite or out of range",
            Self::Price => "the price is 0 or less (give prices='any' where such prices exist)",
            Self::Quantity => "the quantity is negative",
            Self::Unit => {
                "its time is in another unit than that of the ticks before (milliseconds among seconds?)"
            }
            Self::Future => "its time is more than max_gap ahead; it is taken when the next tick says so too",
        }
    }
}

/// What is to be done with a tick.
pub(crate) enum Check {
    Take,
    /// Take this one, which was held back, before it.
    TakeAfter(Tick),
    Refuse(Bad),
}

/// What a tick must be to be one.
pub(crate) struct Guard {
    /// So far ahead of the newest, in the unit of the timestamps, a tick is not believed alone.
    pub(crate) max_gap: Option<f64>,
    pub(crate) any_price: bool,
    pub(crate) newest: Option<f64>,
    pub(crate) held: Option<Tick>,
    pub(crate) counts: [u64; 5],
}

/// Times before this are not taken for times since 1970 in any unit: their ratio says nothing.
const LIKE_AN_EPOCH: f64 = 1e8;
const OTHER_UNIT: f64 = 100.0;

impl Guard {
    /// As a user says it; `max_gap` is as an interval is.
    pub(crate) fn from_py(
        max_gap: Option<&Bound<'_, PyAny>>,
        unit_ns: i64,
        any_price: bool,
    ) -> PyResult<Self> {
        let max_gap = max_gap.map(|gap| Interval::from_py(gap, unit_ns)).transpose()?;
        let max_gap = max_gap.map(|gap| match gap {
            Interval::Int(n) => n as f64,
            Interval::Float(x) => x,
        });
        Ok(Self::new(max_gap, any_price))
    }

    pub(crate) fn new(max_gap: Option<f64>, any_price: bool) -> Self {
        Self { max_gap, any_price, newest: None, held: None, counts: [0; 5] }
    }

    /// How many ticks were none, by reason.
    pub(crate) fn counts<'py>(py: Python<'py>, counts: [u64; 5]) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        Bad::ALL.iter().try_for_each(|&why| out.set_item(why.name(), counts[why as usize]))?;
        Ok(out)
    }

    fn refuse(&mut self, why: Bad) -> Check {
        self.counts[why as usize] += 1;
        Check::Refuse(why)
    }

    /// Judges a tick. One that is too far ahead is held back: where the next one is there too, the gap is real and
    /// both are taken; else it was wrong.
    #[inline]
    pub(crate) fn check(&mut self, tick: &Tick) -> Check {
        let t = tick.ts.number();
        if !(t.is_finite() && tick.price.is_finite() && tick.qty.is_finite()) {
            return self.refuse(Bad::NotFinite);
        }
        if tick.price <= 0.0 && !self.any_price {
            return self.refuse(Bad::Price);
        }
        if tick.qty < 0.0 {
            return self.refuse(Bad::Quantity);
        }
        let Some(newest) = self.newest else {
            self.newest = Some(t);
            return Check::Take;
        };
        if newest > LIKE_AN_EPOCH && t > 0.0 && (t > newest * OTHER_UNIT || t * OTHER_UNIT < newest) {
            return self.refuse(Bad::Unit);
        }
        let mut before = None;
        if self.max_gap.is_some_and(|gap| t - newest > gap) {
            match self.held.take() {
                Some(held) if t >= held.ts.number() => {
                    self.counts[Bad::Future as usize] -= 1;
                    before = Some(held);
                }
                _ => {
                    self.held = Some(*tick);
                    return self.refuse(Bad::Future);
                }
            }
        } else {
            self.held = None;
        }
        self.newest = Some(newest.max(t));
        before.map_or(Check::Take, Check::TakeAfter)
    }
}
