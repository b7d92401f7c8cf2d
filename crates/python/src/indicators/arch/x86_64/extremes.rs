//! Rolling minimum and maximum: windows of four times (twice) the length from four (two) of the length before, and
//! the window that is asked for from two that overlap. Exact, and a handful of comparisons a value whatever the
//! period is.
#![allow(unsafe_code)]

use super::lane::{V, greater, smaller, store};
use std::arch::x86_64::{_mm256_loadu_pd, _mm256_storeu_pd};

/// Rows of a piece, small enough for the nearest cache.
const PIECE: usize = 1024;
/// Longer windows cost more at the seams of pieces than the queue of `extreme::Extreme` does.
const LONGEST: usize = 1024;

#[inline]
#[target_feature(enable = "avx2,fma")]
fn best<const MAX: bool>(a: V, b: V) -> V {
    if MAX { greater(a, b) } else { smaller(a, b) }
}

/// The values of a piece and of the windows that begin in it, with room behind for the last four at a time.
struct Work([f64; PIECE + LONGEST + 8]);

impl Work {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn read(&self, at: usize) -> V {
        debug_assert!(at + 4 <= self.0.len());
        // SAFETY: `at` is at most three behind a row of the piece, and eight more are there.
        unsafe { _mm256_loadu_pd(self.0.as_ptr().add(at)) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn write(&mut self, at: usize, values: V) {
        debug_assert!(at + 4 <= self.0.len());
        // SAFETY: as for `read`.
        unsafe { _mm256_storeu_pd(self.0.as_mut_ptr().add(at), values) };
    }
}

/// Fills `out`; `false` where the window is too long for this way.
#[target_feature(enable = "avx2,fma")]
pub(super) fn run<const MAX: bool>(x: &[f64], period: usize, out: &mut [f64]) -> bool {
    if period > LONGEST {
        return false;
    }
    out[..period - 1].fill(f64::NAN);
    let whole = x.len() + 1 - period;
    let mut work = Work([0.0; PIECE + LONGEST + 8]);
    for begin in (0..whole).step_by(PIECE) {
        let length = PIECE.min(whole - begin);
        let input = &x[begin..begin + length + period - 1];
        work.0[..input.len()].copy_from_slice(input);
        let to = &mut out[begin + period - 1..begin + period - 1 + length];
        piece::<MAX>(&mut work, period, to);
    }
    true
}

/// `to[i]` becomes the extreme of `work[i..i + period]`.
///
/// Reading runs ahead of writing: what is read has not been written yet. What is written behind the rows that the
/// next step needs is never read for a result.
#[target_feature(enable = "avx2,fma")]
fn piece<const MAX: bool>(work: &mut Work, period: usize, to: &mut [f64]) {
    let rows = to.len() + period - 1;
    let mut covered = 1;
    while covered * 4 <= period {
        for at in (0..rows + 1 - 4 * covered).step_by(4) {
            let [a, b] =
                [0, 2 * covered].map(|i| best::<MAX>(work.read(at + i), work.read(at + i + covered)));
            work.write(at, best::<MAX>(a, b));
        }
        covered *= 4;
    }
    if covered * 2 <= period {
        for at in (0..rows + 1 - 2 * covered).step_by(4) {
            work.write(at, best::<MAX>(work.read(at), work.read(at + covered)));
        }
        covered *= 2;
    }
    let behind = period - covered;
    for at in (0..to.len()).step_by(4) {
        store(to, at, best::<MAX>(work.read(at), work.read(at + behind)));
    }
}
