//! Beginnings that other threads wrote while a collection ran. Most were turned away. Where threads run at once (free-threaded
//! builds) the last one may have come right after the end and be told before it: a trap is dated when its processor gets to it,
//! and the processor of the thread that ended may have been taken away meanwhile. What the thread writes next tells which:
//! one that was turned away begins again, one that was let in ends.

/// The last attempt of each thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    /// Thread and time.
    of: Vec<(i32, u64)>,
    /// When the collection ended that ran meanwhile; 0 while it runs.
    ended: u64,
}

impl Attempts {
    /// A thread wrote the beginning of a collection while another one's ran.
    pub(crate) fn note(&mut self, tid: i32, time: u64) {
        self.of.retain(|(t, _)| *t != tid);
        self.of.push((tid, time));
    }

    /// The collection that ran has ended.
    pub(crate) fn ended(&mut self, time: u64) {
        self.ended = time;
    }

    /// The beginning of a collection that a thread is in, though it was told while another one ran: not before that
    /// one's end. Each is told once.
    pub(crate) fn let_in(&mut self, tid: i32) -> Option<u64> {
        let at = self.of.iter().position(|(t, _)| *t == tid)?;
        Some(self.of.swap_remove(at).1.max(self.ended))
    }

    /// All of them were turned away, or nothing is known of them any more.
    pub(crate) fn forget(&mut self) {
        self.of.clear();
    }
}
