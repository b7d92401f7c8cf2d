//! What a check finds. Pure: a stored test gives the same answers for ever.

use m5_report::doc::{Anomaly, Segment, Stress, StressCheck, StressPlan};
use m5_stats::verdict::{Options, assess_with};
use m5_stats::{Assessment, Point, Verdict, quantile, sorted};

/// The part before a check over which the level is taken.
const TAIL: f64 = 0.25;
/// Growth below this much of an hour's allowance is noise, however short the time.
const LEAST_HOURS: f64 = 0.5;
const DAY: f64 = 86_400.0;

/// Checks a segment at a moment of the test's clock; `None` where it holds no sample of that time.
#[must_use]
pub fn check(segments: &[Segment], t_seconds: f64, plan: &StressPlan) -> Option<StressCheck> {
    let index = segments.len().checked_sub(1)?;
    let segment = segments.get(index)?;
    let now = level(segment, t_seconds, plan)?;
    let first = segment.t_seconds.first()? + plan.check_seconds;
    let reference = (t_seconds > first).then(|| level(segment, first, plan)).flatten();
    let hours = (t_seconds - first) / 3600.0;
    let growth = reference.map(|reference| now - reference);
    let rss = judged(segment, t_seconds, |s, i| s.rss_bytes.get(i).map(|b| *b as f64));
    let fds = judged(segment, t_seconds, |s, i| s.fds.get(i).copied().flatten().map(|n| n as f64));
    let fds_verdict = segment.fds.iter().any(Option::is_some).then_some(fds.verdict);
    let mut anomalies = Vec::new();
    let allowed = plan.max_growth_bytes_per_hour * hours.max(LEAST_HOURS);
    if growth.is_some_and(|g| g > allowed) {
        anomalies.push(Anomaly::Growth);
    }
    if rss.verdict == Verdict::Growing {
        anomalies.push(Anomaly::VerdictGrowing);
    }
    if fds_verdict == Some(Verdict::Growing) {
        anomalies.push(Anomaly::FdsGrowing);
    }
    Some(StressCheck {
        t_seconds,
        segment: index,
        rss_bytes: now as u64,
        growth_bytes: growth,
        growth_bytes_per_hour: growth.map(|g| g / hours),
        verdict: rss.verdict,
        fds_verdict,
        fds: segment.fds.last().copied().flatten(),
        anomalies,
    })
}

/// Holds the growth of the whole test against the 24 h criterion, once it is over.
pub fn finish(stress: &mut Stress) {
    // What a shorter test saw is not drawn out to a day: that is the verdict's business.
    let a_day = |(ratio, seconds): (f64, f64)| ratio * (DAY / seconds.max(DAY));
    let too_much = stress
        .growth_ratio()
        .map(a_day)
        .zip(stress.plan.max_growth_24h_ratio)
        .is_some_and(|(r, most)| r > most);
    if let Some(last) = stress.checks.last_mut()
        && too_much
        && !last.anomalies.contains(&Anomaly::Growth24h)
    {
        last.anomalies.push(Anomaly::Growth24h);
    }
}

/// The median of RSS over the last part of the time before `t_seconds`.
fn level(segment: &Segment, t_seconds: f64, plan: &StressPlan) -> Option<f64> {
    let from = t_seconds - TAIL * plan.check_seconds;
    let within = segment.t_seconds.iter().zip(&segment.rss_bytes);
    let values: Vec<f64> =
        within.filter(|(t, _)| **t > from && **t <= t_seconds).map(|(_, b)| *b as f64).collect();
    quantile(&sorted(&values), 0.5)
}

fn judged(segment: &Segment, t_seconds: f64, value: impl Fn(&Segment, usize) -> Option<f64>) -> Assessment {
    let times = segment.t_seconds.iter().enumerate().filter(|(_, t)| **t <= t_seconds);
    let points: Vec<Point> =
        times.filter_map(|(i, t)| Some(Point { t: *t, v: value(segment, i)? })).collect();
    assess_with(&points, &Options::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::Identity;
    use m5_report::doc::{End, STRESS_SCHEMA};

    const MIB: f64 = 1_048_576.0;
    const HOUR: f64 = 3600.0;
    const PLAN: StressPlan = StressPlan {
        duration_seconds: 24.0 * HOUR,
        check_seconds: HOUR,
        max_growth_bytes_per_hour: 2.0 * MIB,
        max_growth_24h_ratio: Some(0.05),
        event_time: true,
    };

    /// 24 hours, a sample every three minutes: RSS and descriptors by the hour that has passed, with a little noise.
    fn segment(rss_mib: impl Fn(f64) -> f64, fds: impl Fn(f64) -> u64) -> Segment {
        let t_seconds: Vec<f64> = (0..=24 * 20).map(|m| f64::from(m) * 180.0).collect();
        let noise = |i: usize| ((i * 7919 % 101) as f64 - 50.0) * 400.0;
        let bytes = |(i, t): (usize, &f64)| (rss_mib(t / HOUR) * MIB + noise(i)) as u64;
        Segment {
            identity: Identity { pid: 1, start_ticks: 1 },
            command: Vec::new(),
            started_unix_seconds: 0.0,
            offset_seconds: 0.0,
            rss_bytes: t_seconds.iter().enumerate().map(bytes).collect(),
            fds: t_seconds.iter().map(|t| Some(fds(t / HOUR))).collect(),
            t_seconds,
        }
    }

    /// The checks of these hours.
    fn checks(segment: Segment, hours: &[u32]) -> Vec<StressCheck> {
        let segments = [segment];
        hours.iter().filter_map(|h| check(&segments, f64::from(*h) * HOUR, &PLAN)).collect()
    }

    #[test]
    fn a_flat_day_has_no_anomaly() {
        let found = checks(segment(|_| 40.0, |_| 14), &[1, 2, 12, 24]);
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|c| c.anomalies.is_empty()), "{found:?}");
        assert_eq!(found[0].growth_bytes, None);
        assert_eq!(found[found.len() - 1].verdict, Verdict::Flat);
        assert_eq!(
            (found[found.len() - 1].fds, found[found.len() - 1].fds_verdict),
            (Some(14), Some(Verdict::Flat))
        );
    }

    #[test]
    fn warming_up_is_no_growth() {
        let found = checks(segment(|h| 90.0 - 50.0 * (-h * 12.0).exp(), |_| 14), &[1, 2, 24]);
        assert!(found.iter().all(|c| c.anomalies.is_empty()), "{found:?}");
    }

    #[test]
    fn three_mebibytes_an_hour_are_an_anomaly_from_the_second_check_on() {
        let found = checks(segment(|h| 40.0 + 3.0 * h, |_| 14), &[1, 2, 24]);
        assert!(found[1..].iter().all(|c| c.anomalies.contains(&Anomaly::Growth)), "{found:?}");
        let per_hour = found[found.len() - 1].growth_bytes_per_hour.unwrap_or(0.0) / MIB;
        assert!((per_hour - 3.0).abs() < 0.01, "{per_hour}");
    }

    #[test]
    fn slow_growth_is_found_by_its_verdict() {
        let found = checks(segment(|h| 40.0 + h, |_| 14), &[2, 24]);
        assert!(found.iter().all(|c| !c.anomalies.contains(&Anomaly::Growth)));
        assert!(
            found[found.len() - 1].anomalies.contains(&Anomaly::VerdictGrowing),
            "{:?}",
            found[found.len() - 1]
        );
    }

    #[test]
    fn descriptors_that_are_never_closed_are_found() {
        let found = checks(segment(|_| 40.0, |h| 14 + (h * 10.0) as u64), &[24]);
        assert!(
            found[found.len() - 1].anomalies.contains(&Anomaly::FdsGrowing),
            "{:?}",
            found[found.len() - 1]
        );
    }

    #[test]
    fn six_percent_a_day_miss_the_criterion() {
        for (percent, missed) in [(6.0, true), (3.0, false)] {
            let segment = segment(|h| 40.0 * (1.0 + percent / 100.0 * h / 24.0), |_| 14);
            let mut stress = Stress {
                objectives_from: m5_report::doc::ObjectivesFrom::default(),
                schema: STRESS_SCHEMA.to_owned(),
                m5_version: String::new(),
                plan: PLAN,
                wall_seconds: 0.0,
                end: End::Complete,
                checks: [1.0, 24.0]
                    .iter()
                    .filter_map(|h| check(std::slice::from_ref(&segment), h * HOUR, &PLAN))
                    .collect(),
                segments: vec![segment],
                snapshot: None,
            };
            finish(&mut stress);
            finish(&mut stress);
            let times = stress.checks[1].anomalies.iter().filter(|a| **a == Anomaly::Growth24h).count();
            assert_eq!(times, usize::from(missed), "{percent} %");
        }
    }
}
