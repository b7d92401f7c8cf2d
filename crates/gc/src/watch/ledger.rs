//! What was counted so far: traps, pauses that were told, and what collectors that are gone left behind.

use super::calibrate::Ends;
use super::collector::Collector;
use super::watched::Tracked;
use crate::Coverage;

/// The counts of a watch.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What the traps that the targets took cost them, nanoseconds, and when the last one was.
    pub(super) trapped_ns: u64,
    trap_ns: u64,
    /// Pauses that were told.
    pub(super) seen: u64,
    /// Of collectors that are gone: what was seen and what happened; and all records that were lost.
    retired: Coverage,
    /// Of those, what further interpreters of the process itself collected.
    ended: [u64; 3],
}

impl Ledger {
    /// Counts a trap at that time.
    pub(super) fn trap(&mut self, time: u64, ends: Ends) {
        let idle = time.saturating_sub(std::mem::replace(&mut self.trap_ns, time));
        self.trapped_ns += ends.after(idle);
    }

    /// Counts records that were lost.
    pub(super) fn lose(&mut self, records: u64) {
        self.retired.lost += records;
    }

    /// Takes over what a collector counted that is gone; `own` where it was one of the process itself.
    pub(super) fn retire(&mut self, collector: &Collector, own: bool) {
        collector.add_to(&mut self.retired);
        if own {
            (0..3).for_each(|g| self.ended[g] += collector.happened()[g]);
        }
    }

    /// What was seen and what happened, of these and of those that are gone.
    pub(super) fn coverage(&self, tracked: &[Tracked]) -> Coverage {
        let mut coverage = self.retired;
        tracked.iter().for_each(|t| t.collector.add_to(&mut coverage));
        coverage
    }

    /// Collections of the process's own interpreters that are gone, by generation.
    pub(super) fn ended(&self) -> [u64; 3] {
        self.ended
    }
}
