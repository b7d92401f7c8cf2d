//! The turns of many processes at once, counted and nothing more: what runs for days can bear that.

use super::lengths::Lengths;
use super::tap::Tap;
use crate::Result;
use rustc_hash::FxHashMap;

/// The turns of a process's loops since it is watched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turns {
    /// How long they were, in all threads that count.
    pub lengths: Lengths,
    /// The share of the time in which turns that began were seen.
    pub coverage: f64,
    /// What watching took of the process's time, as a share.
    pub overhead: f64,
}

#[derive(Debug, Default)]
struct Counted {
    sum: Lengths,
    by_thread: FxHashMap<i32, Lengths>,
}

/// Counts turns by their length.
#[derive(Debug)]
pub struct LoopCounter {
    tap: Tap,
    counted: FxHashMap<i32, Counted>,
}

impl LoopCounter {
    /// Watches nobody yet.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`], or what the kernel refused.
    pub fn new() -> Result<Self> {
        Ok(Self { tap: Tap::new(None, false)?, counted: FxHashMap::default() })
    }

    /// Begins to count those of a process, within a share of its time (of one processor).
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn add(&mut self, pid: i32, max_overhead: f64) -> Result<()> {
        self.tap.add(pid, max_overhead)?;
        self.counted.insert(pid, Counted::default());
        Ok(())
    }

    /// Counts those of a process no more.
    pub fn forget(&mut self, pid: i32) {
        if self.counted.remove(&pid).is_some() {
            self.tap.forget(pid);
        }
    }

    /// Keeps to the budgets: to be called several times a second.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn step(&mut self) -> Result<()> {
        self.tap.step()
    }

    /// What was counted of those threads of a process that count; `None` of one that is not watched. Counts never fall.
    pub fn turns(&mut self, pid: i32, counts: impl Fn(i32) -> bool) -> Option<Turns> {
        let counted = self.counted.get_mut(&pid)?;
        for (tid, now) in self.tap.lengths_of(pid).into_iter().filter(|(tid, _)| counts(*tid)) {
            counted.sum.add_since(&now, counted.by_thread.get(&tid));
            counted.by_thread.insert(tid, now);
        }
        let (coverage, overhead) = self.tap.share(pid)?;
        Some(Turns { lengths: counted.sum.clone(), coverage, overhead })
    }
}
