//! How much of its time a target rests: its processor is colder after that than after work.

/// The share of the last fifth of a second, about, that a target used no processor for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resting {
    at_ns: u64,
    cpu_ns: Option<u64>,
    /// Not known before the first two looks.
    share: Option<f64>,
}

/// What is longer ago weighs less and less, nanoseconds.
const MEMORY_NS: f64 = 200e6;

impl Resting {
    /// Its CPU time at that moment.
    pub(crate) fn new(at_ns: u64, cpu_ns: Option<u64>) -> Self {
        Self { at_ns, cpu_ns, share: None }
    }

    /// Its CPU time at that moment; nothing is learned from a clock that cannot be read, nor from one of other processes.
    pub(crate) fn look(&mut self, at_ns: u64, cpu_ns: Option<u64>) {
        let before = std::mem::replace(self, Self { at_ns, cpu_ns, share: self.share });
        let wall = at_ns.saturating_sub(before.at_ns) as f64;
        let (Some(from), Some(to)) = (before.cpu_ns, cpu_ns) else { return };
        if wall > 0.0 && to >= from {
            let rested = (1.0 - (to - from) as f64 / wall).max(0.0);
            let known = self.share.unwrap_or(rested);
            self.share = Some(known + (rested - known) * (1.0 - (-wall / MEMORY_NS).exp()));
        }
    }

    /// From 0, always at work, to 1; that too while nothing is known.
    pub(crate) fn share(&self) -> f64 {
        self.share.unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_did_lately_is_what_counts() {
        let mut resting = Resting::new(0, Some(0));
        assert!((resting.share() - 1.0).abs() < 1e-9);
        // Two threads at work for a second, then a tenth of the time for another.
        (1..=50).for_each(|i| resting.look(i * 20_000_000, Some(i * 40_000_000)));
        assert!(resting.share() < 0.01);
        (1..=50)
            .for_each(|i| resting.look(1_000_000_000 + i * 20_000_000, Some(2_000_000_000 + i * 2_000_000)));
        assert!((resting.share() - 0.9).abs() < 0.01);
    }

    #[test]
    fn a_clock_that_cannot_be_read_teaches_nothing() {
        let mut resting = Resting::new(0, Some(5));
        for cpu in [None, Some(4), Some(3)] {
            resting.look(1_000_000, cpu);
        }
        assert!((resting.share() - 1.0).abs() < 1e-9);
    }
}
