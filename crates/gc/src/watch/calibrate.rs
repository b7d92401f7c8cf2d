//! What traps add to a pause on this machine: watched writes of m5 to a word of its own, one right after the other and
//! after a sleep. A trap takes longer where its code has fallen out of the caches.
#![allow(unsafe_code)]

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use m5_process::monotonic_ns as now_ns;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const WRITES: u32 = 200;
/// Pauses after a sleep, how long each sleep and each pause is, and what reading the clock in them may cost.
const PAUSES: u32 = 9;
const ASLEEP: Duration = Duration::from_millis(10);
const PAUSE_NS: u64 = 30_000;
/// Traps are warm when the one before is not longer ago, and cold when it is longer ago, nanoseconds.
const WARM_NS: u64 = 500_000;
const COLD_NS: u64 = 10_000_000;

/// What a trap adds to a pause that begins with it, by the time since the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traps {
    /// Where one follows the other, nanoseconds: the least of it.
    pub(crate) warm_ns: u64,
    /// After a long time without one: never less.
    pub(crate) cold_ns: u64,
}

impl Traps {
    /// Measures, which takes a tenth of a second, once in the life of m5.
    ///
    /// # Errors
    /// Where the kernel refuses to watch even m5 itself.
    pub(crate) fn measured() -> Result<Self, OpenError> {
        static MEASURED: OnceLock<Traps> = OnceLock::new();
        if let Some(traps) = MEASURED.get() {
            return Ok(*traps);
        }
        let warm_ns = warm_ns()?.unwrap_or(0);
        let cold_ns = cold_ns()?.unwrap_or(warm_ns).max(warm_ns);
        Ok(*MEASURED.get_or_init(|| Self { warm_ns, cold_ns }))
    }

    /// What the two ends of a pause add to it where the trap before was so many nanoseconds ago.
    pub(crate) fn ends(&self, idle_ns: u64) -> u64 {
        let idle = idle_ns.clamp(WARM_NS, COLD_NS) as f64 / WARM_NS as f64;
        let cold = idle.ln() / (COLD_NS as f64 / WARM_NS as f64).ln();
        self.warm_ns + ((self.cold_ns - self.warm_ns) as f64 * cold) as u64
    }
}

/// A word of m5's own under watch.
struct Probe {
    word: Box<AtomicU32>,
    event: Event,
    ring: Mapping,
}

impl Probe {
    fn new() -> Result<Self, OpenError> {
        let word = Box::new(AtomicU32::new(0));
        let event =
            Event::open(&Attr::write_watch(word.as_ptr() as u64, 4), Target { tid: 0, cpu: -1 }, None)?;
        let ring = Mapping::new(&event, 64 << 10)?;
        Ok(Self { word, event, ring })
    }

    /// One plain store: to add in one step takes a pair of instructions on some processors, which never succeeds under a
    /// watch (see [`super::exclusive_pairs`]), and m5 would hang in it.
    fn write(&self) {
        self.word.store(self.word.load(Ordering::Relaxed).wrapping_add(1), Ordering::SeqCst);
    }

    /// When each write since the last call was seen.
    fn times(&self) -> Vec<u64> {
        let (mut bytes, mut records) = (Vec::new(), Vec::new());
        self.ring.drain(&mut bytes);
        parse(&bytes, &mut records);
        records.iter().filter(|r| matches!(r, Record::Sample(_))).map(Record::time).collect()
    }
}

/// From one watched write to the next with nothing between, the fastest tenth of them. `None` where too few were seen.
fn warm_ns() -> Result<Option<u64>, OpenError> {
    let probe = Probe::new()?;
    (0..WRITES).for_each(|_| probe.write());
    probe.event.switch(false)?;
    let mut gaps: Vec<u64> = probe.times().windows(2).map(|w| w[1].saturating_sub(w[0])).collect();
    gaps.sort_unstable();
    Ok((gaps.len() >= 20).then(|| gaps[gaps.len() / 10]))
}

/// What the span between two watched writes is longer than the work between them, after a sleep, the middle one.
fn cold_ns() -> Result<Option<u64>, OpenError> {
    let probe = Probe::new()?;
    let mut more = Vec::new();
    for _ in 0..PAUSES {
        std::thread::sleep(ASLEEP);
        probe.write();
        let begun = now_ns();
        let mut ended = begun;
        while ended - begun < PAUSE_NS {
            ended = now_ns();
        }
        probe.write();
        if let [start, stop] = probe.times()[..] {
            more.push((stop - start).saturating_sub(ended - begun));
        }
    }
    more.sort_unstable();
    Ok((more.len() as u32 > PAUSES / 2).then(|| more[more.len() / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn between_warm_and_cold() {
        let traps = Traps { warm_ns: 9000, cold_ns: 14_000 };
        assert_eq!(
            [0, WARM_NS, COLD_NS, u64::MAX].map(|idle| traps.ends(idle)),
            [9000, 9000, 14_000, 14_000]
        );
    }

    proptest! {
        #[test]
        fn the_longer_ago_the_more(warm in 0u64..100_000, more in 0u64..100_000, a in 0u64..1 << 40, b in 0u64..1 << 40) {
            let traps = Traps { warm_ns: warm, cold_ns: warm + more };
            prop_assert!(traps.ends(a.min(b)) <= traps.ends(a.max(b)));
        }
    }
}
