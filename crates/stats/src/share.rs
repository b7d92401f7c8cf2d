//! How sure a share is.

use crate::special::t_quantile;

/// Half the width of an interval at 95 %, in standard errors that are known from so many independent groups.
#[must_use]
pub fn errors_of_groups(groups: f64) -> f64 {
    t_quantile(0.975, (groups - 1.0).max(1.0))
}

/// Wilson's interval at 95 % for a share that was seen in `n` independent trials; within 0 and 1.
#[must_use]
pub fn wilson(share: f64, n: f64) -> [f64; 2] {
    of_errors(share, n, 1.96)
}

/// The same, where it is known from so many groups only how many trials those are.
#[must_use]
pub fn wilson_of_groups(share: f64, n: f64, groups: f64) -> [f64; 2] {
    of_errors(share, n, errors_of_groups(groups))
}

fn of_errors(share: f64, n: f64, z: f64) -> [f64; 2] {
    let n = n.max(1.0);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
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
            let [lower, higher] = wilson_of_groups(share, n, 3.0);
            assert!(lower <= low && high <= higher && (0.0..=1.0).contains(&lower) && higher <= 1.0);
        }
    }
}
