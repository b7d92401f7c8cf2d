//! Kinds of memory that rise and are no leak, and what is said of series that make no sense.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use m5_stats::{Options, Point, Reason, Verdict, assess, assess_with};
use proptest::prelude::*;

const SIX_HOURS: f64 = 21_600.0;

/// Six hours at 15 s of a shape over 0 to 1, with a little noise.
fn series(f: impl Fn(f64) -> f64) -> Vec<Point> {
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43_758.547).fract();
    let at = |i: usize| Point { t: 15.0 * i as f64, v: f(i as f64 / 1440.0) + 0.002 * noise(i) };
    (0..1440).map(at).collect()
}

#[test]
fn a_level_that_moved_over_a_while_and_stands_is_no_growth() {
    let smooth = |u: f64| u * u * (3.0 - 2.0 * u);
    for (from, to) in [(0.2, 0.5), (0.3, 0.7), (0.45, 0.65), (0.1, 0.6), (0.6, 0.8)] {
        let u = |x: f64| ((x - from) / (to - from)).clamp(0.0, 1.0);
        for shape in [series(|x| 1.0 + 0.2 * u(x)), series(|x| 1.0 + 0.2 * smooth(u(x)))] {
            let a = assess(&shape);
            assert_ne!(a.verdict, Verdict::Growing, "from {from} to {to}");
            // It may stand, and it may come back as days do: it is not drawn on.
            let f = a.forecast_24h.unwrap();
            assert!((0.99..=1.25).contains(&f.value) && f.high > 1.19, "from {from} to {to}: {f:?}");
        }
    }
}

#[test]
fn what_only_regains_a_drop_is_no_growth() {
    for at in [0.22, 0.3, 0.4] {
        let tooth = series(|x| if x < at { 1.2 } else { 1.0 + 0.2 * (x - at) / (1.0 - at) });
        let a = assess(&tooth);
        assert_ne!(a.verdict, Verdict::Growing, "a drop at {at}");
        assert!(a.forecast_24h.unwrap().value < 1.4, "a drop at {at}: {a:?}");
    }
    let wave = assess(&series(|x| 1.0 + 0.3 * (x - 0.45).powi(2)));
    assert_ne!(wave.verdict, Verdict::Growing, "the trough of a wave");
    // A leak goes on beside a drop: it was there before, at the same pace.
    let leak = series(|x| 1.0 + 0.2 * x - if x < 0.5 { 0.0 } else { 0.1 });
    assert_eq!(assess(&leak).verdict, Verdict::Growing);
}

#[test]
fn a_batch_that_came_and_went_is_no_step() {
    for (from, length) in [(0.3, 0.05), (0.5, 0.1), (0.25, 0.15), (0.6, 0.2)] {
        let batch = series(|x| if (from..from + length).contains(&x) { 1.5 } else { 1.0 });
        let a = assess(&batch);
        assert_eq!(a.verdict, Verdict::Flat, "at {from} for {length}");
        assert!((a.forecast_24h.unwrap().value - 1.0).abs() < 0.03, "at {from} for {length}: {a:?}");
    }
    assert_eq!(assess(&series(|x| if x < 0.6 { 1.0 } else { 1.3 })).verdict, Verdict::Step);
}

#[test]
fn the_morning_of_a_service_is_no_leak() {
    // Hours of use: a square wave with shoulders, of which the window sees a quarter to a half.
    for period in [2.0, 3.0, 4.0] {
        for angle in 0..8 {
            let hours = |x: f64| {
                let angle = std::f64::consts::TAU * (x / period + f64::from(angle) / 8.0);
                (3.5 * angle.sin()).tanh()
            };
            let a = assess(&series(|x| 1.0 + 0.08 * hours(x)));
            assert_ne!(a.verdict, Verdict::Growing, "period {period}, angle {angle}: {a:?}");
        }
    }
}

#[test]
fn the_floor_of_short_teeth_is_their_feet() {
    for length in [97.0, 151.0, 307.0] {
        let tooth = |x: f64| 0.3 * (x * SIX_HOURS / length).fract();
        let level = assess(&series(|x| 1.0 + tooth(x))).level.unwrap();
        assert!((level - 1.0).abs() < 0.02, "{length} s: {level}");
    }
}

#[test]
fn drops_that_are_no_teeth_have_no_foot_below_all_that_was_seen() {
    // Two drops of unlike size, and a slow way back: what machines do around a deployment.
    let shape = |x: f64| match x {
        x if x < 0.5 => 1.0,
        x if x < 0.62 => 0.85 + 0.3 * (x - 0.5),
        x => 0.75 + 0.25 * ((x - 0.62) / 0.25).min(1.0),
    };
    let a = assess(&series(shape));
    let level = a.level.unwrap();
    assert!(level > 0.72 && a.verdict != Verdict::Growing, "{a:?}");
    assert!(a.forecast_24h.unwrap().value > 0.72, "{a:?}");
}

#[test]
fn batches_that_come_and_go_are_no_steps() {
    // Four of unlike length and height; the last one has just ended.
    let batches = [(0.1, 0.06, 0.4), (0.3, 0.12, 0.2), (0.55, 0.05, 0.6), (0.75, 0.15, 0.3)];
    let a = assess(&series(|x| {
        1.0 + batches.iter().filter(|(at, l, _)| (*at..at + l).contains(&x)).map(|b| b.2).sum::<f64>()
    }));
    assert_eq!(a.verdict, Verdict::Flat, "{a:?}");
    // What was left for good is a step, batches or not.
    let moved = assess(&series(
        |x| if x < 0.5 { 1.0 } else { 1.2 } + if (0.2..0.3).contains(&x) { 0.5 } else { 0.0 },
    ));
    assert_eq!(moved.verdict, Verdict::Step, "{moved:?}");
    // One that is open, after one like it that ended, is a batch; one that is the first may be either.
    let open = |x: f64| 1.0 + if (0.5..0.6).contains(&x) || x > 0.9 { 0.3 } else { 0.0 };
    assert_eq!(assess(&series(open)).verdict, Verdict::Flat);
    let first = assess(&series(|x| if x > 0.93 { 1.3 } else { 1.0 }));
    assert_eq!((first.verdict, first.reason), (Verdict::Insufficient, Some(Reason::Undecided)), "{first:?}");
}

#[test]
fn feet_of_uneven_teeth_are_floors() {
    // Sixteen teeth, each twice to half as long as the usual one, of one height; below a leak and without.
    let long = |i: usize| [1.0, 1.9, 0.6, 1.2, 0.5, 1.5, 0.8, 1.1][i % 8];
    let mut ends: Vec<f64> = (0..16)
        .scan(0.0, |sum, i| {
            *sum += long(i);
            Some(*sum)
        })
        .collect();
    let whole = ends[15];
    ends.iter_mut().for_each(|e| *e /= whole);
    let tooth = |x: f64| {
        let i = ends.partition_point(|e| *e <= x).min(15);
        let from = if i == 0 { 0.0 } else { ends[i - 1] };
        0.3 * (x - from) / (ends[i] - from)
    };
    assert_eq!(assess(&series(|x| 1.0 + tooth(x))).verdict, Verdict::Flat);
    let leak = assess(&series(|x| 1.0 + tooth(x) + 0.1 * x));
    assert_eq!(leak.verdict, Verdict::Growing, "{leak:?}");
    // 24 hours are four windows.
    let f = leak.forecast_24h.unwrap();
    assert!(f.low < 1.5 && f.high > 1.5 && f.high < 1.8, "{f:?}");
}

#[test]
fn steps_of_a_young_process_may_go_on() {
    let stairs = series(|x| {
        1.0 + if x < 0.35 {
            0.0
        } else if x < 0.7 {
            0.05
        } else {
            0.1
        }
    });
    let high = |started: f64| {
        let options = Options { started: Some(started), ..Options::default() };
        assess_with(&stairs, &options).forecast_24h.unwrap().high
    };
    // Its whole life was seen, and it went up twice; of an old process that says little.
    assert!(high(0.0) > 1.4 && high(-100.0 * SIX_HOURS) < high(0.0), "{} {}", high(0.0), high(-1e9));
}

#[test]
fn what_changed_in_an_old_process_may_come_back() {
    let old = Options { started: Some(-100.0 * SIX_HOURS), ..Options::default() };
    // A drop may be filled again; a step up may be taken back; both stand as well as not.
    for by in [-0.3, 0.3] {
        let a = assess_with(&series(|x| if x < 0.5 { 1.0 } else { 1.0 + by }), &old);
        let f = a.forecast_24h.unwrap();
        assert!((f.value - 1.0 - by).abs() < 0.05 && f.low < 1.05 && f.high > 0.95, "{by}: {f:?}");
    }
}

#[test]
fn a_fall_in_many_small_drops_is_no_row_of_teeth() {
    // Whole pages that are given back over a seventh of the window: each drop looks like a reset.
    for from in [0.3, 0.5, 0.7] {
        let points = series(|x| 1000.0 - (300.0 * ((x - from) / 0.14).clamp(0.0, 1.0)).floor());
        let a = assess_with(&points, &Options::default());
        assert!((a.level.unwrap() - 700.0).abs() < 30.0, "{from}: {a:?}");
        let f = a.forecast_24h.unwrap();
        assert!((600.0..900.0).contains(&f.value) && f.high < 1500.0, "{from}: {a:?}");
    }
}

/// Any number that a file or a clock may hold.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e12_f64,
        1 => -1e12..0.0_f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::MAX),
        1 => Just(0.0),
    ]
}

/// What must hold whatever comes in.
fn makes_sense(points: &[Point], options: &Options<'_>) -> Result<(), TestCaseError> {
    let a = assess_with(points, options);
    if let Some(f) = a.forecast_24h {
        prop_assert!(0.0 <= f.low && f.low <= f.value && f.value <= f.high && f.high.is_finite(), "{:?}", f);
    }
    let slopes = [a.slope_low, a.slope, a.slope_high];
    prop_assert!(slopes.iter().flatten().is_sorted() && slopes.iter().flatten().all(|v| v.is_finite()));
    let values = || points.iter().filter(|p| p.t.is_finite() && p.v.is_finite()).map(|p| p.v);
    let seen = |level: f64| values().any(|v| v <= level) && values().any(|v| v >= level);
    prop_assert!(a.level.is_none_or(seen), "{:?} was never seen", a.level);
    prop_assert!(a.growth_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
    prop_assert!(a.wait_seconds.is_none_or(|w| w > 0.0), "{:?}", a.wait_seconds);
    prop_assert!(a.observed_seconds >= 0.0);
    if a.verdict == Verdict::Growing {
        prop_assert!(a.slope.is_some_and(|s| s > 0.0), "grows by {:?}", a.slope);
    }
    if a.verdict == Verdict::Insufficient {
        prop_assert!(a.reason.is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_a_clock_and_a_counter_do_there_is_no_nonsense(
        steps in prop::collection::vec((prop_oneof![8 => 1.0..120.0_f64, 1 => -5000.0..5000.0_f64, 1 => Just(0.0)], any_value()), 0..260),
        restarts in prop::collection::vec(0.0..20_000.0_f64, 0..3),
        limit in prop::option::of(any_value()),
    ) {
        let mut t = 0.0;
        let points: Vec<Point> = steps.iter().map(|(dt, v)| { t += dt; Point { t, v: *v } }).collect();
        makes_sense(&points, &Options { restarts: &restarts, limit, load: Some(&points), ..Options::default() })?;
        makes_sense(&points, &Options { floors: true, ..Options::default() })?;
    }

    #[test]
    fn gaps_and_constants_make_sense(
        value in 0.0..1e12_f64,
        other in 0.0..1e12_f64,
        from in 0..400_usize,
        length in 0..300_usize,
        missing in any::<bool>(),
    ) {
        // A constant with a stretch that is missing, or that is another constant.
        let inside = |i: &usize| (from..from + length).contains(i);
        let points: Vec<Point> = (0..400)
            .filter(|i| !(missing && inside(i)))
            .map(|i| Point { t: 15.0 * i as f64, v: if inside(&i) { other } else { value } })
            .collect();
        makes_sense(&points, &Options::default())?;
        if missing {
            prop_assert_ne!(assess(&points).verdict, Verdict::Growing);
        }
    }

    #[test]
    fn what_fell_is_never_growing(
        drops in prop::collection::vec(0.0..1.0_f64, 400),
        noise in 0.0..0.02_f64,
        powers in 0.5..4.0_f64,
    ) {
        // Ever lower, evenly or in leaps, with a noise that is small beside the fall.
        let total: f64 = drops.iter().map(|d| d.powf(powers)).sum();
        let mut v = 1.0;
        let points: Vec<Point> = drops.iter().enumerate().map(|(i, d)| {
            v -= 0.5 * d.powf(powers) / total.max(1e-9);
            let noise = noise * ((i as f64 * 12.9898).sin() * 43_758.547).fract();
            Point { t: 60.0 * i as f64, v: 1e8 * (v + noise) }
        }).collect();
        let a = assess(&points);
        prop_assert_ne!(a.verdict, Verdict::Growing);
        makes_sense(&points, &Options::default())?;
        prop_assert!(a.forecast_24h.is_none_or(|f| f.value < 1e8));
    }

    #[test]
    fn what_comes_back_to_its_floor_again_and_again_is_not_growing(
        kind in 0..4_u32,
        periods in 4.0..40.0_f64,
        size in 0.02..0.6_f64,
        at in 0.0..1.0_f64,
        part in 0.1..0.9_f64,
        noise in 0.0..0.004_f64,
    ) {
        let shape = |x: f64| {
            let u = (periods * x + at).fract();
            match kind {
                0 => u,
                1 => f64::from(u8::from(u < part)),
                2 => 0.5 + 0.5 * (std::f64::consts::TAU * u).sin(),
                _ => (-6.0 * u).exp(),
            }
        };
        let points: Vec<Point> = series(|x| 1.0 + size * shape(x))
            .into_iter()
            .enumerate()
            .map(|(i, p)| Point { v: p.v + noise * ((i as f64 * 78.233).sin() * 43_758.547).fract(), ..p })
            .collect();
        prop_assert_ne!(assess(&points).verdict, Verdict::Growing);
    }
}
