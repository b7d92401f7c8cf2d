//! What traps add to a pause on this machine: watched writes of m5 to a word of its own, one right after the other,
//! after work on much memory, and after a sleep. A trap takes longer where its code has fallen out of the caches, and
//! longer still where the processor has slept.
#![allow(unsafe_code)]

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use m5_process::monotonic_ns as now_ns;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const WRITES: u32 = 200;
/// Pauses after work and after a sleep, how long each of these and each pause is, and the memory that the work is on.
const PAUSES: u32 = 9;
const BETWEEN: Duration = Duration::from_millis(10);
const PAUSE_NS: u64 = 30_000;
const FIELD: usize = 2 << 20;
/// Traps are warm when the one before is not longer ago, and cold when it is longer ago, nanoseconds.
const WARM_NS: u64 = 500_000;
const COLD_NS: u64 = 10_000_000;

/// What a trap adds to a pause that begins with it, by the time since the one before and what the target did in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traps {
    /// Where one follows the other, nanoseconds: the least of it.
    pub(crate) warm_ns: u64,
    /// After a long time at work: never less.
    pub(crate) worked_ns: u64,
    /// After a long sleep: never less than after work.
    pub(crate) slept_ns: u64,
}

impl Traps {
    /// Measures, which takes a fifth of a second, once in the life of m5.
    ///
    /// # Errors
    /// Where the kernel refuses to watch even m5 itself.
    pub(crate) fn measured() -> Result<Self, OpenError> {
        static MEASURED: OnceLock<Traps> = OnceLock::new();
        if let Some(traps) = MEASURED.get() {
            return Ok(*traps);
        }
        let warm_ns = warm_ns()?.unwrap_or(0);
        let mut field = vec![0u32; FIELD / size_of::<u32>()];
        let worked_ns = cold_ns(|| work(&mut field))?.unwrap_or(warm_ns).max(warm_ns);
        let slept_ns = cold_ns(|| std::thread::sleep(BETWEEN))?.unwrap_or(worked_ns).max(worked_ns);
        Ok(*MEASURED.get_or_init(|| Self { warm_ns, worked_ns, slept_ns }))
    }

    /// What they add to a target that rests for that share of its time, from 0 to 1.
    pub(crate) fn of(&self, rested: f64) -> Ends {
        let slept = (self.slept_ns - self.worked_ns) as f64 * rested;
        Ends { warm_ns: self.warm_ns, cold_ns: self.worked_ns + slept as u64 }
    }
}

/// What the two ends of a pause add to it, by the time since the trap before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// Where one follows the other, nanoseconds.
    pub(crate) warm_ns: u64,
    cold_ns: u64,
}

impl Ends {
    /// Where the trap before was so many nanoseconds ago.
    pub(crate) fn after(&self, idle_ns: u64) -> u64 {
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

/// Works all over the memory for a while.
fn work(field: &mut [u32]) {
    let (begun, mut at) = (now_ns(), field.len() / 2);
    while now_ns() - begun < BETWEEN.as_nanos() as u64 {
        for _ in 0..100 {
            at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) % field.len();
            field[at] = field[at].wrapping_add(1);
        }
    }
    std::hint::black_box(field);
}

/// What the span between two watched writes is longer than what lies between them, after so much else, the middle one.
fn cold_ns(mut before: impl FnMut()) -> Result<Option<u64>, OpenError> {
    let probe = Probe::new()?;
    let mut more = Vec::new();
    for _ in 0..PAUSES {
        before();
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
    fn between_warm_and_cold_at_work_and_asleep() {
        let traps = Traps { warm_ns: 9000, worked_ns: 11_000, slept_ns: 14_000 };
        let ends = |rested| [0, WARM_NS, COLD_NS, u64::MAX].map(|idle| traps.of(rested).after(idle));
        assert_eq!(ends(0.0), [9000, 9000, 11_000, 11_000]);
        assert_eq!(ends(1.0), [9000, 9000, 14_000, 14_000]);
        assert_eq!(ends(0.5), [9000, 9000, 12_500, 12_500]);
    }

    proptest! {
        #[test]
        fn the_longer_ago_and_the_more_asleep_the_more(
            warm in 0u64..100_000, worked in 0u64..100_000, slept in 0u64..100_000,
            a in 0u64..1 << 40, b in 0u64..1 << 40, r in 0.0f64..=1.0, s in 0.0f64..=1.0
        ) {
            let traps = Traps { warm_ns: warm, worked_ns: warm + worked, slept_ns: warm + worked + slept };
            prop_assert!(traps.of(r.min(s)).after(a.min(b)) <= traps.of(r.max(s)).after(a.max(b)));
        }
    }
}
