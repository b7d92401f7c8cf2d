//! From points to a verdict, or to how long still to wait for one.

use super::blocks::{self, MIN_SECONDS, WARMUP_SECONDS};
use super::judged::Judged;
use super::signs::Signs;
use super::{Assessment, Options, Point, Reason};

/// Growth of a layer is sure from this probability on.
pub(crate) const SURE: f64 = 0.75;

pub(super) fn decide(points: &[Point], options: &Options<'_>) -> Assessment {
    match judge(points, options) {
        Ok(judged) => judged.assessment(options),
        Err(too_little) => *too_little,
    }
}

/// What is learned from: the signs of growth, and what is said now. Nothing where there is too little.
pub(super) fn signs(points: &[Point], options: &Options<'_>) -> Option<(Signs, Assessment)> {
    let judged = judge(points, options).ok()?;
    Some((judged.signs, judged.assessment(options)))
}

fn judge(points: &[Point], options: &Options<'_>) -> Result<Judged, Box<Assessment>> {
    let (run, started) = blocks::last_run(points, options);
    let Some(warm) = blocks::warmup_end(&run, started) else {
        return Err(Box::new(too_little(Reason::TooFewSamples, 0.0, None, None)));
    };
    let used = run.get(run.partition_point(|p| p.t < warm)..).unwrap_or(&[]);
    let span = used.last().zip(used.first()).map_or(0.0, |(b, a)| b.t - a.t);
    let level = run.last().map(|p| p.v);
    if span < MIN_SECONDS {
        let wait = wait_for_time(&run, started, span);
        return Err(Box::new(too_little(Reason::TooShort, span, level, Some(wait))));
    }
    let born = run.first().map(|p| started.unwrap_or(p.t).min(p.t));
    let options = &Options { started: born, ..*options };
    let Some(blocks) = blocks::cut(used, options) else {
        return Err(Box::new(too_little(Reason::TooFewSamples, span, level, wait_for_points(used))));
    };
    Ok(Judged::new(blocks, used, options))
}

fn too_little(reason: Reason, observed_seconds: f64, level: Option<f64>, wait: Option<f64>) -> Assessment {
    Assessment { level, observed_seconds, wait_seconds: wait, reason: Some(reason), ..Assessment::default() }
}

/// Until the warm-up is over and enough was seen after it.
fn wait_for_time(run: &[Point], started: Option<f64>, span: f64) -> f64 {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return WARMUP_SECONDS + MIN_SECONDS };
    let start = started.unwrap_or(first.t).min(first.t);
    let after_warmup = WARMUP_SECONDS + MIN_SECONDS - (last.t - start);
    after_warmup.max(MIN_SECONDS - span.max(last.t - first.t).min(MIN_SECONDS)).max(1.0)
}

/// Until there are enough points, at the pace so far.
fn wait_for_points(used: &[Point]) -> Option<f64> {
    let pace = (used.last()?.t - used.first()?.t) / (used.len().checked_sub(1)? as f64);
    let missing = (3 * blocks::MIN_BLOCKS).saturating_sub(used.len()).max(1);
    (pace > 0.0).then_some(pace * missing as f64)
}
