//! Columns that are thinned evenly once they are long.

/// Keeps what `keep` says, by its number.
pub(super) fn retain<T>(column: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut i = 0;
    column.retain(|_| {
        i += 1;
        keep(i - 1)
    });
}

/// Spreads consecutive numbers evenly (the finaliser of SplitMix64), so that thinning follows no rhythm.
#[must_use]
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
