//! Is it growing? A verdict with its evidence, not a line through points.
//!
//! The series is cut into block floors ([`blocks`]), and every explanation that a healthy or a leaking process
//! may have (flat, steps, a cache that fills, a daily rhythm, a line, a late onset…, [`shapes`]) is weighed
//! against the same correlated noise ([`noise`], [`evidence`]). The verdict is what most of the evidence says,
//! and the forecast is the mixture of them all: where explanations disagree, the interval is wide.

mod blocks;
mod columns;
mod confirm;
pub(crate) mod decide;
mod events;
mod evidence;
mod forecast;
mod ground;
mod judged;
mod lately;
mod learned;
mod linear;
mod load;
mod measures;
mod noise;
mod options;
mod sawtooth;
mod series;
mod shapes;
mod signs;
mod stairs;
mod weigh;

use serde::{Deserialize, Serialize};

pub use confirm::{Confirmation, benjamini_hochberg};
pub use options::{Options, rates};
pub use series::Series;
pub use signs::{NAMES as SIGNS, Signs};

/// One measurement of a series: seconds since any fixed moment, and a value in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds.
    pub t: f64,
    /// Bytes, objects, descriptors…
    pub v: f64,
}

/// What a series does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No growth beyond noise.
    Flat,
    /// Its floor rises and goes on rising.
    Growing,
    /// It rose and is levelling off: a cache that fills, a warm-up.
    Saturating,
    /// It moved to another level and stays there.
    Step,
    /// Its floor falls: no leak. What falls is not extrapolated.
    Falling,
    /// Too few observations to say.
    #[default]
    Insufficient,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Flat, Self::Growing, Self::Saturating, Self::Step, Self::Falling, Self::Insufficient];

    /// Its name in metrics and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Growing => "growing",
            Self::Saturating => "saturating",
            Self::Step => "step",
            Self::Falling => "falling",
            Self::Insufficient => "insufficient",
        }
    }
}

/// A value some time ahead, with the interval that should hold it nine times of ten.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Best guess.
    pub value: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Forecast {
    /// Of a low end, a value and a high end: nothing here is negative, and the value lies between its ends. `None`
    /// where one of them is no number.
    fn of([low, value, high]: [f64; 3]) -> Option<Self> {
        let [low, value, high] = [low, value, high].map(|v| v.max(0.0));
        let (low, high) = (low.min(value), high.max(value));
        [low, value, high].iter().all(|v| v.is_finite()).then_some(Self { value, low, high })
    }
}

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// When, seconds on the clock of the points.
    pub at: f64,
    /// By how much.
    pub by: f64,
}

/// When a limit is reached, in seconds from the last point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimeToLimit {
    /// The limit, in the unit of the series.
    pub limit: f64,
    /// At the upper end of the slope. `None`: never, even at that.
    pub earliest_seconds: Option<f64>,
    /// At the slope itself.
    pub expected_seconds: Option<f64>,
    /// At its lower end. `None`: unbounded, it may never be reached.
    pub latest_seconds: Option<f64>,
}

/// Why there is no verdict yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The process has not run, or was not watched, for long enough after its warm-up.
    TooShort,
    /// Too few samples in the time watched.
    TooFewSamples,
    /// Growth and an innocent explanation both fit.
    Undecided,
    /// It looks like growth, but not for long enough to be sure.
    Unconfirmed,
}

/// A verdict and what it stands on. Units are those of the series; slopes are per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// What the series does.
    pub verdict: Verdict,
    /// The floor now.
    pub level: Option<f64>,
    /// Growth of the floor per second.
    pub slope: Option<f64>,
    /// 90 % interval of the slope.
    pub slope_low: Option<f64>,
    /// Its upper end.
    pub slope_high: Option<f64>,
    /// The floor in 24 hours.
    pub forecast_24h: Option<Forecast>,
    /// Seconds that were observed and used (after warm-up, since the last restart).
    pub observed_seconds: f64,
    /// Seconds still to observe before a verdict, where it is [`Verdict::Insufficient`].
    pub wait_seconds: Option<f64>,
    /// How sure it is that the floor goes on rising, 0 to 1.
    #[serde(default)]
    pub growth_probability: Option<f64>,
    /// Where growth is called: in how many of how many equal parts of the window the floor was higher than in the part
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rises: Option<[u32; 2]>,
    /// Why there is no verdict.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The last change of level, where the verdict is [`Verdict::Step`].
    #[serde(default)]
    pub shift: Option<Shift>,
    /// When the limit that was asked about is reached.
    #[serde(default)]
    pub limit: Option<TimeToLimit>,
    /// Growth was held for so long, over look after look, that somebody should be woken ([`Confirmation`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alarm: bool,
    /// Seconds for which growth has been called without a break, where looks were repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<f64>,
    /// How often growth was called and then taken back, where looks were repeated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken_back: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Judges a series in order of time.
#[must_use]
pub fn assess(points: &[Point]) -> Assessment {
    assess_with(points, &Options::default())
}

/// [`assess`] with all that is known beside the series.
#[must_use]
pub fn assess_with(points: &[Point], options: &Options<'_>) -> Assessment {
    let Some(origin) = origin(points) else { return decide::decide(points, options) };
    let mut assessment = from(origin, points, options, decide::decide);
    if let Some(shift) = &mut assessment.shift {
        shift.at += origin;
    }
    assessment
}

/// What verdicts are learned from: the signs of growth, and what is said of the series now. Nothing where there are too few
/// points.
#[must_use]
pub fn signs_of(points: &[Point], options: &Options<'_>) -> Option<(Signs, Assessment)> {
    from(origin(points)?, points, options, decide::signs)
}

fn origin(points: &[Point]) -> Option<f64> {
    points.iter().map(|p| p.t).find(|t| t.is_finite())
}

/// Asks with seconds since the first point: what is said does not depend on the day on which it is said.
fn from<T>(
    origin: f64,
    points: &[Point],
    options: &Options<'_>,
    ask: impl Fn(&[Point], &Options<'_>) -> T,
) -> T {
    let since = |points: &[Point]| points.iter().map(|p| Point { t: p.t - origin, ..*p }).collect::<Vec<_>>();
    let load = options.load.map(since);
    let restarts: Vec<f64> = options.restarts.iter().map(|t| t - origin).collect();
    let started = options.started.map(|t| t - origin);
    ask(&since(points), &Options { load: load.as_deref(), restarts: &restarts, started, ..*options })
}

#[cfg(test)]
mod tests;
mod vectors;
