//! Indicators over whole arrays. The loop is compiled for each kind, so that a value costs its arithmetic and
//! nothing else.

use super::kind::{Indicator, Kind, Nan, Spec};

/// Runs an indicator over whole columns into `out`, one column a result: what pushing row by row gives, to the last
/// digits (`wide` adds in another order).
pub(crate) fn run(spec: Spec, nan: Nan, columns: &[&[f64]], out: &mut [&mut [f64]]) {
    let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let start = match nan {
        Nan::Propagate => (0..rows).find(|&r| columns.iter().all(|c| !c[r].is_nan())).unwrap_or(rows),
        Nan::Skip => 0,
    };
    for column in out.iter_mut() {
        column[..start].fill(f64::NAN);
    }
    if nan == Nan::Propagate && super::arch::run(spec, start, columns, out) {
        return;
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
    /// Several inputs or several results.
    macro_rules! several {
        ($k:ident, $($c:literal),+) => {
            for row in start..rows {
                let value = $k.push($(columns[$c][row]),+);
                for (column, v) in out.iter_mut().zip(value) {
                    column[row] = v;
                }
            }
        };
    }
    match spec.start() {
        Kind::Sma(mut k) => single!(k),
        Kind::Ema(mut k) => single!(k),
        Kind::Wma(mut k) => single!(k),
        Kind::Std(mut k) => single!(k),
        Kind::Extreme(mut k) => single!(k),
        Kind::Rsi(mut k) => single!(k),
        Kind::Bollinger(mut k) => several!(k, 0),
        Kind::Macd(mut k) => several!(k, 0),
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
        Kind::Adx(mut k) => several!(k, 0, 1, 2),
        Kind::Stoch(mut k) => several!(k, 0, 1, 2),
        Kind::Obv(mut k) => several!(k, 0, 1),
        Kind::Cci(mut k) => several!(k, 0, 1, 2),
        Kind::Mfi(mut k) => several!(k, 0, 1, 2, 3),
        Kind::WilliamsR(mut k) => several!(k, 0, 1, 2),
        Kind::Donchian(mut k) => several!(k, 0, 1),
        Kind::Keltner(mut k) => several!(k, 0, 1, 2),
        Kind::VwapBands(mut k) => several!(k, 0, 1),
    }
}
