//! Is it growing? A verdict with its evidence, not a line through points.

use serde::{Deserialize, Serialize};

/// One measurement of a series: seconds since any fixed moment, and a value in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds.
    pub t: f64,
    /// Bytes, objects, descriptors…
    pub v: f64,
}

/// What a series does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Too few observations to say.
    Insufficient,
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

/// A verdict and what it stands on. Units are those of the series; slopes are per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
}

/// Judges a series in order of time.
#[must_use]
pub fn assess(points: &[Point]) -> Assessment {
    let observed_seconds = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.t - first.t,
        _ => 0.0,
    };
    Assessment {
        verdict: Verdict::Insufficient,
        level: points.last().map(|p| p.v),
        slope: None,
        slope_low: None,
        slope_high: None,
        forecast_24h: None,
        observed_seconds,
        wait_seconds: None,
    }
}
