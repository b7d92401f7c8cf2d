//! Kinds of leaks that do not look like a line.
#![allow(clippy::unwrap_used)]

use m5_stats::{Options, Point, Verdict, assess, assess_with};

/// Six hours at 15 s of a shape over 0 to 1, with a little noise.
fn series(f: impl Fn(f64) -> f64) -> Vec<Point> {
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43_758.547).fract();
    let at = |i: usize| Point { t: 15.0 * i as f64, v: f(i as f64 / 1440.0) + 0.002 * noise(i) };
    (0..1440).map(at).collect()
}

#[test]
fn what_doubles_is_growth_and_its_forecast_bends() {
    for k in [1.0_f64, 2.0, 3.0] {
        for size in [0.15, 0.3] {
            let a = assess(&series(|x| 1.0 + size * (k * x).exp_m1() / k.exp_m1()));
            assert_eq!(a.verdict, Verdict::Growing, "{k} {size}: {a:?}");
            let mean = size * 1.0 / 21_600.0;
            assert!(a.slope.unwrap() > mean, "{k} {size}: faster at the end than in the mean, {a:?}");
        }
    }
}

#[test]
fn a_leak_that_shows_in_whole_arenas_is_growth() {
    for arena in [0.03, 0.045] {
        for late in [0.3, 0.6] {
            // Demand rises evenly; when it passes into the next arena is not even.
            let demand = |x: f64| 0.2 * x + arena * (late + 0.1 * (9.0 * x).sin());
            let a = assess(&series(|x| 1.0 + arena * (demand(x) / arena).floor()));
            assert_eq!(a.verdict, Verdict::Growing, "{arena} {late}: {a:?}");
            let pace = a.slope.unwrap() * 21_600.0;
            assert!((0.1..0.3).contains(&pace), "{arena} {late}: {pace}");
        }
    }
    // Two arenas may be two deployments.
    let two = assess(&series(|x| {
        1.0 + if x < 0.3 {
            0.0
        } else if x < 0.62 {
            0.07
        } else {
            0.14
        }
    }));
    assert_ne!(two.verdict, Verdict::Growing, "{two:?}");
}

#[test]
fn a_leak_that_begins_late_in_the_life_of_a_process_is_found() {
    let points = series(|x| 1.0 + 0.3 * (x - 0.3).max(0.0));
    let old = Options { started: Some(-30.0 * 86_400.0), ..Options::default() };
    assert_eq!(assess_with(&points, &old).verdict, Verdict::Growing);
}

#[test]
fn a_leak_in_uneven_pieces_below_the_rhythm_of_days_is_found() {
    // Three days at five minutes: a daily load, and incidents that each leave something.
    const PIECES: [(f64, f64); 7] =
        [(0.06, 0.05), (0.21, 0.02), (0.33, 0.06), (0.47, 0.03), (0.66, 0.05), (0.78, 0.02), (0.93, 0.05)];
    let left = |x: f64| -> f64 { PIECES.iter().filter(|(at, _)| x >= *at).map(|(_, size)| size).sum() };
    let noise = |i: usize| ((i as f64 * 12.9898).sin() * 43_758.547).fract();
    let at = |i: usize| {
        let x = i as f64 / 864.0;
        Point {
            t: 300.0 * i as f64,
            v: 1.0 + 0.06 * (x * 3.0 * std::f64::consts::TAU).sin() + left(x) + 0.01 * noise(i),
        }
    };
    let points: Vec<Point> = (0..864).map(at).collect();
    for started in [0.0, -300.0 * 86_400.0] {
        let a = assess_with(&points, &Options { started: Some(started), ..Options::default() });
        assert_eq!(a.verdict, Verdict::Growing, "{started}: {a:?}");
    }
}

/// A batch, pages that were taken and come back, a cache that begins to fill: what happens once.
fn events() -> [fn(f64) -> f64; 4] {
    [
        |x| if (0.55..0.7).contains(&x) { 0.3 } else { 0.0 },
        |x| if x < 0.4 { 0.0 } else { -0.2 * (-(x - 0.4) / 0.1).exp() },
        |x| if x < 0.3 { 0.0 } else { -0.25 * (-(x - 0.3) / 0.05).exp_m1() },
        |x| if (0.2..0.3).contains(&x) || (0.75..0.9).contains(&x) { 0.2 } else { 0.0 },
    ]
}

#[test]
fn a_leak_below_what_happens_once_is_found_and_that_alone_is_none() {
    for (i, event) in events().into_iter().enumerate() {
        let leak = assess(&series(|x| 1.0 + 0.2 * x + event(x)));
        assert_eq!(leak.verdict, Verdict::Growing, "event {i}: {leak:?}");
        let pace = leak.slope.unwrap() * 21_600.0;
        assert!((0.1..0.3).contains(&pace), "event {i}: {pace}");
        let alone = assess(&series(|x| 1.0 + event(x)));
        assert_ne!(alone.verdict, Verdict::Growing, "event {i}: {alone:?}");
    }
}

#[test]
fn what_climbs_by_uneven_steps_grows_and_what_wanders_by_the_same_steps_does_not() {
    let steps = |down: bool| {
        move |x: f64| -> f64 {
            let size = |i: i32| {
                0.03 * (1.0 + 0.8 * f64::from(i).sin()) * if down && i % 2 == 0 { -1.0 } else { 1.0 }
            };
            let at = |i: i32| (f64::from(i) + 0.35 * (2.0 * f64::from(i)).cos()) / 10.0;
            1.0 + (0..10).filter(|i| at(*i) < x).map(size).sum::<f64>()
        }
    };
    let climbs = assess(&series(steps(false)));
    assert_eq!(climbs.verdict, Verdict::Growing, "{climbs:?}");
    let wanders = assess(&series(steps(true)));
    assert_ne!(wanders.verdict, Verdict::Growing, "{wanders:?}");
}

#[test]
fn an_hour_of_samples_a_minute_is_enough_for_what_grows_fast_in_an_old_process() {
    // Bytes, counts of two more a minute, and whole arenas.
    let shapes: [fn(f64) -> f64; 4] = [
        |i| 20e6 + 120e3 * i,
        |i| 4.0 + 2.0 * i,
        |i| 16e6 + 1_048_576.0 * (0.23 * i).floor(),
        |i| 16e6 + 262_144.0 * (1.7 * i + 0.3 * (0.9 * i).sin()).floor(),
    ];
    for (n, shape) in shapes.into_iter().enumerate() {
        for day in [0.0, 86_400.0] {
            let points: Vec<Point> =
                (0..60).map(|i| Point { t: 60.0 * f64::from(i), v: shape(f64::from(i)) }).collect();
            let options = Options { started: Some(-day), ..Options::default() };
            let a = assess_with(&points, &options);
            assert_eq!(a.verdict, Verdict::Growing, "shape {n}, {day} s: {a:?}");
            assert!(a.rises.is_some_and(|[up, of]| up + 1 >= of), "{a:?}");
        }
    }
}

/// From a moment on ever more of the callers take a path that leaks, until all of them do.
fn sets_in(x: f64, from: f64, wide: f64) -> f64 {
    let u = (x - from).max(0.0);
    if u < wide { 0.5 * u * u / wide } else { u - 0.5 * wide }
}

#[test]
fn a_leak_that_sets_in_over_a_while_is_found() {
    for (from, wide) in [(0.1, 0.4), (0.2, 0.4), (0.3, 0.35), (0.4, 0.4), (0.0, 0.9)] {
        let size = 0.25 / sets_in(1.0, from, wide);
        let a = assess(&series(|x| 1.0 + size * sets_in(x, from, wide)));
        assert_eq!(a.verdict, Verdict::Growing, "{from} {wide}: {a:?}");
    }
}

#[test]
fn a_leak_that_is_mended_in_part_is_found_and_one_that_is_mended_is_none() {
    for at in [0.3, 0.5, 0.7] {
        for left in [0.35, 0.6] {
            let lost = |x: f64| x.min(at) + left * (x - at).max(0.0);
            let a = assess(&series(|x| 1.0 + 0.25 * lost(x)));
            assert_eq!(a.verdict, Verdict::Growing, "{at} {left}: {a:?}");
        }
        let mended = assess(&series(|x| 1.0 + 0.25 * x.min(at)));
        assert_ne!(mended.verdict, Verdict::Growing, "{at}: {mended:?}");
    }
}
