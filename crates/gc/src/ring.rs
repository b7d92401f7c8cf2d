//! The interpreter's own records (3.15+): read the block before it wraps, and count what wrapped.

use crate::{Coverage, Pause, PauseSource, Result, SourceKind, tracer::Counts};
use m5_cpython::Interpreter;

/// Reads the rings of one interpreter.
pub(crate) struct RingSource {
    interpreter: Interpreter,
    pid: i32,
    counts: Counts,
    last: [u64; 3],
    lost: u64,
}

impl RingSource {
    pub(crate) fn new(interpreter: Interpreter, pid: i32) -> Result<Self> {
        let state = interpreter.read()?;
        let last = state.generations.map(|g| g.collections);
        Ok(Self { counts: Counts::new(&state), interpreter, pid, last, lost: 0 })
    }
}

impl PauseSource for RingSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Ring
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        let from = pauses.len();
        let Some(rings) = self.interpreter.rings()? else { return Ok(()) };
        for (generation, mut ring) in rings.into_iter().enumerate() {
            ring.retain(|r| r.collections > self.last[generation] && r.stop_ns >= r.start_ns);
            ring.sort_unstable_by_key(|r| r.collections);
            for item in ring {
                self.lost += item.collections - self.last[generation] - 1;
                self.last[generation] = item.collections;
                self.counts.seen[generation] += 1;
                pauses.push(Pause {
                    start_ns: item.start_ns,
                    duration_ns: item.stop_ns - item.start_ns,
                    generation: Some(generation as u8),
                    pid: self.pid,
                    tid: None,
                    collected: None,
                });
            }
        }
        pauses[from..].sort_unstable_by_key(|p| p.start_ns);
        self.counts.update(&self.interpreter.read()?);
        Ok(())
    }

    fn coverage(&self) -> Coverage {
        self.counts.coverage(self.lost)
    }
}
