//! Whole arrays, four values at a time, where the processor has AVX2 and fused multiplication.
//!
//! Two shapes. What looks at a window runs over four stretches of the array at once (`windows`); what carries its
//! last result along takes four values of one stretch in a step (`scans`). Both begin where the kernel for single
//! values has warmed up, and both hold for finite numbers only: an array with a NaN or an infinity behind its
//! start, and a short one, is left to that kernel.
#![allow(unsafe_code)]

mod extremes;
mod lane;
mod scans;
mod windows;

use crate::indicators::Spec;

/// Shorter ones are not worth the start.
const SHORTEST: usize = 64;

/// Runs an indicator over columns of finite numbers from `start` on; `false`: nothing was done.
pub(crate) fn run(spec: Spec, start: usize, columns: &[&[f64]], out: &mut [&mut [f64]]) -> bool {
    let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let even = columns.iter().all(|c| c.len() == rows) && out.iter().all(|o| o.len() == rows);
    let short = rows.saturating_sub(start) < spec.lookback() * 5 + SHORTEST;
    let able = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    if short || !even || !able {
        return false;
    }
    // SAFETY: the processor has the features.
    unsafe { on_able(spec, start, columns, out) }
}

#[target_feature(enable = "avx2,fma")]
fn on_able(spec: Spec, start: usize, columns: &[&[f64]], out: &mut [&mut [f64]]) -> bool {
    if !columns.iter().all(|c| lane::all_finite(&c[start..])) {
        return false;
    }
    let x = &columns[0][start..];
    let mut out: [&mut [f64]; 3] = {
        let mut rest = out.iter_mut();
        [(); 3].map(|()| rest.next().map_or(&mut [][..], |o| &mut o[start..]))
    };
    match (spec, columns) {
        (Spec::Sma(p), _) => windows::sma(x, p, out[0]),
        (Spec::Wma(p), _) => windows::wma(x, p, out[0]),
        (Spec::Std { period, ddof }, _) => windows::std(x, period, ddof, out[0]),
        (Spec::Bollinger { period, up, down }, _) => windows::bollinger(x, period, up, down, &mut out),
        (Spec::Min(p), _) => return extremes::run::<false>(x, p, out[0]),
        (Spec::Max(p), _) => return extremes::run::<true>(x, p, out[0]),
        (Spec::Ema(p), _) => scans::ema(x, p, out[0]),
        (Spec::Rsi(p), _) => scans::rsi(x, p, out[0]),
        (Spec::Macd { fast, slow, signal }, _) => scans::macd(x, fast, slow, signal, &mut out),
        (Spec::Atr(p), [high, low, close]) => {
            scans::atr(&high[start..], &low[start..], &close[start..], p, out[0]);
        }
        _ => return false,
    }
    true
}
