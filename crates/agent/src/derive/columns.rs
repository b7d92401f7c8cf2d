//! Columns of samples as numbers: levels, ends, gains, rates. What was not read is left out, never zero.

use m5_report::doc::{Level, Samples};
use m5_stats::{Summary, rate};

pub(crate) fn floats(column: &[Option<u64>]) -> Vec<Option<f64>> {
    column.iter().map(|v| v.map(|v| v as f64)).collect()
}

pub(super) fn level(column: &[Option<u64>]) -> Option<Level> {
    let values: Vec<f64> = column.iter().flatten().map(|v| *v as f64).collect();
    let summary = Summary::of(&values)?;
    Some(Level {
        first: *values.first()?,
        last: *values.last()?,
        min: summary.min,
        mean: summary.mean,
        p50: summary.p50,
        p95: summary.p95,
        max: summary.max,
    })
}

/// The first and the last value of a column that has one, with their times.
pub(crate) fn ends<T: Copy>(s: &Samples, column: &[Option<T>]) -> Option<[(f64, T); 2]> {
    let mut present = s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some((*t, (*v)?)));
    let first = present.next()?;
    Some([first, present.next_back()?])
}

/// Growth of a counter per second.
pub(super) fn per_second(s: &Samples, column: &[Option<f64>]) -> Option<f64> {
    let [(t0, v0), (t1, v1)] = ends(s, column)?;
    rate((v1 - v0).max(0.0), t1 - t0)
}

/// What a level gained in its last `window` seconds (or since its begin), and over how long.
pub(crate) fn gained(s: &Samples, column: &[Option<u64>], window: f64) -> Option<(f64, f64)> {
    let [_, (end, last)] = ends(s, column)?;
    let mut present = s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some((*t, (*v)?)));
    let (begin, first) = present.find(|(t, _)| *t >= end - window)?;
    Some((last as f64 - first as f64, end - begin))
}
