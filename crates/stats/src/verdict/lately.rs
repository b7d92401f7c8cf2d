//! Signs that floors alone do not show: what the lowest, the middle and the highest values of a window do, and how what
//! happened lately differs from what was before.

use super::Point;
use super::ground;
use super::measures::{MOST, NOTHING, line, range, tau};
use super::vectors::{along, centred, less, spread};
use crate::quantile::{median, quantile, sorted};

/// Parts of a window whose lowest, middle and highest values are looked at beside its floors.
const PARTS: usize = 32;
/// How many of them together have one foot: the lowest value of all.
const FOOT: usize = 2;
/// What of the stretches is left out on either side of a forecast's interval.
const OUT: f64 = 0.05;
/// How much of what it rose a rise may lose again on its way.
const LOST: f64 = 0.2;

/// The lowest, the middle and the highest value of each part of a window.
#[derive(Debug, Default)]
pub(super) struct Parts {
    x: Vec<f64>,
    low: Vec<f64>,
    /// The mean of the lowest third.
    third: Vec<f64>,
    middle: Vec<f64>,
    high: Vec<f64>,
}

impl Parts {
    pub(super) fn of(used: &[Point], level: f64) -> Self {
        let mut parts = Self::default();
        let (Some(first), Some(last)) = (used.first(), used.last()) else { return parts };
        let seconds = (last.t - first.t).max(f64::MIN_POSITIVE);
        let mut rest = used;
        for i in 1..=PARTS {
            let end = first.t + seconds * i as f64 / PARTS as f64;
            let n = if i == PARTS { rest.len() } else { rest.partition_point(|p| p.t < end) };
            let (part, after) = rest.split_at(n);
            rest = after;
            let values = sorted(&part.iter().map(|p| p.v / level).collect::<Vec<_>>());
            let (Some(least), Some(most)) = (values.first(), values.last()) else { continue };
            parts.x.push(i as f64 / PARTS as f64);
            let third = values.get(..values.len().div_ceil(3)).unwrap_or(&[]);
            parts.low.push(*least);
            parts.third.push(third.iter().sum::<f64>() / third.len().max(1) as f64);
            parts.high.push(*most);
            parts.middle.push(median(&values).unwrap_or(0.0));
        }
        parts
    }

    /// Whether the middle and the highest values rise as the floors do, and the lowest; and whether they move apart.
    pub(super) fn signs(&self, unit: f64) -> [f64; 6] {
        let pace = |y: &[f64]| ground::slope(&self.x, y).unwrap_or(0.0);
        let (l, m, h) = (pace(&self.low), pace(&self.middle), pace(&self.high));
        let part = |v: f64| (v / unit).clamp(-MOST, MOST);
        [tau(&self.middle), tau(&self.high), part(m), part(h), part(l), part(h - l)]
    }

    /// How far below and above a level (at a moment of the window) what short stretches of the window show: their lowest
    /// values, and their floors.
    pub(super) fn around(&self, level: impl Fn(f64) -> f64) -> [f64; 2] {
        let beside = |values: &[f64]| -> Vec<f64> {
            let rest = |(x, v): (&f64, &f64)| v - level(x - 0.5 / PARTS as f64);
            sorted(&self.x.iter().zip(values).map(rest).collect::<Vec<_>>())
        };
        let down = quantile(&beside(&self.low), OUT).unwrap_or(0.0);
        let up = quantile(&beside(&self.third), 1.0 - OUT).unwrap_or(0.0);
        [down.min(0.0), up.max(0.0)]
    }

    /// What the feet do, the lowest values of all, where nothing hides a leak: how often a later one is higher, a line
    /// through them in standard errors, what they gain of all their ways, what is left beside the line, and how much of
    /// it they gain in the second half; and lines through the middle and the highest values.
    pub(super) fn feet(&self) -> [f64; 7] {
        let least = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
        let y: Vec<f64> = self.low.chunks(FOOT).map(least).collect();
        let x: Vec<f64> = self.x.chunks(FOOT).filter_map(|part| part.first().copied()).collect();
        let ways: f64 = y.windows(2).map(|w| (w[1] - w[0]).abs()).sum();
        let gained = |from: usize, to: usize| y.get(to).zip(y.get(from)).map_or(0.0, |(b, a)| b - a);
        let last = y.len().saturating_sub(1);
        let net = gained(0, last);
        let [z, rest, ..] = line(&x, &y);
        let [z_middle, ..] = line(&self.x, &self.middle);
        let [z_high, ..] = line(&self.x, &self.high);
        let bend = (gained(last / 2, last) / net.abs().max(NOTHING)).clamp(-MOST, MOST);
        [tau(&y), z, net / ways.max(NOTHING), rest, bend, z_middle, z_high]
    }
}

/// What floors `y` at the moments `x` do lately: how often a later one is higher in the second half, lines through the
/// second and the first half in standard errors, what is left beside a parabola, for how long they have risen without
/// losing much of it, how much of the range that is, and how many of the second half are above all of the first.
pub(super) fn late(x: &[f64], y: &[f64]) -> [f64; 7] {
    let n = y.len();
    let half = n / 2;
    let (Some((x1, x2)), Some((y1, y2))) = (x.split_at_checked(half), y.split_at_checked(half)) else {
        return [0.0; 7];
    };
    let [z_late, ..] = line(x2, y2);
    let [z_early, ..] = line(x1, y1);
    let (from, rise) = rises_from(y);
    let highest = y1.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let above = y2.iter().filter(|v| **v > highest).count();
    [
        tau(y2),
        z_late,
        z_early,
        beside_parabola(x, y),
        1.0 - from as f64 / n.max(1) as f64,
        rise / range(y).max(NOTHING),
        above as f64 / y2.len().max(1) as f64,
    ]
}

/// From which floor on they have risen until the end without losing much of it, and by how much.
fn rises_from(y: &[f64]) -> (usize, f64) {
    let Some(end) = y.last().copied() else { return (0, 0.0) };
    let (mut from, mut least, mut most) = (y.len() - 1, end, end);
    for (i, v) in y.iter().enumerate().rev() {
        most = most.max(*v);
        if *v < least && most - end <= LOST * (most - v) {
            (from, least) = (i, *v);
        } else if most - end > LOST * (most - least).max(NOTHING) && *v > end {
            break;
        }
    }
    (from, end - least)
}

/// What is left beside a parabola, as a part of all that floors do.
fn beside_parabola(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (centred(x.to_vec()), centred(y.to_vec()));
    let square = less(&centred(x.iter().map(|v| v * v).collect()), &x);
    let whole = spread(&y);
    let rest = less(&less(&y, &x), &square);
    if along(&y, &y).1 > 0.0 { spread(&rest) / whole } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_lasts_until_it_loses_a_part_of_itself() {
        let y = [3.0, 1.0, 1.5, 2.0, 1.9, 2.5, 3.0];
        assert_eq!(rises_from(&y), (1, 2.0));
        assert_eq!(rises_from(&[1.0, 2.0, 3.0, 1.0, 1.2, 1.5]), (3, 0.5));
        assert_eq!(rises_from(&[]), (0, 0.0));
    }

    #[test]
    fn floors_on_a_parabola_leave_nothing_beside_it() {
        let x: Vec<f64> = (0..32).map(|i| f64::from(i) / 32.0).collect();
        let y: Vec<f64> = x.iter().map(|x| 1.0 + x * x).collect();
        assert!(beside_parabola(&x, &y) < 1e-9);
    }

    #[test]
    fn feet_rise_below_what_comes_and_goes() {
        let point = |i: i32| {
            let t = f64::from(i);
            Point { t, v: 100.0 + 0.1 * t + if i % 7 == 0 { 0.0 } else { 30.0 * (t * 0.9).sin().abs() } }
        };
        let points: Vec<Point> = (0..640).map(point).collect();
        let [tau, z, net, ..] = Parts::of(&points, 100.0).feet();
        assert!(tau > 0.99 && z > 10.0 && net > 0.99, "{tau} {z} {net}");
    }
}
