//! Where nothing better is allowed: read the collector's flag again and again. Counts stay exact; a pause's
//! length is known to within the interval, and short ones are missed and counted as such.

use crate::{Coverage, Pause, PauseSource, Result, SourceKind, tracer::Counts, tracer::now_ns};
use m5_cpython::Interpreter;

/// Polls one interpreter, once for each call to `drain`.
pub(crate) struct PollSource {
    interpreter: Interpreter,
    pid: i32,
    counts: Counts,
    open: Option<u64>,
    last: [u64; 3],
}

impl PollSource {
    pub(crate) fn new(interpreter: Interpreter, pid: i32) -> Result<Self> {
        let state = interpreter.read()?;
        let last = state.generations.map(|g| g.collections);
        Ok(Self { counts: Counts::new(&state), interpreter, pid, open: None, last })
    }
}

impl PauseSource for PollSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Poll
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let state = self.interpreter.read()?;
        let now = now_ns();
        let collections = state.generations.map(|g| g.collections);
        match (self.open, state.collecting) {
            (None, true) => self.open = Some(now),
            (Some(start), false) => {
                let generation = (0..3).rev().find(|g| collections[*g] > self.last[*g]);
                if let Some(generation) = generation {
                    self.counts.seen[generation] += 1;
                }
                pauses.push(Pause {
                    start_ns: start,
                    duration_ns: now - start,
                    generation: generation.map(|g| g as u8),
                    pid: self.pid,
                    tid: None,
                    collected: None,
                });
                self.open = None;
            }
            _ => {}
        }
        if !state.collecting {
            self.last = collections;
        }
        self.counts.update(&state);
        Ok(())
    }

    fn coverage(&self) -> Coverage {
        self.counts.coverage(0)
    }
}
