//! Whether a rise gains new ground. What drops and then rises to where it was before is half of a tooth or of a
//! wave: machines' memory does that all day long.

use crate::quantile::median;

/// A rise must end above all that the first part of the window did…
const FIRST_PART: f64 = 0.6;
/// …by so much of its growth a window…
const ABOVE: f64 = 0.1;
/// …or have been there before the drop as well, with so much of its pace, over so many floors at least.
const AS_BEFORE: f64 = 0.5;
const SEEN: usize = 6;

/// Whether a rise by `growth` a window only regains what was lost: floors `y` at the moments `x`, parts of the window.
pub(super) fn regains(x: &[f64], y: &[f64], growth: f64) -> bool {
    // Two floors beside each other are no burst.
    let pairs = y.windows(2).map(|w| w.iter().copied().fold(f64::INFINITY, f64::min));
    let before = x.iter().skip(1).zip(pairs).take_while(|(x, _)| **x < FIRST_PART).map(|(_, v)| v);
    let Some((highest, peak)) = before.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else { return false };
    let last = y.get(y.len().saturating_sub(3)..).unwrap_or(&[]);
    if last.iter().sum::<f64>() / last.len() as f64 - peak > ABOVE * growth {
        return false;
    }
    // The floor before the drop ends with the two that are the highest.
    let (first, rest) = (0..highest + 2, highest + 2..y.len());
    let pace = |part: std::ops::Range<usize>| slope(x.get(part.clone())?, y.get(part)?);
    !(first.len() >= SEEN && pace(first).zip(pace(rest)).is_some_and(|(a, b)| a > AS_BEFORE * b))
}

/// The median slope between floors.
fn slope(x: &[f64], y: &[f64]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(x.len() * x.len() / 2);
    for (i, (xi, yi)) in x.iter().zip(y).enumerate() {
        slopes.extend(x.iter().zip(y).skip(i + 1).map(|(xj, yj)| (yj - yi) / (xj - xi)));
    }
    median(&slopes)
}
