//! Rolling minimum and maximum: a queue of candidates, amortised O(1).
//!
//! The newest value stays outside the queue until the next one comes, so that it can be replaced.

use super::tail::Hole;
use super::words::words;
use super::{NONE, Output, one};

/// Rolling minimum of `sign * x`, given back times `sign`: -1 makes it a maximum.
#[derive(Clone)]
pub(super) struct Extreme {
    period: u64,
    sign: f64,
    /// Ring of (position, value), ascending values from `head` on.
    queue: Box<[(u64, f64)]>,
    head: usize,
    len: usize,
    /// Values in the queue or dropped from it; the newest is number `count`.
    count: u64,
    newest: f64,
    hole: Hole,
}

words!(Extreme: queue, head, len, count, newest, hole);

impl Extreme {
    pub(super) fn new(period: usize, sign: f64) -> Self {
        let queue = vec![(0, 0.0); period].into_boxed_slice();
        Self {
            period: period as u64,
            sign,
            queue,
            head: 0,
            len: 0,
            count: 0,
            newest: 0.0,
            hole: Hole::default(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, x: f64) -> Output {
        self.settle();
        self.count += 1;
        // What is older than the window leaves; the newest itself is one of its values.
        while self.len > 0 && self.queue[self.head].0 + self.period <= self.count {
            self.head = self.wrap(self.head + 1);
            self.len -= 1;
        }
        self.replace(x)
    }

    #[inline]
    pub(super) fn replace(&mut self, x: f64) -> Output {
        self.newest = x * self.sign;
        let hole = self.hole.mark(x.is_nan(), self.count, self.period);
        if self.count < self.period || hole {
            return NONE;
        }
        let best = if self.len > 0 { self.queue[self.head].1.min(self.newest) } else { self.newest };
        one(best * self.sign)
    }

    #[inline]
    fn wrap(&self, i: usize) -> usize {
        if i >= self.queue.len() { i - self.queue.len() } else { i }
    }

    /// Takes the newest value into the queue.
    #[inline]
    fn settle(&mut self) {
        self.hole.advance(self.count);
        if self.newest.is_nan() || self.count == 0 {
            return;
        }
        while self.len > 0 && self.queue[self.wrap(self.head + self.len - 1)].1 >= self.newest {
            self.len -= 1;
        }
        if self.len < self.queue.len() {
            let at = self.wrap(self.head + self.len);
            self.queue[at] = (self.count, self.newest);
            self.len += 1;
        }
    }
}
