//! How sure a rate is, of events that were counted.

/// 90 % interval of the number of events that a stretch of time has on average, when `count` came in one of them: what
/// comes by chance (Poisson's law), by Byar's approximation, within 0.03 of the exact ends.
#[must_use]
pub fn counted(count: u64) -> [f64; 2] {
    const Z: f64 = 1.645;
    let end = |n: f64, z: f64| n * (1.0 - 1.0 / (9.0 * n) + z / (3.0 * n.sqrt())).max(0.0).powi(3);
    let n = count as f64;
    [if count == 0 { 0.0 } else { end(n, -Z) }, end(n + 1.0, Z)]
}

/// Seconds until events of this rate prove that they are more frequent than `most` a second; `None` where they are not.
#[must_use]
pub fn seconds_to_prove(per_second: f64, most: f64) -> Option<f64> {
    let beyond = per_second - most;
    // The lower end of so many events is about n - z·√n.
    (beyond > 0.0).then(|| per_second * (1.645 / beyond).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_exact_as_tables() {
        // Exact 90 % limits (chi-square, halved).
        for (count, low, high) in
            [(0, 0.0, 2.996), (1, 0.0513, 4.744), (2, 0.355, 6.296), (5, 1.970, 10.513), (30, 21.59, 40.69)]
        {
            let [a, b] = counted(count);
            assert!((a - low).abs() < 0.03 && (b - high).abs() < 0.03, "{count}: {a} {b}");
        }
    }

    #[test]
    fn what_is_awaited_is_enough() {
        for (rate, most) in [(0.5, 0.2), (0.14, 0.1), (30.0, 10.0)] {
            let seconds = seconds_to_prove(rate, most).unwrap();
            let count = (rate * seconds * 1.3).ceil();
            assert!(counted(count as u64)[0] / (count / rate) > most, "{rate} {most} {seconds}");
        }
        assert_eq!(seconds_to_prove(0.1, 0.2), None);
    }
}
