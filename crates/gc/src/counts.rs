//! What the interpreters' own counters say beside what was seen, and the clock of both.

use crate::{Coverage, InterpreterCollections};

/// CLOCK_MONOTONIC, the clock of every pause.
pub(crate) fn now_ns() -> u64 {
    m5_process::monotonic_ns()
}

/// Seen against happened: the interpreter's counters at the start and now.
pub(crate) struct Counts {
    start: [u64; 3],
    now: [u64; 3],
    pub(crate) seen: [u64; 3],
}

impl Counts {
    pub(crate) fn from(start: [u64; 3]) -> Self {
        Self { start, now: start, seen: [0; 3] }
    }

    pub(crate) fn now(&self) -> [u64; 3] {
        self.now
    }

    pub(crate) fn set(&mut self, now: [u64; 3]) {
        self.now = now;
    }

    /// The collection that ran at the beginning has ended as these were counted; `rose` since the last reading before it.
    /// It was not ours, but what came with it is.
    pub(crate) fn begin(&mut self, now: [u64; 3], rose: [u64; 3]) {
        let alone = (0..3).filter(|g| rose[*g] > 0).count() == 1;
        self.start = [0, 1, 2].map(|g| now[g] - rose[g] + u64::from(alone && rose[g] > 0));
    }

    pub(crate) fn happened(&self) -> [u64; 3] {
        [0, 1, 2].map(|g| self.now[g].saturating_sub(self.start[g]))
    }

    pub(crate) fn add_to(&self, coverage: &mut Coverage) {
        for (g, of) in coverage.generations.iter_mut().enumerate() {
            of.seen += self.seen[g];
            of.happened += self.now[g].saturating_sub(self.start[g]);
        }
    }
}

/// A row for each interpreter that is there, and one for what those that have ended counted together.
pub(crate) fn by_interpreter(
    there: impl Iterator<Item = (i64, [u64; 3])>,
    ended: [u64; 3],
) -> Vec<InterpreterCollections> {
    let mut rows: Vec<InterpreterCollections> =
        there.map(|(id, happened)| InterpreterCollections { interpreter: Some(id), happened }).collect();
    rows.sort_by_key(|row| row.interpreter);
    if ended != [0; 3] {
        rows.push(InterpreterCollections { interpreter: None, happened: ended });
    }
    rows
}
