//! Growth of a service that is restarted before one life is long enough to be judged: what happens in every life.
//!
//! Nothing is fitted across a restart. Each life gives one number, how fast its floor rose when its warm-up was over,
//! and lives are independent of each other: a few that agree prove what none of them does.

use crate::quantile::{median, sorted};
use crate::verdict::Point;
use serde::{Deserialize, Serialize};

/// Warm-up of a life: a share of it, and seconds at least.
const WARMUP_SHARE: f64 = 0.15;
const WARMUP_SECONDS: f64 = 120.0;
/// What must be left of a life, seconds and samples.
const LEAST_SECONDS: f64 = 300.0;
const LEAST_POINTS: usize = 24;
/// Floors of a life.
const FLOORS: usize = 12;
/// A rise that goes on in the second half at less than this part of its pace in the first levels off: a warm-up.
const GOES_ON: f64 = 0.5;
/// Lives that must agree.
const LEAST_LIVES: usize = 4;
/// Growth of a usual life that is too small to matter, as a part of the level.
const LEAST_GROWTH: f64 = 0.01;
/// 95 % points of Student's t for 1 to 10 degrees of freedom, and beyond.
const T95: [f64; 11] = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.75];

/// One life, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// The floor at its end.
    pub level: f64,
    /// Growth of the floor that was still going on in its second half, per second. Zero where it levelled off.
    pub slope: f64,
    /// Seconds that were watched after the warm-up.
    pub seconds: f64,
}

/// What the lives of a service say together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BetweenRestarts {
    /// Lives that were long enough to say something.
    pub lives: u32,
    /// Length of a usual one, seconds.
    pub life_seconds: f64,
    /// Growth of the floor within a life, as a part of its level per second: the mean, and the ends of its 90 %
    /// interval.
    pub per_second: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Whether memory grows in every life, the interval is above zero, and a usual life gains one percent and more.
    pub growing: bool,
}

/// Sums up a life: its points, in order, and when it began. `None` where it was too short.
#[must_use]
pub fn life(points: &[Point], started: f64) -> Option<Life> {
    let sound: Vec<Point> =
        points.iter().copied().filter(|p| p.t.is_finite() && p.v.is_finite() && p.t >= started).collect();
    let age = sound.last()?.t - started;
    let warm = started + (WARMUP_SHARE * age).max(WARMUP_SECONDS);
    let used = sound.get(sound.partition_point(|p| p.t < warm)..)?;
    let seconds = used.last()?.t - used.first()?.t;
    if seconds < LEAST_SECONDS || used.len() < LEAST_POINTS {
        return None;
    }
    let floors: Vec<Point> = used.chunks(used.len().div_ceil(FLOORS)).filter_map(floor).collect();
    let (first, second) = floors.split_at(floors.len() / 2);
    let (early, late) = (slope(first)?, slope(second)?);
    let levels_off = late <= 0.0 || late < GOES_ON * early;
    Some(Life {
        level: floors.last()?.v,
        slope: if levels_off { late.min(0.0) } else { slope(&floors)? },
        seconds,
    })
}

/// What lives say together. `None` where too few were long enough.
#[must_use]
pub fn between_restarts(lives: &[Life]) -> Option<BetweenRestarts> {
    let rates: Vec<f64> = lives.iter().filter(|l| l.level > 0.0).map(|l| l.slope / l.level).collect();
    if rates.len() < LEAST_LIVES {
        return None;
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let variance = rates.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = T95.get(rates.len() - 2).or_else(|| T95.last()).copied()?;
    let half = t * (variance / n).sqrt();
    let life_seconds = median(&lives.iter().map(|l| l.seconds).collect::<Vec<_>>())?;
    let (low, high) = (mean - half, mean + half);
    let growing = low > 0.0 && rates.iter().all(|r| *r > 0.0) && mean * life_seconds >= LEAST_GROWTH;
    let said = [mean, low, high, life_seconds].iter().all(|v| v.is_finite());
    said.then_some(BetweenRestarts {
        lives: rates.len() as u32,
        life_seconds,
        per_second: mean,
        low,
        high,
        growing,
    })
}

/// The floor of a block: the mean of the lowest third of its values, at its middle.
fn floor(block: &[Point]) -> Option<Point> {
    let values = sorted(&block.iter().map(|p| p.v).collect::<Vec<_>>());
    let lower = values.get(..values.len().div_ceil(3)).filter(|l| !l.is_empty())?;
    let t = block.iter().map(|p| p.t).sum::<f64>() / block.len() as f64;
    Some(Point { t, v: lower.iter().sum::<f64>() / lower.len() as f64 })
}

/// The median slope between floors.
fn slope(floors: &[Point]) -> Option<f64> {
    let pairs = floors.iter().enumerate();
    let slopes: Vec<f64> = pairs
        .flat_map(|(i, a)| floors.iter().skip(i + 1).map(move |b| (b.v - a.v) / (b.t - a.t)))
        .filter(|s| s.is_finite())
        .collect();
    median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An hour of a shape over hours, a sample every 15 s.
    fn hour(seed: u32, f: impl Fn(f64) -> f64) -> Life {
        let noise = |i: u32| ((f64::from(seed * 977 + i) * 12.9898).sin() * 43_758.547).fract();
        let at =
            |i: u32| Point { t: f64::from(i) * 15.0, v: 1e8 * (f(f64::from(i) / 240.0) + 0.004 * noise(i)) };
        life(&(0..240).map(at).collect::<Vec<_>>(), 0.0).unwrap()
    }

    #[test]
    fn five_percent_an_hour_between_restarts_is_said() {
        let lives: Vec<Life> = (0..5).map(|i| hour(i, |h| 1.0 + 0.05 * h)).collect();
        let found = between_restarts(&lives).unwrap();
        assert!(found.growing && found.lives == 5, "{found:?}");
        let per_hour = found.per_second * 3600.0;
        assert!((per_hour - 0.048).abs() < 0.006, "{per_hour}");
        assert!(found.low * 3600.0 > 0.03 && found.high * 3600.0 < 0.065, "{found:?}");
        assert_eq!(between_restarts(&lives[..3]), None, "three may agree by chance");
    }

    #[test]
    fn a_warm_up_in_every_life_is_no_growth() {
        for tau in [0.02, 0.1, 0.25] {
            let lives: Vec<Life> =
                (0..6).map(|i| hour(i, |h| 1.0 + 0.4 * (1.0 - (-h / tau).exp()))).collect();
            assert!(!between_restarts(&lives).unwrap().growing, "{tau}");
        }
        let flat: Vec<Life> = (0..6).map(|i| hour(i, |_| 1.0)).collect();
        assert!(!between_restarts(&flat).unwrap().growing);
    }

    #[test]
    fn what_is_too_short_says_nothing() {
        let points: Vec<Point> = (0..30).map(|i| Point { t: f64::from(i) * 10.0, v: 1.0 }).collect();
        assert_eq!(life(&points, 0.0), None);
        assert_eq!(life(&[], 0.0), None);
    }

    proptest! {
        #[test]
        fn the_interval_is_in_order(v in prop::collection::vec((any::<f64>(), -1e3..1e3_f64, 300.0..1e5_f64), 0..12)) {
            let lives: Vec<Life> =
                v.iter().map(|(level, slope, seconds)| Life { level: *level, slope: *slope, seconds: *seconds }).collect();
            if let Some(b) = between_restarts(&lives) {
                prop_assert!(b.low <= b.per_second && b.per_second <= b.high);
                prop_assert!(!b.growing || b.low > 0.0);
            }
        }
    }
}
