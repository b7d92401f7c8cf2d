//! Measures of a row of numbers that several signs take.

use super::vectors::{along, centred, less, spread};

/// Less than this, as a part of the level, is nothing.
pub(super) const NOTHING: f64 = 1e-6;
/// Ratios beyond this say no more.
pub(super) const MOST: f64 = 4.0;

/// How often of two values the later is the higher, less how often it is the lower.
pub(super) fn tau(y: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (i, a) in y.iter().enumerate() {
        for b in y.iter().skip(i + 1) {
            sum += if b > a {
                1.0
            } else if b < a {
                -1.0
            } else {
                0.0
            };
        }
    }
    let pairs = 0.5 * (y.len() * y.len().saturating_sub(1)) as f64;
    sum / pairs.max(1.0)
}

/// A line through the floors: its slope in standard errors where neighbours go together, what is left beside it as a part
/// of all, how much neighbours go together, and how it bends.
pub(super) fn line(x: &[f64], y: &[f64]) -> [f64; 4] {
    let (x, y) = (centred(x.to_vec()), centred(y.to_vec()));
    let (xy, xx) = along(&y, &x);
    let slope = xy / xx.max(f64::MIN_POSITIVE);
    let rest = less(&y, &x);
    let n = rest.len() as f64;
    let together = along(rest.get(1..).unwrap_or(&[]), &rest).0 / along(&rest, &rest).0.max(1e-300);
    let kept = together.clamp(0.0, 0.95);
    let error = spread(&rest) * ((1.0 + kept) / (1.0 - kept)).sqrt() / xx.max(f64::MIN_POSITIVE).sqrt();
    let square = centred(x.iter().map(|v| v * v).collect());
    let bend = along(&rest, &square);
    let bend = bend.0 / bend.1.max(f64::MIN_POSITIVE);
    let whole = spread(&y);
    [
        (slope / (error * (n / (n - 2.0).max(1.0)).sqrt()).max(1e-9)).clamp(-20.0, 60.0),
        spread(&rest) / whole,
        together,
        (bend / slope.abs().max(NOTHING)).clamp(-MOST, MOST),
    ]
}

/// From the lowest to the highest.
pub(super) fn range(y: &[f64]) -> f64 {
    let end = |pick: fn(f64, f64) -> f64| y.iter().copied().reduce(pick).unwrap_or(0.0);
    end(f64::max) - end(f64::min)
}
