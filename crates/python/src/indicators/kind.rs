//! One indicator of any kind behind one interface: what it reads, how it takes a value, what it gives.
#![allow(unsafe_code)]

use super::average::{Ema, Sma, Wma};
use super::extreme::Extreme;
use super::momentum::{Atr, Macd, Rsi};
use super::spread::{Bollinger, Std};
use super::vwap::Vwap;
use super::{Input, NONE, Output};

/// What a NaN among the inputs does after the warm-up has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nan {
    /// It is computed with, as TA-Lib does: running sums stay NaN from there on.
    Propagate,
    /// The candle is left out; the value stays.
    Skip,
}

/// Which indicator, with its parameters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Spec {
    Sma(usize),
    Ema(usize),
    Wma(usize),
    Std { period: usize, ddof: usize },
    Bollinger { period: usize, up: f64, down: f64 },
    Min(usize),
    Max(usize),
    Rsi(usize),
    Macd { fast: usize, slow: usize, signal: usize },
    Atr(usize),
    Vwap(usize),
}

impl Spec {
    /// How many numbers of a candle it reads.
    pub(crate) fn inputs(self) -> usize {
        match self {
            Self::Atr(_) => 3,
            Self::Vwap(_) => 2,
            _ => 1,
        }
    }

    /// How many numbers it gives.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::Bollinger { .. } | Self::Macd { .. } => 3,
            _ => 1,
        }
    }

    /// Candles before the first result.
    pub(crate) fn lookback(self) -> usize {
        match self {
            Self::Sma(p) | Self::Ema(p) | Self::Wma(p) | Self::Min(p) | Self::Max(p) | Self::Vwap(p) => p - 1,
            Self::Std { period, .. } | Self::Bollinger { period, .. } => period - 1,
            Self::Rsi(p) | Self::Atr(p) => p,
            Self::Macd { fast, slow, signal } => fast.max(slow) + signal - 2,
        }
    }

    fn start(self) -> Kind {
        match self {
            Self::Sma(p) => Kind::Sma(Sma::new(p)),
            Self::Ema(p) => Kind::Ema(Ema::new(p)),
            Self::Wma(p) => Kind::Wma(Wma::new(p)),
            Self::Std { period, ddof } => Kind::Std(Std::new(period, ddof)),
            Self::Bollinger { period, up, down } => Kind::Bollinger(Bollinger::new(period, up, down)),
            Self::Min(p) => Kind::Extreme(Extreme::new(p, 1.0)),
            Self::Max(p) => Kind::Extreme(Extreme::new(p, -1.0)),
            Self::Rsi(p) => Kind::Rsi(Rsi::new(p)),
            Self::Macd { fast, slow, signal } => Kind::Macd(Box::new(Macd::new(fast, slow, signal))),
            Self::Atr(p) => Kind::Atr(Atr::new(p)),
            Self::Vwap(p) => Kind::Vwap(Vwap::new(p)),
        }
    }
}

enum Kind {
    Sma(Sma),
    Ema(Ema),
    Wma(Wma),
    Std(Std<false>),
    Bollinger(Bollinger<false>),
    Extreme(Extreme),
    Rsi(Rsi),
    Macd(Box<Macd>),
    Atr(Atr),
    Vwap(Vwap),
}

/// A running indicator.
pub(crate) struct Indicator {
    pub(crate) spec: Spec,
    nan: Nan,
    kind: Kind,
    /// Candles taken in.
    count: u64,
    /// The newest candle was left out.
    skipped: bool,
    pub(crate) value: Output,
}

impl Indicator {
    pub(crate) fn new(spec: Spec, nan: Nan) -> Self {
        Self { spec, nan, kind: spec.start(), count: 0, skipped: false, value: NONE }
    }

    /// Candles taken in so far.
    pub(crate) fn seen(&self) -> u64 {
        self.count
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.spec, self.nan);
    }

    fn has_nan(&self, x: &Input) -> bool {
        x[..self.spec.inputs()].iter().any(|v| v.is_nan())
    }

    /// Takes a new candle.
    #[inline]
    pub(crate) fn push(&mut self, x: &Input) {
        // Leading NaNs are no candles yet, as in TA-Lib.
        self.skipped = (self.count == 0 || self.nan == Nan::Skip) && self.has_nan(x);
        if self.skipped {
            return;
        }
        self.count += 1;
        self.value = match &mut self.kind {
            Kind::Sma(k) => k.push(x[0]),
            Kind::Ema(k) => k.push(x[0]),
            Kind::Wma(k) => k.push(x[0]),
            Kind::Std(k) => k.push(x[0]),
            Kind::Bollinger(k) => k.push(x[0]),
            Kind::Extreme(k) => k.push(x[0]),
            Kind::Rsi(k) => k.push(x[0]),
            Kind::Macd(k) => k.push(x[0]),
            Kind::Atr(k) => k.push(x[0], x[1], x[2]),
            Kind::Vwap(k) => k.push(x[0], x[1]),
        };
    }

    /// Takes `x` in the place of the newest candle.
    #[inline]
    pub(crate) fn replace(&mut self, x: &Input) {
        if self.skipped || self.count == 0 {
            return self.push(x);
        }
        if self.has_nan(x) {
            if self.nan == Nan::Skip {
                return;
            }
            if self.count == 1 {
                self.reset();
                self.skipped = true;
                return;
            }
        }
        self.value = match &mut self.kind {
            Kind::Sma(k) => k.replace(x[0]),
            Kind::Ema(k) => k.replace(x[0]),
            Kind::Wma(k) => k.replace(x[0]),
            Kind::Std(k) => k.replace(x[0]),
            Kind::Bollinger(k) => k.replace(x[0]),
            Kind::Extreme(k) => k.replace(x[0]),
            Kind::Rsi(k) => k.replace(x[0]),
            Kind::Macd(k) => k.replace(x[0]),
            Kind::Atr(k) => k.replace(x[0], x[1], x[2]),
            Kind::Vwap(k) => k.replace(x[0], x[1]),
        };
    }
}

/// Runs an indicator over whole columns into `out`, one column a result; the same as pushing row by row.
///
/// The loop is compiled for each kind, so that a value costs its arithmetic and nothing else.
pub(crate) fn run(spec: Spec, nan: Nan, columns: &[&[f64]], out: &mut [&mut [f64]]) {
    let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let start = match nan {
        Nan::Propagate => (0..rows).find(|&r| columns.iter().all(|c| !c[r].is_nan())).unwrap_or(rows),
        Nan::Skip => 0,
    };
    for column in out.iter_mut() {
        column[..start].fill(f64::NAN);
    }
    if nan == Nan::Skip {
        let mut indicator = Indicator::new(spec, nan);
        for row in 0..rows {
            let mut x = [0.0; 4];
            for (slot, column) in x.iter_mut().zip(columns) {
                *slot = column[row];
            }
            indicator.push(&x);
            for (column, value) in out.iter_mut().zip(indicator.value) {
                column[row] = value;
            }
        }
        return;
    }
    /// One input, one result.
    macro_rules! single {
        ($k:ident) => {
            for (o, &x) in out[0][start..rows].iter_mut().zip(&columns[0][start..rows]) {
                *o = $k.push(x)[0];
            }
        };
    }
    /// One input, three results.
    macro_rules! triple {
        ($k:ident) => {
            for row in start..rows {
                let value = $k.push(columns[0][row]);
                for (column, v) in out.iter_mut().zip(value) {
                    column[row] = v;
                }
            }
        };
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        let input = columns.first().map_or(&[][..], |c| &c[start..rows]);
        // SAFETY: the processor has the feature.
        if unsafe { fused(spec, input, start, out) } {
            return;
        }
    }
    match spec.start() {
        Kind::Sma(mut k) => single!(k),
        Kind::Ema(mut k) => single!(k),
        Kind::Wma(mut k) => single!(k),
        Kind::Std(mut k) => single!(k),
        Kind::Extreme(mut k) => single!(k),
        Kind::Rsi(mut k) => single!(k),
        Kind::Bollinger(mut k) => triple!(k),
        Kind::Macd(mut k) => triple!(k),
        Kind::Atr(mut k) => {
            let [high, low, close] = [0, 1, 2].map(|c| &columns[c][start..rows]);
            for (((o, &h), &l), &c) in out[0][start..rows].iter_mut().zip(high).zip(low).zip(close) {
                *o = k.push(h, l, c)[0];
            }
        }
        Kind::Vwap(mut k) => {
            let [price, volume] = [0, 1].map(|c| &columns[c][start..rows]);
            for ((o, &p), &v) in out[0][start..rows].iter_mut().zip(price).zip(volume) {
                *o = k.push(p, v)[0];
            }
        }
    }
}

/// The loops that gain from fused multiplication; `false` for any other indicator.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
fn fused(spec: Spec, input: &[f64], start: usize, out: &mut [&mut [f64]]) -> bool {
    match spec {
        Spec::Std { period, ddof } => {
            let mut k = Std::<true>::new(period, ddof);
            for (o, &x) in out[0][start..].iter_mut().zip(input) {
                *o = k.push(x)[0];
            }
        }
        Spec::Bollinger { period, up, down } => {
            let mut k = Bollinger::<true>::new(period, up, down);
            for (row, &x) in input.iter().enumerate() {
                let value = k.push(x);
                for (column, v) in out.iter_mut().zip(value) {
                    column[start + row] = v;
                }
            }
        }
        _ => return false,
    }
    true
}
