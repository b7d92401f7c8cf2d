//! Signs of growth: what can be said of a window in numbers, each of which a person would look at too. What they say
//! together was learned from families of series ([`learned`](super::learned)).

use super::blocks::Blocks;
use super::evidence::Fit;
use super::forecast::{growth_probability, slopes};
use super::ground;
use super::lately::{self, Parts};
use super::measures::{MOST, NOTHING, line, range, tau};
use super::shapes::{Class, Shapes};
use super::vectors::{centred, correlation};
use crate::quantile::sorted;

/// How many signs there are.
pub(super) const COUNT: usize = 62;

/// Their names, in order.
pub const NAMES: [&str; COUNT] = [
    "likely",
    "likely_strong",
    "pace",
    "pace_sure",
    "rhythm",
    "step",
    "saturating",
    "flat",
    "memory",
    "white",
    "sen",
    "tau",
    "tau_middle",
    "tau_high",
    "middle",
    "high",
    "lowest",
    "spread",
    "half1",
    "half2",
    "third1",
    "third3",
    "quarter4",
    "z",
    "rest",
    "together",
    "bend",
    "future",
    "future_half",
    "lows",
    "highs",
    "late_highs",
    "drawdown",
    "net",
    "jump",
    "jumps",
    "drop",
    "ups",
    "still",
    "since_high",
    "until_low",
    "new_ground",
    "days",
    "points",
    "teeth",
    "load",
    "load_trend",
    "quantum",
    "feet_tau",
    "feet_z",
    "feet_net",
    "feet_rest",
    "feet_bend",
    "z_middle",
    "z_high",
    "tau_late",
    "z_late",
    "z_early",
    "curve_rest",
    "rising_for",
    "rise",
    "late_new",
];

/// What the explanations and the floors of a window say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signs(pub [f64; COUNT]);

/// Places of the signs that are asked for by name.
const LIKELY: usize = 0;
const RHYTHM: usize = 4;
const TAU: usize = 11;
const HALF_1: usize = 18;
const HALF_2: usize = 19;
const THIRD_3: usize = 21;
const Z: usize = 23;
const LOWS: usize = 29;

impl Signs {
    /// Whether growth shows in the floors at all, and some explanation with it is not unlikely: what was learned of other
    /// series does not make growth out of what does not rise. Growth that may have lasted for the life of the process need
    /// only be possible, or floors rise: no explanation may have its shape. In a process far older than the window most of
    /// what rises comes back.
    pub(super) fn show(&self, lasting: bool) -> bool {
        let Self(s) = self;
        let least = if lasting { POSSIBLE } else { NOT_UNLIKELY };
        s[TAU] > 0.1 && s[Z] > 0.5 && (s[LIKELY] > least || lasting && self.rise())
    }

    /// Whether later floors are higher than earlier ones nearly always, by more than what is left beside a line: no
    /// explanation may hold, and they rise all the same.
    pub(super) fn rise(&self) -> bool {
        let Self(s) = self;
        s[TAU] > RISE_TAU && s[Z] > RISE_Z
    }

    /// Growth that anybody sees: likely by what was weighed, nearly every floor above all before it, as steep in its
    /// second half and last third as in its first, and no rhythm.
    pub(super) fn evident(&self) -> bool {
        let Self(s) = self;
        s[LIKELY] > 3.5
            && s[TAU] > 0.9
            && s[LOWS] > 0.6
            && s[HALF_1] > 0.6
            && (0.75..1.4).contains(&s[HALF_2])
            && s[THIRD_3] > 0.7
            && s[RHYTHM] < 0.12
    }
}

/// The log odds from which growth is possible by what was weighed, and from which it is not unlikely.
const POSSIBLE: f64 = -3.0;
const NOT_UNLIKELY: f64 = -1.0;
/// Floors rise that are in order so nearly, by so many standard errors.
const RISE_TAU: f64 = 0.7;
const RISE_Z: f64 = 3.0;

/// Signs of a window: its floors `y` (without what its teeth and its load explain), what was weighed, and the points.
pub(super) fn signs(
    blocks: &Blocks,
    shapes: &Shapes,
    fits: &[Fit],
    y: &[f64],
    parts: &Parts,
    points: usize,
) -> Signs {
    let mut all = Vec::with_capacity(COUNT);
    evidence(blocks, shapes, fits, &mut all);
    let sen = ground::slope(&blocks.x, y).unwrap_or(0.0);
    let unit = sen.abs().max(NOTHING);
    all.push(sen.clamp(-1.0, 3.0));
    all.push(tau(y));
    all.extend(parts.signs(unit));
    all.extend(pieces(&blocks.x, y, unit));
    all.extend(line(&blocks.x, y));
    all.extend(ground_gained(y));
    all.extend(changes(y, blocks.quantum));
    all.extend(extremes(&blocks.x, y));
    all.push((blocks.seconds / 86_400.0).max(NOTHING).ln());
    all.push((points as f64).ln());
    all.push((blocks.resets as f64).ln_1p());
    let load = blocks.load.as_ref().filter(|_| blocks.load_matters());
    let trend = load.map_or(0.0, |l| correlation(&centred(blocks.x.clone()), l));
    all.push(if load.is_some() { blocks.load_explains } else { -1.0 });
    all.push(trend);
    all.push(blocks.quantum.max(NOTHING).ln());
    all.extend(parts.feet());
    all.extend(lately::late(&blocks.x, y));
    let mut signs = [0.0; COUNT];
    signs.iter_mut().zip(all).for_each(|(to, v)| *to = if v.is_finite() { v } else { 0.0 });
    Signs(signs)
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-5, 1.0 - 1e-5);
    (p / (1.0 - p)).ln()
}

/// What the weighed explanations say.
fn evidence(blocks: &Blocks, shapes: &Shapes, fits: &[Fit], all: &mut Vec<f64>) {
    let pace = slopes(fits, shapes);
    let at = |q: f64| pace.quantile(q).unwrap_or(0.0);
    let (low, middle, high) = (at(0.1), at(0.5), at(0.9));
    all.push(logit(growth_probability(fits, shapes, (1.5 * blocks.quantum).max(0.01))));
    all.push(logit(growth_probability(fits, shapes, 0.1)));
    all.push(middle.clamp(-1.0, 3.0));
    all.push((middle / (high - low).max(NOTHING)).clamp(-10.0, 30.0));
    for class in [Class::Rhythm, Class::Step, Class::Saturating, Class::Flat] {
        all.push(fits.iter().filter(|f| f.class == class).map(|f| f.weight).sum());
    }
    let mean = |of: fn(&Fit) -> f64| {
        let growing = fits.iter().filter(|f| f.class == Class::Growing);
        let (sum, weight) = growing.fold((0.0, 0.0), |(s, w), f| (s + f.weight * of(f), w + f.weight));
        if weight > 0.0 { sum / weight } else { 0.0 }
    };
    all.push(mean(|f| f.noise.memory));
    all.push(mean(|f| f.noise.white));
}

/// The pace of the halves, of the first and the last third and of the last quarter, as parts of that of the whole.
fn pieces(x: &[f64], y: &[f64], unit: f64) -> [f64; 5] {
    let n = y.len();
    let pace = |from: usize, to: usize| {
        let piece = x.get(from..to).zip(y.get(from..to));
        let pace = piece.and_then(|(x, y)| ground::slope(x, y)).unwrap_or(0.0);
        (pace / unit).clamp(-MOST, MOST)
    };
    [pace(0, n / 2), pace(n / 2, n), pace(0, n / 3), pace(n - n / 3, n), pace(n - n / 4, n)]
}

/// What was never lost again: the lowest floor from each moment on. How far it rose until two thirds of the window and
/// until half of it, as parts of the range, and how often it moved; and how often a floor was the highest so far, in all
/// and in the second half.
fn ground_gained(y: &[f64]) -> [f64; 5] {
    let n = y.len();
    let mut future = y.to_vec();
    for i in (1..n).rev() {
        future[i - 1] = future[i - 1].min(future[i]);
    }
    let at = |share: f64| future.get((share * n as f64) as usize).copied().unwrap_or(0.0);
    let range = range(y).max(NOTHING);
    let lows = y.iter().zip(&future).filter(|(y, f)| y == f).count();
    let mut most = f64::NEG_INFINITY;
    let (mut highs, mut late) = (0_usize, 0_usize);
    for (i, v) in y.iter().enumerate() {
        if *v > most {
            most = *v;
            highs += 1;
            late += usize::from(2 * i >= n);
        }
    }
    [
        (at(0.67) - at(0.0)) / range,
        (at(0.5) - at(0.0)) / range,
        lows as f64 / n.max(1) as f64,
        highs as f64 / n.max(1) as f64,
        late as f64 / n.max(1) as f64,
    ]
}

/// Changes between neighbours: the deepest fall from a height and what is gained of all ways, as parts of the range; the
/// largest rise and the three largest, as parts of what all rises sum to; the largest fall; how many are rises, and none.
fn changes(y: &[f64], quantum: f64) -> [f64; 7] {
    let changes: Vec<f64> = y.windows(2).map(|w| w[1] - w[0]).collect();
    let n = changes.len().max(1) as f64;
    let range = range(y).max(NOTHING);
    let ways: f64 = changes.iter().map(|c| c.abs()).sum();
    let net: f64 = changes.iter().sum();
    let mut height = f64::NEG_INFINITY;
    let drawdown = y.iter().fold(0.0_f64, |most, v| {
        height = height.max(*v);
        most.max(height - v)
    });
    let ordered = sorted(&changes);
    let rises: f64 = changes.iter().filter(|c| **c > 0.0).sum::<f64>().max(NOTHING);
    let largest = |k: usize| ordered.iter().rev().take(k).map(|c| c.max(0.0)).sum::<f64>() / rises;
    let fall = ordered.first().map_or(0.0, |c| (-c).max(0.0));
    let least = 0.5 * quantum;
    let share = |of: fn(f64, f64) -> bool| changes.iter().filter(|c| of(**c, least)).count() as f64 / n;
    [
        drawdown / range,
        net / ways.max(NOTHING),
        largest(1),
        largest(3),
        fall / range,
        share(|c, least| c > least),
        share(|c, least| c.abs() <= least),
    ]
}

/// How long ago the highest floor was, when the lowest was, and how far the last floors lie above all before three
/// quarters, as a part of the range.
fn extremes(x: &[f64], y: &[f64]) -> [f64; 3] {
    let place = |better: fn(f64, f64) -> bool| {
        let best = (0..y.len()).reduce(|a, b| if better(y[b], y[a]) { b } else { a });
        best.and_then(|i| x.get(i)).copied().unwrap_or(0.0)
    };
    let until = 3 * y.len() / 4;
    let before = y.iter().take(until).copied().reduce(f64::max).unwrap_or(0.0);
    let last = y.get(y.len().saturating_sub(3)..).unwrap_or(&[]);
    let last = last.iter().sum::<f64>() / last.len().max(1) as f64;
    [1.0 - place(|b, a| b >= a), place(|b, a| b < a), (last - before) / range(y).max(NOTHING)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_are_asked_for_by_name_stand_in_their_places() {
        let places = [LIKELY, RHYTHM, TAU, HALF_1, HALF_2, THIRD_3, Z, LOWS].map(|i| NAMES[i]);
        assert_eq!(places, ["likely", "rhythm", "tau", "half1", "half2", "third3", "z", "lows"]);
    }

    #[test]
    fn growth_that_may_have_lasted_need_only_be_possible_and_must_rise() {
        let with = |likely: f64, tau: f64| {
            let mut all = [0.0; COUNT];
            (all[LIKELY], all[TAU], all[Z]) = (likely, tau, 2.0);
            Signs(all)
        };
        assert!(with(0.0, 0.3).show(false) && with(0.0, 0.3).show(true));
        assert!(with(-2.0, 0.3).show(true) && !with(-2.0, 0.3).show(false));
        assert!(!with(-4.0, 0.3).show(true) && !with(0.0, 0.0).show(true));
    }
}
