//! The last `period` values, and when running sums are rebuilt from them.

use super::words::words;

/// After so many values (or 16 periods, if that is more) a running sum is built anew, so that rounding errors
/// cannot pile up in a process that runs for weeks. Exact sums come out the same.
const REBUILD: u64 = 4096;

/// The place behind `at` in a ring of `len`.
#[inline]
pub(super) fn next(at: usize, len: usize) -> usize {
    if at + 1 == len { 0 } else { at + 1 }
}

/// A ring of the last `period` values with the newest at `at`.
#[derive(Clone)]
pub(super) struct Tail {
    ring: Box<[f64]>,
    at: usize,
    pub(super) count: u64,
    next_rebuild: u64,
}

words!(Tail: ring, at, count, next_rebuild);

impl Tail {
    pub(super) fn new(period: usize) -> Self {
        let every = REBUILD.max(16 * period as u64);
        Self { ring: vec![0.0; period].into_boxed_slice(), at: period - 1, count: 0, next_rebuild: every }
    }

    pub(super) fn period(&self) -> usize {
        self.ring.len()
    }

    /// Makes room for the next value, which `set` then writes.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.at = next(self.at, self.ring.len());
        self.count += 1;
    }

    #[inline]
    pub(super) fn set(&mut self, value: f64) {
        self.ring[self.at] = value;
    }

    #[inline]
    pub(super) fn full(&self) -> bool {
        self.count >= self.ring.len() as u64
    }

    /// The oldest value of a full ring.
    #[inline]
    pub(super) fn oldest(&self) -> f64 {
        self.ring[next(self.at, self.ring.len())]
    }

    /// All but the oldest, oldest first: what stays in the window when the next value comes.
    pub(super) fn staying(&self) -> impl Iterator<Item = f64> {
        let n = self.ring.len();
        (2..=n).map(move |i| self.ring[(self.at + i) % n])
    }

    /// Whether it is time to rebuild running sums; call once for each value.
    #[inline]
    pub(super) fn rebuild_due(&mut self) -> bool {
        if self.count < self.next_rebuild {
            return false;
        }
        self.next_rebuild = self.count + REBUILD.max(16 * self.ring.len() as u64);
        true
    }
}

/// Where in the window a value is that has no number: the result is NaN as long as it is there.
#[derive(Clone, Copy, Default)]
pub(super) struct Hole {
    /// Number of the last such value before the newest, 0 for none.
    before: u64,
    newest: bool,
}

words!(Hole: before, newest);

impl Hole {
    /// The newest value becomes the one before; it was number `count`.
    #[inline]
    pub(super) fn advance(&mut self, count: u64) {
        if self.newest {
            (self.before, self.newest) = (count, false);
        }
    }

    /// Says whether the newest value, number `count`, has no number, and gives whether one in the window has none.
    #[inline]
    pub(super) fn mark(&mut self, newest: bool, count: u64, period: u64) -> bool {
        self.newest = newest;
        newest || (self.before > 0 && self.before + period > count)
    }
}
