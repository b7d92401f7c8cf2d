//! Four doubles in one register: what the standard library's intrinsics leave out.
#![allow(unsafe_code)]

pub(super) use std::arch::x86_64::{
    __m256d as V, _mm256_add_pd as add, _mm256_fmadd_pd as fma, _mm256_fmsub_pd as fms,
    _mm256_max_pd as greater, _mm256_min_pd as smaller, _mm256_mul_pd as mul, _mm256_set1_pd as all,
    _mm256_setzero_pd as zero, _mm256_sqrt_pd as sqrt, _mm256_sub_pd as sub,
};
use std::arch::x86_64::{
    _CMP_UNORD_Q, _mm256_cmp_pd, _mm256_loadu_pd, _mm256_movemask_pd, _mm256_or_pd, _mm256_set_pd,
    _mm256_storeu_pd,
};

/// Four values from `at` on; behind the end there are zeros.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn load(from: &[f64], at: usize) -> V {
    match from.get(at..at + 4) {
        // SAFETY: four values are there.
        Some(four) => unsafe { _mm256_loadu_pd(four.as_ptr()) },
        None => {
            let get = |i: usize| from.get(at + i).copied().unwrap_or(0.0);
            of([get(0), get(1), get(2), get(3)])
        }
    }
}

/// Writes four values from `at` on, as far as there is room.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn store(to: &mut [f64], at: usize, values: V) {
    match to.get_mut(at..at + 4) {
        // SAFETY: there is room for four.
        Some(four) => unsafe { _mm256_storeu_pd(four.as_mut_ptr(), values) },
        None => {
            for (slot, value) in to.iter_mut().skip(at).zip(each(values)) {
                *slot = value;
            }
        }
    }
}

/// These four values.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn of([a, b, c, d]: [f64; 4]) -> V {
    _mm256_set_pd(d, c, b, a)
}

/// The four values, one by one.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn each(values: V) -> [f64; 4] {
    let mut out = [0.0; 4];
    // SAFETY: room for four.
    unsafe { _mm256_storeu_pd(out.as_mut_ptr(), values) };
    out
}

/// Whether there is neither a NaN nor an infinity.
#[target_feature(enable = "avx2,fma")]
pub(super) fn all_finite(values: &[f64]) -> bool {
    let mut seen = [zero(); 2];
    for at in (0..values.len()).step_by(8) {
        for (i, seen) in seen.iter_mut().enumerate() {
            let four = load(values, at + 4 * i);
            // A number less itself is zero; anything else is no number.
            *seen = _mm256_or_pd(*seen, sub(four, four));
        }
    }
    let seen = _mm256_or_pd(seen[0], seen[1]);
    _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_UNORD_Q>(seen, seen)) == 0
}
