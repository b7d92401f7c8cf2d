//! What an indicator is made of, to be made again elsewhere: its parameters, and what it came to.

use super::kind::{Indicator, Kind, Spec};
use super::words::{Pass, Words, load, save};

impl Spec {
    /// Its parameters in the order of its class: whole numbers, then others.
    pub(crate) fn parameters(self) -> (Vec<usize>, Vec<f64>) {
        match self {
            Self::Sma(p)
            | Self::Ema(p)
            | Self::Wma(p)
            | Self::Min(p)
            | Self::Max(p)
            | Self::Rsi(p)
            | Self::Atr(p)
            | Self::Vwap(p)
            | Self::Adx(p)
            | Self::Cci(p)
            | Self::Mfi(p)
            | Self::WilliamsR(p)
            | Self::Donchian(p) => (vec![p], vec![]),
            Self::Std { period, ddof } => (vec![period, ddof], vec![]),
            Self::Bollinger { period, up, down } | Self::VwapBands { period, up, down } => {
                (vec![period], vec![up, down])
            }
            Self::Macd { fast, slow, signal } | Self::Stoch { fast, slow, signal } => {
                (vec![fast, slow, signal], vec![])
            }
            Self::Keltner { period, atr, times } => (vec![period, atr], vec![times]),
            Self::Obv => (vec![], vec![]),
        }
    }
}

impl Words for Kind {
    fn words(&mut self, pass: Pass<'_>) {
        match self {
            Self::Sma(k) => k.words(pass),
            Self::Ema(k) => k.words(pass),
            Self::Wma(k) => k.words(pass),
            Self::Std(k) => k.words(pass),
            Self::Bollinger(k) => k.words(pass),
            Self::Extreme(k) => k.words(pass),
            Self::Rsi(k) => k.words(pass),
            Self::Macd(k) => k.words(pass),
            Self::Atr(k) => k.words(pass),
            Self::Vwap(k) => k.words(pass),
            Self::Adx(k) => k.words(pass),
            Self::Stoch(k) => k.words(pass),
            Self::Obv(k) => k.words(pass),
            Self::Cci(k) => k.words(pass),
            Self::Mfi(k) => k.words(pass),
            Self::WilliamsR(k) => k.words(pass),
            Self::Donchian(k) => k.words(pass),
            Self::Keltner(k) => k.words(pass),
            Self::VwapBands(k) => k.words(pass),
        }
    }
}

impl Indicator {
    /// What it came to, as words.
    pub(crate) fn state(&mut self) -> Vec<u64> {
        save(self)
    }

    /// Goes on from a state; whether it is one of such an indicator. If not, it begins anew.
    pub(crate) fn restore(&mut self, state: &[u64]) -> bool {
        let restored = load(self, state);
        if !restored {
            self.reset();
        }
        restored
    }
}
