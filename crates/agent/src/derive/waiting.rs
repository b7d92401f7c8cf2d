//! What waiting for a processor may have added to pauses that nobody saw. A thread that loses its processor within a
//! collection makes one long pause of a short one, so rarely that a sample of a few windows need not hold one; but the
//! kernel accounts for all the waits, and they fall on what runs.

use super::columns::ends;
use m5_report::doc::{PauseLog, ProcessRecord};
use m5_stats::stratified::Total;

/// Standard deviations beyond the mean: of what is left to chance, 97.5 % lies below.
const MARGIN: f64 = 2.0;

/// The waits of a trace and what they are a share of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Waits after a processor was taken away, seconds, and how many there were.
    seconds: f64,
    times: f64,
    /// Time on a processor, seconds.
    cpu: f64,
}

impl Waiting {
    /// Absent where the kernel did not say, or nobody asked.
    pub(super) fn of(log: &PauseLog, process: &ProcessRecord) -> Option<Self> {
        let coverage = &log.coverage;
        let [(_, first), (_, last)] = ends(&process.samples, &process.samples.cpu_seconds)?;
        let (seconds, times, cpu) =
            (coverage.waited_ns as f64 / 1e9, coverage.preempted as f64, last - first);
        (seconds > 0.0 && times > 0.0 && cpu > 0.0).then_some(Self { seconds, times, cpu })
    }

    /// The total with room for them; `seen` of it is known. Above: as many fall on the pauses that were not seen as these take
    /// of the time on a processor, of one length or by chance. Below: those that were seen had the usual share of them, m5
    /// itself taking a processor just then, and the others had none.
    pub(super) fn widen(self, total: Total, seen: f64) -> Total {
        let unseen = (total.value - seen).max(0.0);
        let share = (unseen / self.cpu).min(1.0);
        let each = self.seconds / self.times;
        let spread = each * (2.0 * self.times * share).sqrt();
        let low = seen + unseen * self.cpu / (self.cpu + self.seconds);
        let high = total.value + share * self.seconds + MARGIN * spread;
        Total { low: total.low.min(low), high: total.high.max(high), ..total }
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;
    use m5_stats::stratified::Total;

    #[test]
    fn waits_fall_on_what_was_not_seen() {
        let waiting = Waiting { seconds: 4.0, times: 400.0, cpu: 2.0 };
        let total = Total { value: 1.0, low: 0.9, high: 1.1 };
        let widened = waiting.widen(total, 0.0);
        assert_eq!(widened.value, 1.0);
        assert!((widened.low - 2.0 / 6.0).abs() < 1e-12, "{widened:?}");
        assert!((widened.high - (1.0 + 2.0 + 2.0 * 0.01 * 20.0)).abs() < 1e-12, "{widened:?}");
        assert_eq!(waiting.widen(Total::exact(1.0), 1.0), Total::exact(1.0), "all was seen");
        let quiet = Waiting { seconds: 0.001, times: 400.0, cpu: 2.0 };
        assert_eq!(quiet.widen(total, 0.0), total);
    }
}
