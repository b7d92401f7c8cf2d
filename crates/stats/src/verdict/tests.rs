use super::*;

fn line(seconds: usize, every: usize, f: impl Fn(f64) -> f64) -> Vec<Point> {
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43_758.547).fract();
    (0..seconds)
        .step_by(every)
        .map(|t| Point { t: t as f64, v: f(t as f64 / seconds as f64) + 0.003 * noise(t) })
        .collect()
}

#[test]
fn clear_cases() {
    let verdict = |f: &dyn Fn(f64) -> f64| assess(&line(21_600, 15, f)).verdict;
    assert_eq!(verdict(&|_| 1.0), Verdict::Flat);
    assert_eq!(verdict(&|x| 1.0 + 0.1 * x), Verdict::Growing);
    assert_eq!(verdict(&|x| if x > 0.5 { 1.1 } else { 1.0 }), Verdict::Step);
    assert_eq!(verdict(&|x| 1.0 + 0.3 * (1.0 - (-x / 0.2).exp())), Verdict::Saturating);
    assert_eq!(verdict(&|x| 1.0 - 0.1 * x), Verdict::Flat);
}
