//! Linear algebra of a few columns: products, projections, the inverse of a small matrix.

/// Terms that are summed side by side.
const LANES: usize = 4;

/// Sums of a few terms each, side by side: one sum would wait for itself.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut sums = [0.0; LANES];
    let mut i = 0;
    while i + LANES <= n {
        for lane in 0..LANES {
            sums[lane] += a[i + lane] * b[i + lane];
        }
        i += LANES;
    }
    let mut rest = 0.0;
    while i < n {
        rest += a[i] * b[i];
        i += 1;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// A column less its parts along an orthonormal basis.
pub(super) fn project(mut column: Vec<f64>, basis: &[Vec<f64>]) -> Vec<f64> {
    project_in(&mut column, basis);
    column
}

pub(super) fn project_in(column: &mut [f64], basis: &[Vec<f64>]) {
    for b in basis {
        let part = dot(column, b);
        for (i, v) in column.iter_mut().enumerate() {
            *v -= part * b[i];
        }
    }
}

/// The inverse of a small symmetric matrix (Gauss–Jordan with pivoting).
pub(super) fn inverse(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    let mut a: Vec<Vec<f64>> = matrix.to_vec();
    for (i, row) in a.iter_mut().enumerate() {
        row.extend((0..n).map(|j| f64::from(u8::from(i == j))));
    }
    for i in 0..n {
        let pivot = (i..n).max_by(|p, q| a[*p][i].abs().total_cmp(&a[*q][i].abs()))?;
        a.swap(i, pivot);
        let head = a[i][i];
        if head.abs() < 1e-14 {
            return None;
        }
        a[i].iter_mut().for_each(|v| *v /= head);
        let row = a[i].clone();
        for (j, other) in a.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let _ = j;
            let factor = other[i];
            other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    Some(a.into_iter().map(|row| row.into_iter().skip(n).collect()).collect())
}
