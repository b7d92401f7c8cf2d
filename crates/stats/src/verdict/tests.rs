use super::*;
use proptest::prelude::*;

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
    assert_eq!(verdict(&|x| 1.0 - 0.1 * x), Verdict::Falling);
    assert_eq!(verdict(&|x| if x > 0.5 { 0.9 } else { 1.0 }), Verdict::Step);
}

#[test]
fn what_falls_is_not_extrapolated() {
    // 300 MiB that fall to 210 in the last fifth: a day ahead there is still a process.
    let a = assess(&line(21_600, 15, |x| 300.0 - 450.0 * (x - 0.8).max(0.0)));
    let f = a.forecast_24h.unwrap();
    assert_ne!(a.verdict, Verdict::Growing);
    assert!(f.low <= f.value && f.value <= f.high && (150.0..=260.0).contains(&f.value), "{f:?}");
    assert!(f.high >= 205.0, "{f:?}");
    let straight = assess(&line(21_600, 15, |x| 300.0 - 90.0 * x));
    assert_eq!(straight.verdict, Verdict::Falling);
    assert!(straight.slope.unwrap() < 0.0 && straight.limit.is_none());
    let f = straight.forecast_24h.unwrap();
    assert!((180.0..=240.0).contains(&f.value), "{f:?}");
}

#[test]
fn a_minute_is_too_short_and_says_how_long_to_wait() {
    let a = assess(&line(60, 1, |x| 1.0 + x));
    assert_eq!((a.verdict, a.reason), (Verdict::Insufficient, Some(Reason::TooShort)));
    let wait = a.wait_seconds.unwrap();
    assert!((300.0..=400.0).contains(&wait), "{wait}");
    // A process that has been up for an hour needs no warm-up.
    let old = Options { started: Some(-3600.0), ..Options::default() };
    let wait_old = assess_with(&line(60, 1, |x| 1.0 + x), &old).wait_seconds.unwrap();
    assert!(wait_old < wait && wait_old > 200.0, "{wait_old}");
    assert_eq!(assess(&[]).verdict, Verdict::Insufficient);
}

#[test]
fn even_a_constant_has_a_slope() {
    let constant: Vec<Point> = (0..900).map(|t| Point { t: f64::from(t), v: 14_155_776.0 }).collect();
    let a = assess(&constant);
    assert_eq!(a.verdict, Verdict::Flat);
    assert!(a.slope.unwrap().abs() * 900.0 < 0.01 * 14_155_776.0, "{a:?}");
}

#[test]
fn half_an_hour_at_one_hertz_is_judged() {
    assert_eq!(assess(&line(1800, 1, |x| 1.0 + 0.1 * x)).verdict, Verdict::Growing);
    assert_eq!(assess(&line(1800, 1, |_| 1.0)).verdict, Verdict::Flat);
}

#[test]
fn nothing_is_fitted_across_a_restart() {
    let points = line(21_600, 15, |x| if x < 0.5 { 1.0 + 0.5 * x } else { 1.0 });
    let options = Options { restarts: &[10_800.0], ..Options::default() };
    assert_eq!(assess_with(&points, &options).verdict, Verdict::Flat);
}

#[test]
fn the_load_explains_what_it_drives() {
    let wave = |x: f64| (x * 5.0).sin();
    let points = line(21_600, 15, |x| 1.0 + 0.1 * wave(x));
    let load: Vec<Point> =
        points.iter().map(|p| Point { t: p.t, v: 50.0 + 20.0 * wave(p.t / 21_600.0) }).collect();
    let options = Options { load: Some(&load), ..Options::default() };
    assert_eq!(assess_with(&points, &options).verdict, Verdict::Flat);
}

#[test]
fn a_load_that_explains_nothing_costs_nothing() {
    let wave = |x: f64| (x * 3.3 + 4.4).sin();
    let points = line(21_600, 15, |x| 1.0 + 0.05 * wave(x));
    let idle: Vec<Point> =
        points.iter().map(|p| Point { t: p.t, v: 0.3 + 0.02 * (p.t / 900.0).sin() }).collect();
    let without = assess(&points);
    let with = assess_with(&points, &Options { load: Some(&idle), ..Options::default() });
    assert_ne!(with.verdict, Verdict::Growing);
    assert_eq!(with, without, "all that is said is the same, with such a load and without it");
    let leak = line(21_600, 15, |x| 1.0 + 0.1 * x);
    let found = assess_with(&leak, &Options { load: Some(&idle), ..Options::default() });
    assert_eq!(found.verdict, Verdict::Growing);
}

#[test]
fn a_leak_that_a_falling_load_hides_is_found_where_the_load_is_named() {
    let load = |x: f64| 100.0 * (1.0 - 0.6 * x) + 6.0 * (23.0 * x).sin();
    let leak = line(21_600, 15, |x| 1.0 + 0.002 * load(x) + 0.18 * x);
    let named: Vec<Point> = leak.iter().map(|p| Point { t: p.t, v: load(p.t / 21_600.0) }).collect();
    let a = assess_with(&leak, &Options { load: Some(&named), ..Options::default() });
    assert_eq!(a.verdict, Verdict::Growing, "{a:?}");
}

#[test]
fn memory_that_follows_its_load_late_is_no_growth() {
    let load = |t: f64| 100.0 + 40.0 * (t / 5000.0).sin();
    let points: Vec<Point> = (0..1440)
        .map(|i| {
            let t = f64::from(i) * 15.0;
            Point { t, v: 1e8 * (1.0 + 0.002 * (load(t - 1500.0) - 100.0)) }
        })
        .collect();
    let load: Vec<Point> = points.iter().map(|p| Point { t: p.t, v: load(p.t) }).collect();
    let a = assess_with(&points, &Options { load: Some(&load), ..Options::default() });
    assert_ne!(a.verdict, Verdict::Growing);
}

/// Days at a sample a minute: a wave of ±10 % by the clock, and growth an hour.
fn days(days: usize, per_hour: f64, angle: f64) -> Vec<Point> {
    let wave = |t: f64| (t / 86_400.0 * std::f64::consts::TAU + angle).sin();
    line(86_400 * days, 60, |x| {
        let t = x * 86_400.0 * days as f64;
        1.0 + 0.1 * wave(t) + per_hour * t / 3600.0
    })
}

#[test]
fn days_are_known() {
    for angle in [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] {
        for n in [2, 3, 5, 14] {
            let healthy = assess(&days(n, 0.0, angle));
            assert_ne!(healthy.verdict, Verdict::Growing, "{n} days from {angle}");
            let leak = assess(&days(n, 0.003, angle));
            assert_eq!(leak.verdict, Verdict::Growing, "{n} days from {angle}: {leak:?}");
            let per_hour = leak.slope.unwrap() * 3600.0;
            assert!((per_hour - 0.003).abs() < 0.001, "{n} days from {angle}: {per_hour}");
        }
        assert_ne!(assess(&days(1, 0.0, angle)).verdict, Verdict::Growing);
    }
}

#[test]
fn growth_that_slows_down_is_not_drawn_on_as_a_line() {
    for power in [0.5, 0.65, 0.8] {
        let f = assess(&line(21_600, 15, |x| 1.0 + 0.3 * x.powf(power))).forecast_24h.unwrap();
        let truth = 1.0 + 0.3 * 5_f64.powf(power);
        assert!(f.low <= truth && truth <= f.high, "{power}: {f:?}, truth {truth}");
    }
}

#[test]
fn teeth_that_rise_grow_and_teeth_that_do_not_are_flat() {
    for length in [120.0, 400.0, 900.0, 2700.0] {
        let teeth = |x: f64| 0.2 * (x * 21_600.0 / length).fract();
        assert_eq!(assess(&line(21_600, 15, |x| 1.0 + teeth(x))).verdict, Verdict::Flat, "{length}");
        let rising = assess(&line(21_600, 15, |x| 1.0 + 0.12 * x + teeth(x)));
        assert_eq!(rising.verdict, Verdict::Growing, "{length}");
        let level = rising.level.unwrap();
        assert!((level - 1.12).abs() < 0.03, "{length}: {level}");
    }
}

#[test]
fn the_limit_is_reached_when_the_line_says() {
    let points = line(21_600, 15, |x| 1.0 + 0.2 * x);
    let limit = assess_with(&points, &Options { limit: Some(1.4), ..Options::default() }).limit.unwrap();
    let (early, at, late) =
        (limit.earliest_seconds.unwrap(), limit.expected_seconds.unwrap(), limit.latest_seconds.unwrap());
    assert!(early <= at && at <= late);
    assert!((at / 21_600.0 - 1.0).abs() < 0.1, "{at}");
    let flat = assess_with(&line(21_600, 15, |_| 1.0), &Options { limit: Some(1.4), ..Options::default() });
    assert_eq!(flat.limit.unwrap().expected_seconds, None);
}

#[test]
fn one_look_is_not_enough_for_a_watchdog() {
    let growing = assess(&line(21_600, 15, |x| 1.0 + 0.1 * x));
    let mut confirmation = Confirmation::default();
    let seen: Vec<Verdict> = (0..4).map(|_| confirmation.confirm(growing, 60.0).verdict).collect();
    assert_eq!(seen[..3], [Verdict::Insufficient, Verdict::Insufficient, Verdict::Growing]);
    let _ = confirmation.confirm(assess(&line(21_600, 15, |_| 1.0)), 60.0);
    assert_eq!(confirmation.confirm(growing, 60.0).reason, Some(Reason::Unconfirmed));
}

#[test]
fn an_alarm_is_growth_that_outlives_half_a_day_or_gains_half() {
    let growing = |level: f64| Assessment {
        verdict: Verdict::Growing,
        level: Some(level),
        growth_probability: Some(0.9),
        ..Assessment::default()
    };
    let doubt = Assessment { verdict: Verdict::Insufficient, ..growing(100.0) };
    let flat = Assessment { verdict: Verdict::Flat, ..Assessment::default() };
    let flat_at = |level: f64| Assessment { level: Some(level), ..flat };
    let mut slow = Confirmation::default();
    // Half-hourly looks, a doubt among them: what grows since the watch began must outlive its first day…
    let looks = |n: u32| if n == 10 { doubt } else { growing(100.0 + 0.3 * f64::from(n)) };
    let first = (0..60).position(|n| slow.confirm(looks(n), 1800.0).alarm);
    assert_eq!(first, Some(52));
    // …and what begins after days, 14 hours.
    let mut late = Confirmation::default();
    assert!((0..200).all(|_| !late.confirm(flat_at(100.0), 1800.0).alarm));
    let first = (1..60_u32).position(|n| late.confirm(growing(100.0 + 0.3 * f64::from(n)), 1800.0).alarm);
    assert_eq!(first, Some(28));
    // What comes ever rarer, as much again in twice the time, is no leak however late it is claimed; a leak is.
    for (claimed, rarer) in [(20_u32, true), (60, true), (100, true), (60, false)] {
        let mut uses = Confirmation::default();
        let level = |n: u32| match rarer {
            true => 100.0 + 8.0 * (1.0 + f64::from(n)).ln(),
            false => 100.0 + 0.2 * f64::from(n),
        };
        let look = |n: u32| if n < claimed { flat_at(level(n)) } else { growing(level(n)) };
        assert_eq!((0..336).any(|n| uses.confirm(look(n), 1800.0).alarm), !rarer, "{claimed} {rarer}");
    }
    let mut fast = Confirmation::default();
    let first = (0..60_u32).position(|n| fast.confirm(growing(100.0 + 10.0 * f64::from(n)), 60.0).alarm);
    assert_eq!(first, Some(5), "it gained half of its level");
    let mut fills = Confirmation::default();
    let slower = |n: u32| growing(100.0 + 10.0 * (1.0 + f64::from(n)).ln());
    assert!((0..40).all(|n| !fills.confirm(slower(n), 1800.0).alarm), "what fills slows down");
    let mut morning = Confirmation::default();
    let said: Vec<Assessment> = (0..20).map(|_| morning.confirm(growing(100.0), 1800.0)).collect();
    assert!(said.iter().all(|a| !a.alarm) && said[19].held_seconds == Some(19.0 * 1800.0));
    let back = morning.confirm(flat, 1800.0);
    assert_eq!(
        (back.taken_back, back.held_seconds),
        (1, None),
        "what was said is taken back, and that is shown"
    );
    assert_eq!(morning.confirm(flat, 1800.0).taken_back, 1);
}

#[test]
fn many_processes_raise_the_bar() {
    assert_eq!(benjamini_hochberg(&[0.999, 0.5, 0.2], 0.05), [true, false, false]);
    assert_eq!(benjamini_hochberg(&[0.96, 0.5, 0.2], 0.05), [false; 3]);
    assert_eq!(benjamini_hochberg(&[f64::NAN, 0.99], 0.05), [false, true]);
    assert!(benjamini_hochberg(&[], 0.05).is_empty());
}

#[test]
fn days_fit_into_a_few_kilobytes() {
    let mut series = Series::default();
    for t in 0..3 * 86_400 {
        series.push(Point { t: f64::from(t), v: 1e8 + 100.0 * f64::from(t) });
    }
    assert!(8 * series.bytes() < 1_000_000, "{}", series.bytes());
    let day = series.points(86_400.0);
    assert!(day.len() > 300 && day[0].t >= 2.0 * 86_400.0 - 1.0);
    assert!(series.all()[0].t < 2048.0);
    assert_eq!(assess(&series.points(21_600.0)).verdict, Verdict::Growing);
    assert!(series.points(1000.0).len() > 200);
}

#[test]
fn a_series_keeps_the_load_beside_it_in_the_same_cells() {
    let mut series = Series::default();
    for i in 0..2 * 86_400 {
        let t = f64::from(i);
        let load = (i % 7 != 0).then(|| 5.0 + (t / 20_000.0).sin());
        series.push_beside(Point { t, v: 1e8 * (1.0 + 0.1 * (t / 20_000.0).sin()) }, load);
    }
    let (points, loads) = (series.all(), series.loads(f64::INFINITY));
    assert!(points.iter().map(|p| p.t).eq(loads.iter().map(|p| p.t)), "one load a cell");
    assert!(loads.iter().all(|l| (l.v - 5.0 - (l.t / 20_000.0).sin()).abs() < 0.05));
    // Without a load nothing is made up.
    let mut alone = Series::default();
    (0..100).for_each(|i| alone.push(Point { t: f64::from(i), v: 1.0 }));
    assert!(alone.loads(f64::INFINITY).is_empty());
}

/// What must hold whatever the series: probabilities are such, ends are in order, nothing is negative or infinite.
fn sane(v: &[f64], step: f64) -> Result<(), TestCaseError> {
    let points: Vec<Point> = v.iter().enumerate().map(|(i, v)| Point { t: i as f64 * step, v: *v }).collect();
    let a = assess_with(&points, &Options { limit: Some(1e9), ..Options::default() });
    prop_assert!(a.growth_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
    if let Some(f) = a.forecast_24h {
        prop_assert!(0.0 <= f.low && f.low <= f.value && f.value <= f.high && f.high.is_finite(), "{:?}", f);
    }
    let numbers = [a.slope_low, a.slope, a.slope_high];
    prop_assert!(numbers.iter().flatten().all(|v| v.is_finite()));
    prop_assert!(numbers.iter().flatten().is_sorted());
    prop_assert!(a.level.is_none_or(f64::is_finite));
    if let Some(l) = a.limit {
        let times = [l.earliest_seconds, l.expected_seconds, l.latest_seconds];
        prop_assert!(times.iter().flatten().all(|t| *t >= 0.0) && times.iter().flatten().is_sorted());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_series_gives_an_answer(v in prop::collection::vec(any::<f64>(), 0..200), step in 1.0..100.0f64) {
        sane(&v, step)?;
    }

    #[test]
    fn memory_that_goes_anywhere_has_a_forecast_that_makes_sense(
        legs in prop::collection::vec((1..60_usize, -1e9..1e9f64), 1..8),
        floor in 0.0..1e9f64,
        step in 1.0..4000.0f64,
    ) {
        let mut v = vec![floor];
        for (n, to) in legs {
            let from = v[v.len() - 1];
            v.extend((1..=n).map(|i| (from + (to - from) * i as f64 / n as f64).max(0.0)));
        }
        sane(&v, step)?;
    }

    #[test]
    fn a_verdict_has_no_unit(seed in 0..1000u32, scale in 1e-3..1e6f64, growth in 0.0..0.2f64) {
        let noise = |i: usize| ((f64::from(seed) + i as f64 * 12.9898).sin() * 43_758.547).fract();
        let at = |i: usize, scale: f64| Point {
            t: i as f64 * 60.0,
            v: scale * (1.0 + growth * i as f64 / 360.0 + 0.004 * noise(i)),
        };
        let of = |scale: f64| assess(&(0..360).map(|i| at(i, scale)).collect::<Vec<_>>()).verdict;
        prop_assert_eq!(of(1.0), of(scale));
    }
}
