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

/// A change between floors beside each other is a step where it is so many times the usual one…
const STEP: f64 = 4.0;
/// …so many of them, of which so many at most for one up go down, are a climb…
const MANY: usize = 6;
const DOWN: f64 = 0.12;
/// …that is as steep in its second half, this part of it at least, and lasts until this moment.
const EVEN: f64 = 0.7;
const UNTIL: f64 = 0.75;

/// Whether floors climb by steps, up and hardly ever down, until lately. Noise, however long it remembers, goes down as
/// often as up, and what fills slows down.
pub(super) fn climbs(y: &[f64]) -> bool {
    let changes: Vec<f64> = y.windows(2).map(|w| w[1] - w[0]).collect();
    let Some(middle) = median(&changes) else { return false };
    let usual =
        median(&changes.iter().map(|c| (c - middle).abs()).collect::<Vec<_>>()).unwrap_or(0.0) * 1.4826;
    let least = STEP * usual.max(1e-4);
    let half = changes.len() / 2;
    let ups: Vec<usize> =
        (0..changes.len()).filter(|i| changes.get(*i).is_some_and(|c| *c > least)).collect();
    let downs = changes.iter().filter(|c| **c < -least).count();
    let early = ups.iter().filter(|i| **i < half).count();
    let (before, after) = changes.split_at(half);
    let even = |late: f64, early: f64| late >= EVEN * early;
    ups.len() >= MANY
        && downs as f64 <= DOWN * ups.len() as f64
        && even((ups.len() - early) as f64, early as f64)
        && even(after.iter().sum(), before.iter().sum())
        && ups.last().is_some_and(|last| *last as f64 >= UNTIL * changes.len() as f64)
}

/// Parts of a window that are held against each other, where there are two floors for each.
const PARTS: usize = 13;

/// In how many of how many equal parts floors were higher than in the part before.
pub(super) fn rises(y: &[f64]) -> Option<[u32; 2]> {
    let parts = PARTS.min(y.len() / 2);
    let part = |i: usize| {
        let floors = y.get(y.len() * i / parts..y.len() * (i + 1) / parts).unwrap_or(&[]);
        floors.iter().sum::<f64>() / floors.len().max(1) as f64
    };
    let means: Vec<f64> = (0..parts).map(part).collect();
    let of = u32::try_from(parts.checked_sub(1)?).ok()?;
    let higher = means.windows(2).filter(|w| w[1] > w[0]).count();
    Some([u32::try_from(higher).ok()?, of])
}

/// The median slope between floors.
pub(super) fn slope(x: &[f64], y: &[f64]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(x.len() * x.len() / 2);
    for (i, (xi, yi)) in x.iter().zip(y).enumerate() {
        slopes.extend(x.iter().zip(y).skip(i + 1).map(|(xj, yj)| (yj - yi) / (xj - xi)));
    }
    median(&slopes)
}
