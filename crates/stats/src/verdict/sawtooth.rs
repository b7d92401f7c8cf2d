//! A sawtooth with few teeth (collections that are rare): its resets, and how far along its tooth a moment is.
//! With that as a covariate even three teeth show whether their floor rises.

use super::Point;
use crate::quantile::{median, quantile, sorted};

/// Cells in which drops are looked for.
const CELLS: usize = 240;
/// A drop counts when it is this many times the usual change between cells.
const SIGNIFICANT: f64 = 6.0;

/// What may be left beside teeth of what is left beside a line…
const EXPLAINED: f64 = 0.6;
/// …and how far below all that was seen their foot may lie, in their heights.
const BELOW: f64 = 0.25;
/// Feet at least where each is a floor, what part of the window may be without one, and from which deviation of their
/// distances (as a part of the mean) teeth are uneven: how far along its tooth a moment is then says little.
const FEW_FEET: usize = 10;
const WITHOUT: f64 = 0.25;
const UNEVEN: f64 = 0.12;
/// The quantile of the feet that counts as the lowest of them.
const LOWEST: f64 = 0.1;

/// Floors are means of the lowest third of values, which lies 1.09 standard deviations below what a foot alone says:
/// so many spreads of the changes between samples.
const LOWER_THIRD: f64 = 0.77;

/// Teeth fitted to cells.
struct Fitted {
    height: f64,
    /// Sum of squares beside a line and the teeth, and beside the line alone.
    rest: f64,
    before: f64,
    /// The lowest feet above the lowest cell.
    foot: f64,
}

/// The teeth of a series.
#[derive(Debug, Clone)]
pub(super) struct Sawtooth {
    /// Resets, ascending.
    resets: Vec<f64>,
    /// Time between samples: around a reset, which side one is on is unknown.
    width: f64,
    /// Times of which it is not known how long ago the last reset was.
    blind: Vec<(f64, f64)>,
    /// Usual length of a tooth, seconds.
    period: f64,
    /// Teeth rise by share of their length (true) or by time (false).
    by_share: bool,
    /// How high a usual tooth is.
    height: f64,
}

/// Finds the teeth; `None` where there are none, or where a block spans enough of them for plain floors.
pub(super) fn find(run: &[Point], blocks: usize) -> Option<Sawtooth> {
    let (first, last) = (run.first()?, run.last()?);
    let seconds = last.t - first.t;
    let width = seconds / CELLS.min(run.len() / 2).max(1) as f64;
    let cells = cells(run, width);
    let resets: Vec<f64> = resets(&cells)?.into_iter().map(|t| sharpen(run, t, width)).collect();
    let gaps: Vec<f64> = resets.windows(2).map(|w| w[1] - w[0]).collect();
    let period = median(&gaps)?;
    if 1.3 * period < seconds / blocks as f64 {
        return None;
    }
    let blind = blind(run, &resets, period);
    let mut teeth = Sawtooth {
        resets,
        width: 0.6 * seconds / run.len() as f64,
        blind,
        period,
        by_share: false,
        height: 0.0,
    };
    let by_time = teeth.fit(&cells);
    teeth.by_share = true;
    let by_share = teeth.fit(&cells);
    teeth.by_share = by_share.rest < by_time.rest;
    let fit = if teeth.by_share { by_share } else { by_time };
    teeth.height = fit.height;
    (fit.rest < EXPLAINED * fit.before && fit.foot > -BELOW * fit.height).then_some(teeth)
}

/// The feet of a sawtooth with more teeth than blocks: the first sample after each reset, where every block has one.
pub(super) fn feet(run: &[Point], blocks: usize) -> Option<Vec<Point>> {
    let feet = all_feet(run)?;
    (feet.len() >= blocks + blocks / 5 && longest_gap(run, &feet) < 4.0 * span(run)? / blocks as f64)
        .then_some(feet)
}

/// The feet of teeth of unlike length, of which each is a floor; no more than about one a block.
pub(super) fn uneven_feet(run: &[Point], blocks: usize) -> Option<Vec<Point>> {
    let feet = all_feet(run)?;
    if !(FEW_FEET..=blocks + blocks / 5).contains(&feet.len())
        || longest_gap(run, &feet) > WITHOUT * span(run)?
    {
        return None;
    }
    let gaps: Vec<f64> = feet.windows(2).map(|w| w[1].t - w[0].t).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let square = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    (square.sqrt() > UNEVEN * mean).then_some(feet)
}

fn span(run: &[Point]) -> Option<f64> {
    Some(run.last()?.t - run.first()?.t)
}

/// The longest stretch of a run without a foot, its begin and its end too: of what is before the first and after the
/// last nothing is known.
fn longest_gap(run: &[Point], feet: &[Point]) -> f64 {
    let moments = run.first().into_iter().chain(feet).chain(run.last());
    let apart = |(before, after): (&Point, &Point)| after.t - before.t;
    moments.clone().zip(moments.skip(1)).map(apart).fold(0.0, f64::max)
}

/// The first sample after each reset, where few jumps go upwards.
fn all_feet(run: &[Point]) -> Option<Vec<Point>> {
    let changes: Vec<f64> = run.windows(2).map(|w| w[1].v - w[0].v).collect();
    let middle = median(&changes)?;
    let spread = median(&changes.iter().map(|d| (d - middle).abs()).collect::<Vec<_>>())? * 1.4826;
    let least = SIGNIFICANT * spread.max(f64::MIN_POSITIVE);
    let drops: Vec<f64> = changes.iter().map(|d| middle - d).filter(|d| *d > least).collect();
    let typical = median(&drops)?;
    let resets = |d: f64| middle - d > least.max(0.4 * typical);
    // The first sample after a reset is half a sample's rise above the foot.
    let feet: Vec<Point> = run
        .iter()
        .skip(1)
        .zip(&changes)
        .filter(|(_, d)| resets(**d))
        .map(|(p, _)| Point { v: p.v - 0.5 * middle.max(0.0) - LOWER_THIRD * spread, ..*p })
        .collect();
    let jumps = changes.iter().filter(|d| **d - middle > least.max(0.4 * typical)).count();
    (jumps * 3 <= feet.len()).then_some(feet)
}

/// From each gap to the next reset: another may have been in the gap. And up to the first reset, where there are
/// enough others.
fn blind(run: &[Point], resets: &[f64], period: f64) -> Vec<(f64, f64)> {
    let next = |t: f64| resets.get(resets.partition_point(|r| *r <= t)).copied().unwrap_or(f64::INFINITY);
    let gaps = run.windows(2).filter(|w| w[1].t - w[0].t > 0.15 * period);
    let mut blind: Vec<(f64, f64)> = gaps.map(|w| (w[0].t, next(w[1].t))).collect();
    if let Some(first) = resets.first().filter(|_| resets.len() > 3) {
        blind.push((f64::NEG_INFINITY, *first));
    }
    blind
}

/// The moment of the steepest fall between two samples around a reset.
fn sharpen(run: &[Point], t: f64, width: f64) -> f64 {
    let from = run.partition_point(|p| p.t < t - 1.5 * width).saturating_sub(1);
    let to = run.partition_point(|p| p.t <= t + 1.5 * width).min(run.len());
    let falls = run.get(from..to).unwrap_or(&[]).windows(2);
    let steepest = falls.min_by(|a, b| (a[1].v - a[0].v).total_cmp(&(b[1].v - b[0].v)));
    steepest.map_or(t, |pair| 0.5 * (pair[0].t + pair[1].t))
}

impl Sawtooth {
    /// Whether it is known how far along its tooth a moment is.
    fn clear(&self, t: f64) -> bool {
        let near = self.resets.iter().any(|r| (r - t).abs() <= self.width);
        !near && !self.blind.iter().any(|(from, to)| (*from..*to).contains(&t))
    }

    /// How often it was reset.
    pub(super) fn count(&self) -> usize {
        self.resets.len()
    }

    /// How far along its tooth a moment is, in usual tooth lengths.
    fn phase(&self, t: f64) -> f64 {
        let next = self.resets.partition_point(|r| *r <= t);
        let since = match next.checked_sub(1).and_then(|i| self.resets.get(i)) {
            Some(reset) => t - reset,
            // Before the first reset: as far from it as in a usual tooth.
            None => self.period - (self.resets.first().copied().unwrap_or(t) - t),
        };
        let whole = match (next.checked_sub(1).and_then(|i| self.resets.get(i)), self.resets.get(next)) {
            (Some(a), Some(b)) => b - a,
            _ => self.period.max(since),
        };
        if self.by_share { since / whole } else { since / self.period }
    }

    /// A block without the moments around a reset and without its teeth: each point as if at the mean phase,
    /// which comes with it.
    pub(super) fn level(&self, block: &[Point]) -> Option<(Vec<Point>, f64)> {
        let kept: Vec<(&Point, f64)> =
            block.iter().filter(|p| self.clear(p.t)).map(|p| (p, self.phase(p.t))).collect();
        let mean = kept.iter().map(|(_, u)| u).sum::<f64>() / kept.len() as f64;
        let even = |(p, u): &(&Point, f64)| Point { t: p.t, v: p.v - self.height * (u - mean) };
        (kept.len() >= 2).then(|| (kept.iter().map(even).collect(), mean))
    }

    /// The height of a tooth, and what is left of the cells after a line and the phase.
    fn fit(&self, cells: &[Point]) -> Fitted {
        let kept: Vec<&Point> = cells.iter().filter(|c| self.clear(c.t)).collect();
        let t = residual(&kept.iter().map(|c| c.t).collect::<Vec<_>>(), None);
        let u = residual(&kept.iter().map(|c| self.phase(c.t)).collect::<Vec<_>>(), Some(&t));
        let v = residual(&kept.iter().map(|c| c.v).collect::<Vec<_>>(), Some(&t));
        let height = along(&v, &u);
        let lowest = kept.iter().map(|c| c.v).fold(f64::INFINITY, f64::min);
        let feet: Vec<f64> = kept.iter().map(|c| c.v - height * self.phase(c.t)).collect();
        Fitted {
            height,
            rest: v.iter().zip(&u).map(|(v, u)| (v - height * u).powi(2)).sum(),
            before: v.iter().map(|v| v * v).sum(),
            foot: quantile(&sorted(&feet), LOWEST).unwrap_or(lowest) - lowest,
        }
    }
}

/// A column less its mean and its part along another.
fn residual(column: &[f64], other: Option<&[f64]>) -> Vec<f64> {
    let mean = column.iter().sum::<f64>() / column.len().max(1) as f64;
    let centred: Vec<f64> = column.iter().map(|v| v - mean).collect();
    let Some(other) = other else { return centred };
    let slope = along(&centred, other);
    centred.iter().zip(other).map(|(v, a)| v - slope * a).collect()
}

fn along(v: &[f64], a: &[f64]) -> f64 {
    let (dot, norm) = v.iter().zip(a).fold((0.0, 0.0), |(d, n), (v, a)| (d + v * a, n + a * a));
    if norm > 0.0 { dot / norm } else { 0.0 }
}

/// The median of each cell, at its middle.
fn cells(run: &[Point], width: f64) -> Vec<Point> {
    let mut cells = Vec::with_capacity(CELLS);
    let mut rest = run;
    let Some(first) = run.first() else { return cells };
    let mut end = first.t;
    while !rest.is_empty() {
        end += width;
        let n = rest.partition_point(|p| p.t < end).max(usize::from(width <= 0.0));
        let (cell, after) = rest.split_at(n.min(rest.len()));
        rest = after;
        let values: Vec<f64> = cell.iter().map(|p| p.v).collect();
        if let Some(v) = median(&values) {
            cells.push(Point { t: cell.iter().map(|p| p.t).sum::<f64>() / cell.len() as f64, v });
        }
    }
    cells
}

/// Two or more drops of like size with no jumps upwards between them.
fn resets(cells: &[Point]) -> Option<Vec<f64>> {
    let changes: Vec<f64> = cells.windows(2).map(|w| w[1].v - w[0].v).collect();
    let middle = median(&changes)?;
    let spread = median(&changes.iter().map(|d| (d - middle).abs()).collect::<Vec<_>>())? * 1.4826;
    let values: Vec<f64> = cells.iter().map(|c| c.v).collect();
    let range = values.iter().copied().reduce(f64::max)? - values.iter().copied().reduce(f64::min)?;
    let least = (SIGNIFICANT * spread).max(0.03 * range);
    // A reset may fall inside a cell: its drop then shows over two changes. The usual rise is no jump.
    let over_two: Vec<f64> = cells.windows(3).map(|w| w[2].v - w[0].v - 2.0 * middle).collect();
    let (mut drops, mut jumps) = (Vec::new(), 0_usize);
    let mut i = 0;
    while i < over_two.len() {
        let d = over_two[i];
        if d.abs() <= least || least <= 0.0 {
            i += 1;
            continue;
        }
        let run = over_two[i..].iter().take_while(|e| e.abs() > least && (**e > 0.0) == (d > 0.0)).count();
        if d > 0.0 {
            jumps += 1;
        } else {
            let steepest =
                (i..(i + run + 1).min(changes.len())).min_by(|a, b| changes[*a].total_cmp(&changes[*b]))?;
            let deepest = over_two[i..i + run].iter().copied().reduce(f64::min)?;
            drops.push((0.5 * (cells[steepest].t + cells[steepest + 1].t), -deepest));
        }
        i += run;
    }
    let typical = median(&drops.iter().map(|d| d.1).collect::<Vec<_>>())?;
    drops.retain(|d| d.1 > 0.4 * typical);
    (drops.len() >= 2 && jumps * 3 <= drops.len()).then(|| drops.into_iter().map(|d| d.0).collect())
}
