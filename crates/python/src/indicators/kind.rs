//! One indicator of any kind behind one interface: what it reads, how it takes a value, what it gives.

use super::average::{Ema, Sma, Wma};
use super::bands::{Donchian, Keltner, VwapBands};
use super::extreme::Extreme;
use super::momentum::{Atr, Macd, Rsi};
use super::oscillator::{Cci, Mfi, Stoch, WilliamsR};
use super::spread::{Bollinger, Std};
use super::trend::{Adx, Obv};
use super::vwap::Vwap;
use super::words::words;
use super::{Input, NONE, Output};

/// What a NaN among the inputs does after the warm-up has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nan {
    /// The result is NaN as long as it is in the window; what has no window (EMA, RSI, MACD, ATR) stays NaN, as in
    /// TA-Lib.
    Propagate,
    /// The candle is left out, one with an infinity too; the value stays.
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
    Adx(usize),
    Stoch { fast: usize, slow: usize, signal: usize },
    Obv,
    Cci(usize),
    Mfi(usize),
    WilliamsR(usize),
    Donchian(usize),
    Keltner { period: usize, atr: usize, times: f64 },
    VwapBands { period: usize, up: f64, down: f64 },
}

impl Spec {
    /// How many numbers of a candle it reads.
    pub(crate) fn inputs(self) -> usize {
        match self {
            Self::Mfi(_) => 4,
            Self::Atr(_)
            | Self::Adx(_)
            | Self::Stoch { .. }
            | Self::Cci(_)
            | Self::WilliamsR(_)
            | Self::Keltner { .. } => 3,
            Self::Vwap(_) | Self::VwapBands { .. } | Self::Obv | Self::Donchian(_) => 2,
            _ => 1,
        }
    }

    /// How many numbers it gives.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::Bollinger { .. }
            | Self::Macd { .. }
            | Self::Adx(_)
            | Self::Donchian(_)
            | Self::Keltner { .. }
            | Self::VwapBands { .. } => 3,
            Self::Stoch { .. } => 2,
            _ => 1,
        }
    }

    /// Candles before the first result.
    pub(crate) fn lookback(self) -> usize {
        match self {
            Self::Sma(p) | Self::Ema(p) | Self::Wma(p) | Self::Min(p) | Self::Max(p) | Self::Vwap(p) => p - 1,
            Self::Cci(p) | Self::WilliamsR(p) | Self::Donchian(p) => p - 1,
            Self::Std { period, .. } | Self::Bollinger { period, .. } => period - 1,
            Self::VwapBands { period, .. } => period - 1,
            Self::Rsi(p) | Self::Atr(p) | Self::Mfi(p) => p,
            Self::Adx(p) => 2 * p - 1,
            Self::Stoch { fast, slow, signal } => fast + slow + signal - 3,
            Self::Keltner { period, atr, .. } => atr.max(period - 1),
            Self::Obv => 0,
            Self::Macd { fast, slow, signal } => fast.max(slow) + signal - 2,
        }
    }

    pub(super) fn start(self) -> Kind {
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
            Self::Adx(p) => Kind::Adx(Box::new(Adx::new(p))),
            Self::Stoch { fast, slow, signal } => Kind::Stoch(Box::new(Stoch::new(fast, slow, signal))),
            Self::Obv => Kind::Obv(Obv::new()),
            Self::Cci(p) => Kind::Cci(Cci::new(p)),
            Self::Mfi(p) => Kind::Mfi(Box::new(Mfi::new(p))),
            Self::WilliamsR(p) => Kind::WilliamsR(Box::new(WilliamsR::new(p))),
            Self::Donchian(p) => Kind::Donchian(Box::new(Donchian::new(p))),
            Self::Keltner { period, atr, times } => Kind::Keltner(Box::new(Keltner::new(period, atr, times))),
            Self::VwapBands { period, up, down } => {
                Kind::VwapBands(Box::new(VwapBands::new(period, up, down)))
            }
        }
    }
}

/// The kernel for single values of each indicator.
pub(super) enum Kind {
    Sma(Sma),
    Ema(Ema),
    Wma(Wma),
    Std(Std),
    Bollinger(Bollinger),
    Extreme(Extreme),
    Rsi(Rsi),
    Macd(Box<Macd>),
    Atr(Atr),
    Vwap(Vwap),
    Adx(Box<Adx>),
    Stoch(Box<Stoch>),
    Obv(Obv),
    Cci(Cci),
    Mfi(Box<Mfi>),
    WilliamsR(Box<WilliamsR>),
    Donchian(Box<Donchian>),
    Keltner(Box<Keltner>),
    VwapBands(Box<VwapBands>),
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

words!(Indicator: kind, count, skipped, value);

impl Indicator {
    pub(crate) fn new(spec: Spec, nan: Nan) -> Self {
        Self { spec, nan, kind: spec.start(), count: 0, skipped: false, value: NONE }
    }

    /// Candles taken in so far.
    pub(crate) fn seen(&self) -> u64 {
        self.count
    }

    /// What it does with numbers that are none.
    pub(crate) fn nan(&self) -> Nan {
        self.nan
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.spec, self.nan);
    }

    fn has_nan(&self, x: &Input) -> bool {
        let skips = self.nan == Nan::Skip;
        x[..self.spec.inputs()].iter().any(|v| v.is_nan() || (skips && v.is_infinite()))
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
            Kind::Adx(k) => k.push(x[0], x[1], x[2]),
            Kind::Stoch(k) => k.push(x[0], x[1], x[2]),
            Kind::Obv(k) => k.push(x[0], x[1]),
            Kind::Cci(k) => k.push(x[0], x[1], x[2]),
            Kind::Mfi(k) => k.push(x[0], x[1], x[2], x[3]),
            Kind::WilliamsR(k) => k.push(x[0], x[1], x[2]),
            Kind::Donchian(k) => k.push(x[0], x[1]),
            Kind::Keltner(k) => k.push(x[0], x[1], x[2]),
            Kind::VwapBands(k) => k.push(x[0], x[1]),
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
            Kind::Adx(k) => k.replace(x[0], x[1], x[2]),
            Kind::Stoch(k) => k.replace(x[0], x[1], x[2]),
            Kind::Obv(k) => k.replace(x[0], x[1]),
            Kind::Cci(k) => k.replace(x[0], x[1], x[2]),
            Kind::Mfi(k) => k.replace(x[0], x[1], x[2], x[3]),
            Kind::WilliamsR(k) => k.replace(x[0], x[1], x[2]),
            Kind::Donchian(k) => k.replace(x[0], x[1]),
            Kind::Keltner(k) => k.replace(x[0], x[1], x[2]),
            Kind::VwapBands(k) => k.replace(x[0], x[1]),
        };
    }
}
