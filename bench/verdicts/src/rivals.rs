//! The usual tests, each as it is usually used: on the raw points after the warm-up.

use m5_stats::Point;

/// Names in the order of [`alarms`].
pub const NAMES: [&str; 5] = ["OLS", "MK", "HR", "pred", "R2"];

/// Which of the usual tests raise an alarm.
pub fn alarms(points: &[Point]) -> [bool; 5] {
    let warm = points.len() * 15 / 100;
    let used = &points[warm..];
    let Some(line) = Line::fit(used) else { return [false; 5] };
    let t = line.slope / line.error;
    let z = mann_kendall(used, false);
    let corrected = mann_kendall(used, true);
    let last = used.last().map_or(0.0, |p| p.v);
    [
        t > 2.33,
        z > 2.33,
        corrected > 2.33,
        last + line.slope * 86_400.0 > 1.2 * last,
        line.slope > 0.0 && line.r2 > 0.8,
    ]
}

struct Line {
    slope: f64,
    error: f64,
    r2: f64,
}

impl Line {
    fn fit(points: &[Point]) -> Option<Self> {
        let n = points.len() as f64;
        let (mt, mv) = points.iter().fold((0.0, 0.0), |(t, v), p| (t + p.t / n, v + p.v / n));
        let (mut tt, mut tv, mut vv) = (0.0, 0.0, 0.0);
        for p in points {
            tt += (p.t - mt).powi(2);
            tv += (p.t - mt) * (p.v - mv);
            vv += (p.v - mv).powi(2);
        }
        let slope = tv / tt;
        let rest = (vv - slope * tv).max(0.0);
        let r2 = if vv > 0.0 { 1.0 - rest / vv } else { 0.0 };
        (n > 3.0 && tt > 0.0).then(|| Self { slope, error: (rest / (n - 2.0) / tt).sqrt().max(1e-300), r2 })
    }
}

/// The z of Mann and Kendall, with the variance of Hamed and Rao where `corrected`. Every fourth point: the test
/// looks at all pairs.
fn mann_kendall(points: &[Point], corrected: bool) -> f64 {
    let v: Vec<f64> = points.iter().step_by(points.len().div_ceil(400)).map(|p| p.v).collect();
    let n = v.len() as f64;
    let mut s = 0.0;
    for (i, a) in v.iter().enumerate() {
        s += v[i + 1..].iter().map(|b| f64::from(b.partial_cmp(a).map_or(0, |o| o as i8))).sum::<f64>();
    }
    let mut variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    if corrected {
        variance *= inflation(&v);
    }
    (s - s.signum()) / variance.sqrt()
}

fn inflation(v: &[f64]) -> f64 {
    let n = v.len();
    let slope = median_slope(v);
    let rest: Vec<f64> = v.iter().enumerate().map(|(i, v)| v - slope * i as f64).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| rest[*a].total_cmp(&rest[*b]));
    let mut rank = vec![0.0; n];
    order.iter().enumerate().for_each(|(r, i)| rank[*i] = r as f64 - (n as f64 - 1.0) / 2.0);
    let total: f64 = rank.iter().map(|r| r * r).sum();
    let nf = n as f64;
    let mut sum = 0.0;
    for lag in 1..n - 2 {
        let rho = rank[lag..].iter().zip(&rank).map(|(a, b)| a * b).sum::<f64>() / total;
        if rho.abs() > 2.576 / nf.sqrt() {
            let m = nf - lag as f64;
            sum += m * (m - 1.0) * (m - 2.0) * rho;
        }
    }
    (1.0 + 2.0 / (nf * (nf - 1.0) * (nf - 2.0)) * sum).max(0.05)
}

fn median_slope(v: &[f64]) -> f64 {
    let mut slopes = Vec::new();
    for i in (0..v.len()).step_by(4) {
        slopes.extend((i + 1..v.len()).step_by(3).map(|j| (v[j] - v[i]) / (j - i) as f64));
    }
    m5_stats::median(&slopes).unwrap_or(0.0)
}

/// The last floor as a forecast, with what floors of the window did over the longest stretch that it shows: ends
/// of the middle nine tenths of the changes over half of the window.
pub fn last_floor(points: &[Point]) -> [f64; 3] {
    let floors: Vec<f64> = points
        .chunks(points.len().div_ceil(32).max(1))
        .map(|block| {
            let mut values: Vec<f64> = block.iter().map(|p| p.v).collect();
            values.sort_by(f64::total_cmp);
            let lower = &values[..values.len().div_ceil(3)];
            lower.iter().sum::<f64>() / lower.len() as f64
        })
        .collect();
    let last = floors.last().copied().unwrap_or(0.0);
    let mut changes: Vec<f64> = floors.iter().zip(floors.iter().skip(16)).map(|(a, b)| b - a).collect();
    changes.extend(changes.clone().iter().map(|c| -c));
    changes.sort_by(f64::total_cmp);
    let at = |q: f64| last + m5_stats::quantile(&changes, q).unwrap_or(0.0);
    [at(0.05), last, at(0.95)]
}

/// A line through the points as a forecast, with the usual interval of a prediction.
pub fn line_ahead(points: &[Point], seconds: f64) -> [f64; 3] {
    let (Some(line), Some(last)) = (Line::fit(points), points.last()) else { return [0.0; 3] };
    let n = points.len() as f64;
    let (mt, mv) = points.iter().fold((0.0, 0.0), |(t, v), p| (t + p.t / n, v + p.v / n));
    let value = mv + line.slope * (last.t + seconds - mt);
    let spread = points.iter().map(|p| (p.v - mv - line.slope * (p.t - mt)).powi(2)).sum::<f64>() / n;
    let sd = (spread + (line.error * (last.t + seconds - mt)).powi(2)).sqrt();
    [value - 1.645 * sd, value, value + 1.645 * sd]
}
