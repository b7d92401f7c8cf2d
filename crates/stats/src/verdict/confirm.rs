//! One alarm out of many looks and many processes must not be chance.

use super::{Assessment, Reason, Verdict};
use serde::{Deserialize, Serialize};

/// Growth must be found in this many evaluations in a row.
const IN_A_ROW: u32 = 3;

/// What a watcher remembers between evaluations of one series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Evaluations in a row that found growth.
    pub in_a_row: u32,
}

impl Confirmation {
    /// Counts an evaluation. Growth that was not found often enough in a row is reported as
    /// [`Verdict::Insufficient`] ([`Reason::Unconfirmed`]) with the wait until the next evaluations.
    #[must_use]
    pub fn confirm(&mut self, mut assessment: Assessment, seconds_between: f64) -> Assessment {
        if assessment.verdict != Verdict::Growing {
            self.in_a_row = 0;
            return assessment;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row < IN_A_ROW {
            assessment.verdict = Verdict::Insufficient;
            assessment.reason = Some(Reason::Unconfirmed);
            assessment.wait_seconds = Some(f64::from(IN_A_ROW - self.in_a_row) * seconds_between);
        }
        assessment
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
