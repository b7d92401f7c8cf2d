//! What is known beside the points.

use super::Point;

/// Everything that sharpens a verdict. The default knows nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options<'a> {
    /// Load over the same time (requests or CPU seconds per second, see [`rates`]): a daily rhythm that follows
    /// it is not growth.
    pub load: Option<&'a [Point]>,
    /// When the process started, on the clock of the points. Unknown: taken to be the first point, so that the
    /// warm-up is left out.
    pub started: Option<f64>,
    /// Moments of restarts. Nothing is ever fitted across one.
    pub restarts: &'a [f64],
    /// The points are floors already (sampled right after full collections).
    pub floors: bool,
    /// A level to look ahead to: a cgroup limit, an objective.
    pub limit: Option<f64>,
    /// Growth in the time watched that is too small to matter, as a part of the level.
    pub min_growth: f64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { load: None, started: None, restarts: &[], floors: false, limit: None, min_growth: 0.01 }
    }
}

/// The rate per second of a counter, at the middle of each pair of points. A counter that falls was reset:
/// that pair is left out.
#[must_use]
pub fn rates(counter: &[Point]) -> Vec<Point> {
    let rate = |pair: &[Point]| {
        let (a, b) = (pair.first()?, pair.last()?);
        let v = (b.v - a.v) / (b.t - a.t);
        (b.t > a.t && v.is_finite() && v >= 0.0).then_some(Point { t: 0.5 * (a.t + b.t), v })
    };
    counter.windows(2).filter_map(rate).collect()
}
