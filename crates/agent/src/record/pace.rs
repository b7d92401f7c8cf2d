//! How often something dear may be done: the dearer it proved, the rarer.

/// Spaces readings so that their cost stays a fixed small part of the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    least_seconds: f64,
    most_seconds: f64,
    times_cost: f64,
    next: f64,
}

impl Pace {
    /// At most every `least_seconds`, and one part in `times_cost` of the time; but every `most_seconds` in
    /// any case.
    pub(crate) fn new(least_seconds: f64, most_seconds: f64, times_cost: f64) -> Self {
        Self { least_seconds, most_seconds, times_cost, next: 0.0 }
    }

    /// Whether it may be done at this moment. Half a tenth of slack keeps it in step with rounds.
    pub(crate) fn due(&self, t: f64) -> bool {
        t + self.least_seconds * 0.05 >= self.next
    }

    /// It was done and took so long.
    pub(crate) fn done(&mut self, t: f64, cost_seconds: f64) {
        self.next = t + self.least_seconds.max((cost_seconds * self.times_cost).min(self.most_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_is_rare() {
        let mut pace = Pace::new(1.0, 20.0, 500.0);
        assert!(pace.due(0.0));
        pace.done(0.0, 0.000_1);
        assert!(!pace.due(0.5) && pace.due(1.0));
        pace.done(1.0, 0.020);
        assert!(!pace.due(10.0) && pace.due(11.0));
        pace.done(11.0, 9.0);
        assert!(!pace.due(30.0) && pace.due(31.0));
    }
}
