//! How sure a share is.

/// Wilson's interval at 95 % for a share that was seen in `n` independent trials; within 0 and 1.
#[must_use]
pub fn wilson(share: f64, n: f64) -> [f64; 2] {
    const Z: f64 = 1.96;
    let n = n.max(1.0);
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lies_in_its_interval() {
        for (share, n) in [(0.0, 1.0), (1.0, 3.0), (0.5, 10.0), (0.01, 1000.0)] {
            let [low, high] = wilson(share, n);
            assert!(low <= share && share <= high && (0.0..=1.0).contains(&low) && high <= 1.0);
        }
    }
}
