//! Sums, means and correlations of columns of numbers.

/// Product of two columns, and of the second with itself.
pub(super) fn along(a: &[f64], b: &[f64]) -> (f64, f64) {
    a.iter().zip(b).fold((0.0, 0.0), |(ab, bb), (a, b)| (ab + a * b, bb + b * b))
}

/// Root of the mean square, never zero.
pub(super) fn spread(values: &[f64]) -> f64 {
    (along(values, values).0 / values.len().max(1) as f64).sqrt().max(f64::MIN_POSITIVE)
}

/// A column less its part along another.
pub(super) fn less(column: &[f64], other: &[f64]) -> Vec<f64> {
    let (ab, bb) = along(column, other);
    let part = if bb > 0.0 { ab / bb } else { 0.0 };
    column.iter().zip(other).map(|(v, o)| v - part * o).collect()
}

/// Of two centred columns.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    along(a, b).0 / (a.len().max(1) as f64 * spread(a) * spread(b))
}

/// A column less its mean.
pub(super) fn centred(values: Vec<f64>) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.into_iter().map(|v| v - mean).collect()
}

/// Columns that do not vary say nothing.
pub(super) fn varied(values: Vec<f64>) -> Option<Vec<f64>> {
    let finite = values.iter().all(|v| v.is_finite());
    (finite && values.iter().any(|v| v.abs() > 1e-9)).then_some(values)
}
