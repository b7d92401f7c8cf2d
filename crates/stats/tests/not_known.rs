//! What was not seen is not called good: where noise could hide a leak, the answer is "not known yet".
#![allow(clippy::unwrap_used)]

use m5_stats::random::Random;
use m5_stats::{Options, Point, Reason, Verdict, assess_with};

const SEEDS: u64 = 24;
const SAMPLES: u32 = 1440;

/// Six hours of a level that wanders by `noise` (a standard deviation, as a part of it) and forgets within a twelfth of
/// them, and that grows by `growth`.
fn wandering(noise: f64, growth: f64, seed: u64) -> Vec<Point> {
    let mut random = Random::new(seed);
    let mut normal = || (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    let kept = (-12.0 / f64::from(SAMPLES)).exp();
    let mut level = normal();
    let sample = |i: u32| {
        level = kept * level + (1.0 - kept * kept).sqrt() * normal();
        let x = f64::from(i) / f64::from(SAMPLES);
        Point { t: 15.0 * f64::from(i), v: 2e8 * (1.0 + growth * x + noise * level) }
    };
    (0..SAMPLES).map(sample).collect()
}

/// How many of all seeds come out as one of these verdicts.
fn count(noise: f64, growth: f64, lived: f64, verdicts: &[Verdict]) -> usize {
    let of = |seed| {
        let options = Options { started: Some(-lived), ..Options::default() };
        let a = assess_with(&wandering(noise, growth, seed), &options);
        assert_eq!(a.verdict == Verdict::Insufficient, a.reason.is_some(), "{a:?}");
        assert!(a.reason != Some(Reason::Undecided) || a.wait_seconds.unwrap() > 0.0, "{a:?}");
        a.verdict
    };
    (0..SEEDS).map(of).filter(|v| verdicts.contains(v)).count()
}

#[test]
fn a_leak_that_noise_hides_is_not_called_flat() {
    use Verdict::{Falling, Flat, Saturating, Step};
    let cleared = count(0.1, 0.2, 0.0, &[Flat, Saturating, Step, Falling]);
    assert!(cleared <= 4, "{cleared} of {SEEDS} leaks of a fifth a window were cleared");
}

#[test]
fn small_noise_is_flat() {
    let flat = count(0.01, 0.0, 0.0, &[Verdict::Flat]);
    assert!(flat + 1 >= SEEDS as usize, "{flat} of {SEEDS}");
}

#[test]
fn in_a_process_that_has_lived_for_long_noise_is_flat() {
    let month = 30.0 * 86_400.0;
    let flat = count(0.1, 0.0, month, &[Verdict::Flat]);
    assert!(4 * flat >= 3 * SEEDS as usize, "{flat} of {SEEDS}");
    assert_eq!(count(0.1, 0.0, month, &[Verdict::Growing]), 0);
}
