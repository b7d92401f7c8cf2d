//! One alarm out of many looks and many processes must not be chance.

use super::{Assessment, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// Growth must be found in this many evaluations in a row before it is called so.
const IN_A_ROW: u32 = 3;
/// Seconds for which it must be called so without a break before somebody is woken: longer than the rising half of
/// any day, so that no daily rhythm, whatever its shape, is an alarm.
const HOLDS: f64 = 14.0 * 3600.0;
/// Seconds for which it must have been watched: what a service fills in its first day (pools, rings, caches) is no leak.
const WATCHED: f64 = 26.0 * 3600.0;
/// What the floor must have gained meanwhile, as a part of its level, for an alarm before that: no usual day does.
const GAINED: f64 = 0.5;
/// Half of that time, and how fast the floor must have risen since it at least, as a part of its pace before: what fills
/// slows down.
const HALFWAY: f64 = 0.5 * HOLDS;
const KEEPS_PACE: f64 = 0.6;
/// Growth that is as old as the watch must be told from what comes ever rarer (code that is used for the first time, rare
/// keys: as much again only in twice the time): the claim must last for so much of the time before it, but for this many
/// seconds at most.
const AS_LONG: f64 = 0.6;
const LONGEST: f64 = 72.0 * 3600.0;
/// It is as old as the watch where its pace before the claim was this part of that since.
const AS_BEFORE: f64 = 0.5;
/// Growth is still held where it is at least so likely: a doubt is no contradiction.
const HELD: f64 = 0.5;

/// What a watcher remembers between evaluations of one series.
///
/// Looks are many, and each may err: a rule for one look says nothing of a life. Growth that is called is a claim,
/// made at a moment and at a level; what comes after it, and was not known then, confirms it or takes it back. Only
/// a claim that has outlived half a day at an even pace, or that has gained half of its level, is an alarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Evaluations in a row that found growth.
    pub in_a_row: u32,
    /// Seconds since the first evaluation that found a level, and that level.
    #[serde(default)]
    watched: f64,
    #[serde(default)]
    first: Option<f64>,
    /// The claim that is held.
    #[serde(default)]
    claim: Option<Claim>,
    /// Claims that what came later took back.
    #[serde(default)]
    taken_back: u32,
}

/// Growth that was called and not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Claim {
    /// How long the series had been watched when growth was first found in this row, and the level then.
    since: f64,
    level: f64,
    /// Seconds for which it has been held.
    held: f64,
    /// For how long it had been held when half of its time was over, and the level then.
    halfway: Option<(f64, f64)>,
}

impl Confirmation {
    /// Counts an evaluation. Growth that was not found often enough in a row is reported as
    /// [`Verdict::Insufficient`] ([`Reason::Unconfirmed`]) with the wait until the next evaluations. The assessment
    /// that comes back says whether to raise an alarm, for how long growth is held, and how often it was taken back.
    #[must_use]
    pub fn confirm(&mut self, mut assessment: Assessment, seconds_between: f64) -> Assessment {
        let doubt = assessment.verdict == Verdict::Insufficient
            && assessment.growth_probability.is_some_and(|p| p >= HELD);
        self.watched += if self.first.is_some() { seconds_between.max(0.0) } else { 0.0 };
        self.first = self.first.or(assessment.level);
        if assessment.verdict == Verdict::Growing {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else if !(doubt && self.called()) {
            self.taken_back += u32::from(self.called());
            (self.in_a_row, self.claim) = (0, None);
        }
        if self.in_a_row > 0 {
            self.hold(assessment.level, seconds_between.max(0.0));
        }
        if assessment.verdict == Verdict::Growing && !self.called() {
            assessment.verdict = Verdict::Insufficient;
            assessment.reason = Some(Reason::Unconfirmed);
            assessment.wait_seconds = Some(f64::from(IN_A_ROW - self.in_a_row) * seconds_between);
        }
        let claim = self.claim.filter(|_| self.called());
        assessment.held_seconds = self.called().then_some(claim.map_or(0.0, |c| c.held));
        assessment.alarm =
            assessment.verdict == Verdict::Growing && claim.is_some_and(|c| self.alarms(c, assessment.level));
        assessment.taken_back = self.taken_back;
        assessment
    }

    fn called(&self) -> bool {
        self.in_a_row >= IN_A_ROW
    }

    /// Begins a claim, or holds it for so many seconds more.
    fn hold(&mut self, level: Option<f64>, seconds: f64) {
        let Some(mut claim) = self.claim else {
            let begun = |level| Claim { since: self.watched, level, held: 0.0, halfway: None };
            self.claim = level.map(begun);
            return;
        };
        claim.held += seconds;
        if let Some(now) = level.filter(|_| claim.halfway.is_none() && claim.held >= HALFWAY) {
            let old = self.as_old_as_the_watch(claim, now);
            let half = if old { 0.5 * (AS_LONG * claim.since).min(LONGEST) } else { 0.0 };
            claim.halfway = (claim.held >= half).then_some((claim.held, now));
        }
        self.claim = Some(claim);
    }

    /// Whether the floor had risen before the claim already, at a pace that compares.
    fn as_old_as_the_watch(&self, claim: Claim, now: f64) -> bool {
        let before = self.first.map_or(0.0, |first| (claim.level - first) / claim.since.max(1.0));
        before >= AS_BEFORE * (now - claim.level) / claim.held
    }

    fn alarms(&self, claim: Claim, level: Option<f64>) -> bool {
        let Some(now) = level else { return false };
        let gained = now - claim.level >= GAINED * claim.level.abs();
        gained || self.watched >= WATCHED && claim.held >= HOLDS && self.keeps_pace(claim, now)
    }

    /// Whether the floor rose on in the second half of the claim.
    fn keeps_pace(&self, claim: Claim, now: f64) -> bool {
        let Some((half, level)) = claim.halfway.filter(|(half, _)| claim.held > *half) else { return false };
        let before = (level - claim.level) / half;
        let since = (now - level) / (claim.held - half);
        if !self.as_old_as_the_watch(claim, now) {
            return since >= KEEPS_PACE * before;
        }
        // Twice in twice the time, or as much again: the middle of the two paces.
        let (from, to) = (claim.since + half, claim.since + claim.held);
        let rarer = (to / from).ln() / (claim.held - half) / ((from / claim.since.max(1.0)).ln() / half);
        let even = 0.5 * (1.0 + rarer.min(1.0));
        claim.held >= (AS_LONG * claim.since).min(LONGEST) && since >= even.max(KEEPS_PACE) * before
    }
}

/// Which of many growth probabilities (one a process) may be called growth together, so that at most `rate` of
/// those called are false (Benjamini and Hochberg, with 1 − probability in the place of p). `NaN` is never called.
#[must_use]
pub fn benjamini_hochberg(growth: &[f64], rate: f64) -> Vec<bool> {
    let mut order: Vec<(usize, f64)> = growth.iter().map(|p| 1.0 - p).enumerate().collect();
    order.retain(|(_, p)| !p.is_nan());
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let n = growth.len() as f64;
    let holds = |(rank, (_, p)): (usize, &(usize, f64))| *p <= rate * (rank as f64 + 1.0) / n;
    let called = order.iter().enumerate().rposition(holds).map_or(0, |last| last + 1);
    let mut result = vec![false; growth.len()];
    for (i, _) in order.iter().take(called) {
        if let Some(r) = result.get_mut(*i) {
            *r = true;
        }
    }
    result
}
