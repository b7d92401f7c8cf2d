//! The load of each block: as it was read, or smoothed, where memory follows it late.

use super::Point;
use super::vectors::{centred, correlation, less, varied};

/// Times over which memory may follow its load, in windows: pools and caches shrink and grow behind the requests.
const BEHIND: [f64; 4] = [0.02, 0.05, 0.1, 0.2];
/// What a load that is followed late must explain beyond the load itself, of what is left beside a line.
const BETTER: f64 = 0.1;

/// The floors that a load is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floors<'a> {
    /// Moments, as parts of the window.
    pub(super) x: &'a [f64],
    /// Values, in the series' own unit.
    pub(super) y: &'a [f64],
    /// First moment of the window, seconds.
    pub(super) start: f64,
    /// Its length, seconds.
    pub(super) seconds: f64,
}

/// The load of every block, centred, in standard deviations, and its spread as a part of its mean: as it was read,
/// or as memory follows it, where that explains clearly more; and which part it explains of what the floors do beside
/// a line. `None` where a block has no reading.
pub(super) fn follow(load: &[Point], floors: Floors<'_>) -> Option<(Vec<f64>, f64, f64)> {
    let line = centred(floors.x.to_vec());
    let rest = less(&centred(floors.y.to_vec()), &line);
    let explained = |load: &[f64]| correlation(&rest, &less(load, &line)).powi(2);
    let plain = means(load, floors)?;
    let mut best = (explained(&plain.0) + BETTER, plain);
    for behind in BEHIND {
        let Some(late) = means(&smoothed(load, behind * floors.seconds), floors) else { continue };
        let share = explained(&late.0);
        if share > best.0 {
            best = (share, late);
        }
    }
    let (load, spread) = best.1;
    let explains = explained(&load);
    Some((load, spread, explains))
}

/// An exponential mean of what came before.
fn smoothed(load: &[Point], seconds: f64) -> Vec<Point> {
    let mut state: Option<Point> = None;
    let finite = load.iter().filter(|p| p.t.is_finite() && p.v.is_finite());
    finite
        .map(|p| {
            let v = state.map_or(p.v, |s| s.v + (p.v - s.v) * -((s.t - p.t).min(0.0) / seconds).exp_m1());
            *state.insert(Point { t: p.t, v })
        })
        .collect()
}

fn means(load: &[Point], floors: Floors<'_>) -> Option<(Vec<f64>, f64)> {
    let half = 0.5 / floors.x.len() as f64;
    let mut means = Vec::with_capacity(floors.x.len());
    for x in floors.x {
        let at = |x: f64| floors.start + x * floors.seconds;
        let from = load.partition_point(|p| p.t < at(x - half));
        let to = load.partition_point(|p| p.t <= at(x + half));
        let values: Vec<f64> = load.get(from..to)?.iter().map(|p| p.v).filter(|v| v.is_finite()).collect();
        // A block without a reading makes the covariate useless: guessing it would bend the floor.
        if values.is_empty() {
            return None;
        }
        means.push(values.iter().sum::<f64>() / values.len() as f64);
    }
    let usual = means.iter().sum::<f64>() / means.len() as f64;
    let means = centred(means);
    let sd = (means.iter().map(|v| v * v).sum::<f64>() / means.len() as f64).sqrt();
    let load = varied(means.into_iter().map(|v| v / sd).collect())?;
    Some((load, sd / usual.abs().max(f64::MIN_POSITIVE)))
}
