//! What holds of every series, whatever a process, a clock and a watcher do: no panic, no nonsense, and a verdict that
//! depends neither on the unit nor on the day.
#![allow(clippy::unwrap_used)]

use m5_stats::{Assessment, Confirmation, Options, Point, Series, Verdict, assess, assess_with};
use proptest::prelude::*;

/// What a process does, from its begin (0) to now (1).
#[derive(Debug, Clone, Copy)]
enum Shape {
    Constant,
    Line(f64),
    Power(f64, f64),
    Doubling(f64),
    Step(f64, f64),
    Teeth(f64, f64),
    Wave(f64, f64),
    Stairs(f64, f64),
    Zero,
}

impl Shape {
    fn at(self, x: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Line(size) => 1.0 + size * x,
            Self::Power(size, power) => 1.0 + size * x.powf(power),
            Self::Doubling(k) => 1.0 + 0.05 * (k * x).exp_m1(),
            Self::Step(size, at) => 1.0 + if x < at { 0.0 } else { size },
            Self::Teeth(size, period) => 1.0 + size * (x / period).fract(),
            Self::Wave(size, period) => 1.0 + size * (std::f64::consts::TAU * x / period).sin(),
            Self::Stairs(size, n) => 1.0 + size * (n * x).floor() / n,
            Self::Zero => 0.0,
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Constant),
        (-0.9..3.0_f64).prop_map(Shape::Line),
        ((-0.5..1.0_f64), (0.2..3.0_f64)).prop_map(|(s, p)| Shape::Power(s, p)),
        (0.1..6.0_f64).prop_map(Shape::Doubling),
        ((-0.9..2.0_f64), (0.0..1.0_f64)).prop_map(|(s, at)| Shape::Step(s, at)),
        ((0.0..1.0_f64), (0.002..0.6_f64)).prop_map(|(s, p)| Shape::Teeth(s, p)),
        ((0.0..0.9_f64), (0.05..6.0_f64)).prop_map(|(s, p)| Shape::Wave(s, p)),
        ((0.0..1.0_f64), (1.0..20.0_f64)).prop_map(|(s, n)| Shape::Stairs(s, n)),
        Just(Shape::Zero),
    ]
}

/// What the watcher does to a sample.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Missing,
    NotANumber,
    Twice,
    Back,
    Forward,
}

/// A watched process: its shape, its noise, when samples come and what becomes of them.
#[derive(Debug, Clone)]
struct Watched {
    shape: Shape,
    level: f64,
    noise: f64,
    every: u32,
    faults: Vec<Fault>,
}

fn watched() -> impl Strategy<Value = Watched> {
    let fault = prop_oneof![
        40 => Just(Fault::None),
        4 => Just(Fault::Missing),
        2 => Just(Fault::NotANumber),
        1 => Just(Fault::Twice),
        1 => Just(Fault::Back),
        1 => Just(Fault::Forward),
    ];
    let level = prop_oneof![6 => 1e6..1e10_f64, 1 => 1e-9..1.0_f64, 1 => 1e10..1e15_f64];
    let noise = prop_oneof![1 => Just(0.0), 3 => 0.0..0.02_f64];
    (shape(), level, noise, 1..900_u32, prop::collection::vec(fault, 0..500))
        .prop_map(|(shape, level, noise, every, faults)| Watched { shape, level, noise, every, faults })
}

impl Watched {
    /// Its samples, each time a whole number of seconds.
    fn points(&self) -> Vec<Point> {
        let (mut clock, mut points) = (0.0_f64, Vec::new());
        let n = self.faults.len().max(1) as f64;
        for (i, fault) in self.faults.iter().enumerate() {
            clock += f64::from(self.every);
            match fault {
                Fault::Back => clock -= 3600.0,
                Fault::Forward => clock += 7200.0,
                _ => {}
            }
            let noise = self.noise * ((i as f64 * 12.9898).sin() * 43_758.547).fract();
            let v = self.level * (self.shape.at(i as f64 / n) + noise);
            match fault {
                Fault::Missing => {}
                Fault::NotANumber => points.push(Point { t: clock, v: f64::NAN }),
                Fault::Twice => points.extend([Point { t: clock, v }; 2]),
                _ => points.push(Point { t: clock, v }),
            }
        }
        points
    }
}

fn makes_sense(a: &Assessment) -> Result<(), TestCaseError> {
    if let Some(f) = a.forecast_24h {
        prop_assert!(0.0 <= f.low && f.low <= f.value && f.value <= f.high && f.high.is_finite(), "{:?}", f);
    }
    let slopes = [a.slope_low, a.slope, a.slope_high];
    prop_assert!(slopes.iter().flatten().all(|v| v.is_finite()) && slopes.iter().flatten().is_sorted());
    prop_assert!(a.level.is_none_or(f64::is_finite));
    prop_assert!(a.growth_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
    prop_assert!(a.wait_seconds.is_none_or(|w| w > 0.0));
    prop_assert!(a.verdict != Verdict::Growing || a.slope.is_some_and(|s| s > 0.0), "{:?}", a);
    prop_assert_eq!(a.verdict == Verdict::Insufficient, a.reason.is_some(), "{:?}", a);
    if let Some(l) = a.limit {
        let times = [l.earliest_seconds, l.expected_seconds, l.latest_seconds];
        prop_assert!(times.iter().flatten().all(|t| *t >= 0.0) && times.iter().flatten().is_sorted());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_watched_process_has_an_answer_that_makes_sense(w in watched(), limit in 0.5..3.0_f64) {
        let points = w.points();
        let options = Options { limit: Some(limit * w.level), ..Options::default() };
        makes_sense(&assess_with(&points, &options))?;
        let mut series = Series::default();
        points.iter().for_each(|p| series.push(*p));
        let of_series = assess(&series.all());
        makes_sense(&of_series)?;
        let mut confirmation = Confirmation::default();
        for _ in 0..4 {
            makes_sense(&confirmation.confirm(of_series, f64::from(w.every)))?;
        }
    }

    #[test]
    fn a_verdict_depends_neither_on_the_day_nor_on_the_unit(
        w in watched(),
        day in prop_oneof![-2_000_000_000..2_000_000_000_i64, 0..100_000_i64],
        unit in -30..30_i32,
    ) {
        let (points, unit) = (w.points(), 2_f64.powi(unit));
        let load: Vec<Point> = points.iter().map(|p| Point { t: p.t, v: 5.0 + (p.t / 3000.0).sin() }).collect();
        let moved = |p: &Point, unit: f64| Point { t: p.t + day as f64, v: p.v * unit };
        let elsewhere: Vec<Point> = points.iter().map(|p| moved(p, unit)).collect();
        let load_there: Vec<Point> = load.iter().map(|p| moved(p, 1.0)).collect();
        let restarts = [1000.0];
        let here = assess_with(&points, &Options { load: Some(&load), restarts: &restarts, ..Options::default() });
        let restarts = [1000.0 + day as f64];
        let there = assess_with(
            &elsewhere,
            &Options { load: Some(&load_there), restarts: &restarts, ..Options::default() },
        );
        prop_assert_eq!(here.verdict, there.verdict);
        prop_assert_eq!(here.reason, there.reason);
        // Nothing but zeros has no unit.
        let unit = if points.iter().all(|p| p.v == 0.0 || p.v.is_nan()) { 1.0 } else { unit };
        let same = |a: f64, b: f64| (a * unit - b).abs() <= 1e-9 * b.abs().max(a.abs() * unit);
        if let (Some(a), Some(b)) = (here.forecast_24h, there.forecast_24h) {
            prop_assert!(same(a.low, b.low) && same(a.value, b.value) && same(a.high, b.high), "{:?} {:?}", a, b);
        }
        if let (Some(a), Some(b)) = (here.shift, there.shift) {
            prop_assert!((a.at + day as f64 - b.at).abs() < 1e-3 && same(a.by, b.by), "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn a_sample_twice_changes_nothing(w in watched()) {
        let points = w.points();
        let twice: Vec<Point> = points.iter().flat_map(|p| [*p; 2]).collect();
        prop_assert_eq!(assess(&points), assess(&twice));
    }

    #[test]
    fn a_constant_is_flat_whatever_its_size(
        value in prop_oneof![Just(0.0), Just(f64::MIN_POSITIVE), 1e-300..1e-200_f64, 1.0..1e15_f64, 1e200..1e300_f64],
        every in 1..900_u32,
        n in 40..600_usize,
    ) {
        let points: Vec<Point> = (0..n).map(|i| Point { t: i as f64 * f64::from(every), v: value }).collect();
        let a = assess(&points);
        makes_sense(&a)?;
        prop_assert!(matches!(a.verdict, Verdict::Flat | Verdict::Insufficient), "{:?}", a);
    }
}

#[test]
fn one_point_or_none_is_too_little() {
    for points in [
        &[][..],
        &[Point { t: 5.0, v: 1e8 }],
        &[Point { t: f64::NAN, v: 1e8 }],
        &[Point { t: 1.0, v: f64::NAN }],
    ] {
        let a = assess(points);
        assert_eq!(a.verdict, Verdict::Insufficient);
        assert!(a.reason.is_some() && a.forecast_24h.is_none(), "{a:?}");
    }
}
