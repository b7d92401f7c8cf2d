//! What a check finds. Pure: a stored test gives the same answers for ever.

use m5_report::doc::{Anomaly, Segment, Stress, StressCheck, StressPlan};
use m5_stats::verdict::{Options, assess_with};
use m5_stats::{Assessment, Point, Verdict, quantile, sorted};

/// The part before a check over which the level is taken.
const TAIL: f64 = 0.25;
/// Growth below this much of an hour's allowance is noise, however short the time.
const LEAST_HOURS: f64 = 0.5;

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
    let hours = |c: &StressCheck| c.growth_bytes.zip(c.growth_bytes_per_hour).map(|(g, h)| g / h);
    let too_much = stress.growth_24h_ratio().is_some_and(|r| r > stress.plan.max_growth_24h_ratio);
    if let Some(last) = stress.checks.last_mut()
        && too_much
        && hours(last).is_some_and(|h| h >= LEAST_HOURS)
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
