//! Beginnings that threads wrote while another thread's collection ran, or seemed to. Most were turned away. Where threads run at
//! once (free-threaded builds) two may be told in the wrong order: a trap is dated when its processor gets to it, and the
//! processor of the other thread may have been taken away meanwhile. So one that was let in may be told before the end that it
//! followed, and one that was turned away before the beginning that turned it away. What the threads write next tells which: one
//! that was turned away begins again, one that was let in ends.

use super::world::World;

/// A collection from its beginning on, as far as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// `None` where its beginning was not seen.
    pub(crate) start: Option<u64>,
    pub(crate) tid: i32,
    /// The last counter that rose in it.
    pub(crate) label: Option<u8>,
    /// Watched writes of its thread in it.
    pub(crate) inside: u32,
    pub(crate) world: World,
    /// Told while another one ran: it began at that one's end, if not then.
    early: bool,
    /// Where its beginning was not seen.
    pub(crate) found: Option<Found>,
}

/// A collection that was found running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// When.
    pub(crate) at: u64,
    /// When it began, and how exactly that is known.
    pub(crate) start: u64,
    pub(crate) slack: u64,
    /// When none ran any more: it had ended by then.
    pub(crate) over: Option<u64>,
}

impl Run {
    /// One that begins.
    pub(crate) fn of(start: Option<u64>, tid: i32) -> Self {
        Self { start, tid, label: None, inside: 0, world: World::default(), early: false, found: None }
    }

    /// One that was found running; any thread may end it.
    pub(crate) fn found(at: u64, start: u64, slack: u64) -> Self {
        Self { found: Some(Found { at, start, slack, over: None }), ..Self::of(None, 0) }
    }

    /// Whether it is known not to be the one that a write of that time belongs to.
    pub(crate) fn is_other(&self, time: u64) -> bool {
        self.found.is_some_and(|f| time <= f.at || f.over.is_some_and(|over| time > over))
    }

    /// When it began, and how exactly that is known.
    pub(crate) fn began(&self) -> Option<(u64, u64)> {
        self.start.map(|start| (start, 0)).or(self.found.map(|f| (f.start, f.slack)))
    }
}

/// The last attempt of each thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    of: Vec<Run>,
    /// When the last collection ended.
    ended: u64,
}

impl Attempts {
    /// A thread wrote the beginning of a collection while another one's ran.
    pub(crate) fn note(&mut self, tid: i32, time: u64) {
        self.keep(Run { early: true, ..Run::of(Some(time), tid) });
    }

    /// One that seemed to run, and another one does: it was turned away, or its end is told late.
    pub(crate) fn keep(&mut self, run: Run) {
        self.of.retain(|r| r.tid != run.tid);
        self.of.push(run);
    }

    /// A collection has ended.
    pub(crate) fn ended(&mut self, time: u64) {
        self.ended = time;
    }

    /// The attempt of a thread.
    pub(crate) fn find(&mut self, tid: i32) -> Option<&mut Run> {
        self.of.iter_mut().find(|r| r.tid == tid)
    }

    /// The collection that a thread is in, though it was told while another one ran. Each is told once.
    pub(crate) fn let_in(&mut self, tid: i32) -> Option<Run> {
        let at = self.of.iter().position(|r| r.tid == tid)?;
        let run = self.of.swap_remove(at);
        let start = if run.early { run.start.max(Some(self.ended)) } else { run.start };
        Some(Run { start, ..run })
    }

    /// All of them were turned away, or nothing is known of them any more.
    pub(crate) fn forget(&mut self) {
        self.of.clear();
    }
}
