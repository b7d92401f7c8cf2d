//! Indicators in O(1) a value (CCI: a walk through its window), as TA-Lib defines them: the same warm-up, and results equal to 1e-9 and better, most
//! to the last bits. Sums of exactly representable prices stay exact.
//!
//! Each keeps the state before the newest value beside the state after it: replacing the newest value (an open
//! candle that a tick changes) costs the same as appending one.

// What only the loops for another architecture use.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

mod arch;
mod average;
mod bands;
mod batch;
mod extreme;
mod kind;
mod momentum;
mod oscillator;
mod spread;
mod state;
mod sum;
mod tail;
mod trend;
mod vwap;
mod words;

pub(crate) use batch::run;
pub(crate) use kind::{Indicator, Nan, Spec};

/// Up to four numbers of one candle, in the order that the indicator asks for.
pub(crate) type Input = [f64; 4];

/// Up to three results; NaN while warming up.
pub(crate) type Output = [f64; 3];

/// No result yet.
pub(crate) const NONE: Output = [f64::NAN; 3];

/// One result.
#[inline]
pub(crate) fn one(value: f64) -> Output {
    [value, f64::NAN, f64::NAN]
}
