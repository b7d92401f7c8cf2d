//! One alarm out of many looks and many processes must not be chance.

use super::{Assessment, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// Growth must be found in this many evaluations in a row before it is called so.
const IN_A_ROW: u32 = 3;
/// Seconds for which it must be called so without a break before somebody is woken: longer than the rising half of
/// any day, so that no daily rhythm, whatever its shape, is an alarm.
const HOLDS: f64 = 14.0 * 3600.0;
/// What the floor must have gained meanwhile, as a part of its level, for an alarm before that: no usual day does.
const GAINED: f64 = 0.5;
/// Half of that time, and how fast the floor must have risen since it at least, as a part of its pace before: what fills
/// slows down.
const HALFWAY: f64 = 0.5 * HOLDS;
const KEEPS_PACE: f64 = 0.6;
/// Growth is still held where it is at least so likely: a doubt is no contradiction.
const HELD: f64 = 0.5;

/// What a watcher remembers between evaluations of one series.
///
/// Looks are many, and each may err: a rule for one look says nothing of a life. Growth that is called is a claim,
/// made at a moment and at a level; what comes after it, and was not known then, confirms it or takes it back. Only
/// a claim that has outlived half a day, or that has gained half of its level, is an alarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Evaluations in a row that found growth.
    pub in_a_row: u32,
    /// The level at which growth was first found in this row.
    #[serde(default)]
    claimed_at: Option<f64>,
    /// Seconds since then.
    #[serde(default)]
    held: f64,
    /// Seconds for which it had been held when half of the time that a claim must last was over, and the level then.
    #[serde(default)]
    halfway: Option<(f64, f64)>,
    /// Claims that what came later took back.
    #[serde(default)]
    taken_back: u32,
}

impl Confirmation {
    /// Counts an evaluation. Growth that was not found often enough in a row is reported as
    /// [`Verdict::Insufficient`] ([`Reason::Unconfirmed`]) with the wait until the next evaluations. The assessment
    /// that comes back says whether to raise an alarm, for how long growth is held, and how often it was taken back.
    #[must_use]
    pub fn confirm(&mut self, mut assessment: Assessment, seconds_between: f64) -> Assessment {
        let doubt = assessment.verdict == Verdict::Insufficient
            && assessment.growth_probability.is_some_and(|p| p >= HELD);
        if assessment.verdict == Verdict::Growing {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else if !(doubt && self.called()) {
            self.taken_back += u32::from(self.called());
            *self = Self { taken_back: self.taken_back, ..Self::default() };
        }
        if self.in_a_row > 0 {
            self.held += if self.claimed_at.is_some() { seconds_between.max(0.0) } else { 0.0 };
            self.claimed_at = self.claimed_at.or(assessment.level);
            let halfway = assessment.level.filter(|_| self.held >= HALFWAY).map(|level| (self.held, level));
            self.halfway = self.halfway.or(halfway);
        }
        if assessment.verdict == Verdict::Growing && !self.called() {
            assessment.verdict = Verdict::Insufficient;
            assessment.reason = Some(Reason::Unconfirmed);
            assessment.wait_seconds = Some(f64::from(IN_A_ROW - self.in_a_row) * seconds_between);
        }
        assessment.held_seconds = self.called().then_some(self.held);
        assessment.alarm = assessment.verdict == Verdict::Growing && self.alarms(assessment.level);
        assessment.taken_back = self.taken_back;
        assessment
    }

    fn called(&self) -> bool {
        self.in_a_row >= IN_A_ROW
    }

    fn alarms(&self, level: Option<f64>) -> bool {
        let gained = level.zip(self.claimed_at).is_some_and(|(now, then)| now - then >= GAINED * then.abs());
        self.held >= HOLDS && self.keeps_pace(level) || gained
    }

    /// Whether the floor rose on in the second half of the claim. Where that is not known, it is held.
    fn keeps_pace(&self, level: Option<f64>) -> bool {
        let (Some(now), Some(then), Some((held, halfway))) = (level, self.claimed_at, self.halfway) else {
            return true;
        };
        let since = self.held - held;
        since > 0.0 && (now - halfway) / since >= KEEPS_PACE * (halfway - then) / held
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
