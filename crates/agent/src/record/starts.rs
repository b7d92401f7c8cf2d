//! The stack at the very start of each collection, as the kernel tells it, beside the pauses of a trace.

use m5_gc::{Detail, Pause};
use m5_kernel::{CollectionStarts, CollectorEvent, Result};
use m5_process::Process;

/// The kernel's programs and the trace see the same write, one after the other: within this, nanoseconds.
const APART_NS: u64 = 200_000;
/// Beginnings whose pauses have not ended that are kept at most.
const MOST: usize = 10_000;

/// Beginnings of collections whose pauses have not ended yet.
pub(super) struct Starts {
    watch: CollectionStarts,
    began: Vec<CollectorEvent>,
}

impl Starts {
    /// Begins to watch, within a share of the process's time.
    pub(super) fn attach(process: &Process, max_overhead: f64) -> Result<Self> {
        Ok(Self { watch: CollectionStarts::attach(process, max_overhead)?, began: Vec::new() })
    }

    /// Adds to the details of these pauses the stack at which each began, in place of one that was read later.
    pub(super) fn tell(&mut self, pauses: &[Pause], details: &mut Vec<Detail>) {
        // What the kernel refuses now, stacks that are read while a collection lasts stand in for.
        self.began.extend(self.watch.drain().unwrap_or_default());
        for pause in pauses {
            let Some(at) = nearest(&self.began, pause) else { continue };
            let stack = self.began.remove(at).stack;
            if stack.is_empty() {
                continue;
            }
            let same = |d: &&mut Detail| (d.pid, d.start_ns) == (pause.pid, pause.start_ns);
            match details.iter_mut().find(same) {
                Some(known) => (known.stack, known.at_start) = (stack, true),
                None => {
                    let (pid, start_ns) = (pause.pid, pause.start_ns);
                    details.push(Detail { pid, start_ns, stack, at_start: true, ..Detail::default() });
                }
            }
        }
        // An interpreter collects once at a time: what began before a pause that has ended has had its own.
        let newest = |b: &CollectorEvent| {
            let own = pauses.iter().filter(|p| p.interpreter == b.interpreter);
            own.map(|p| p.start_ns).max().unwrap_or(0)
        };
        self.began.retain(|b| b.start_ns + APART_NS >= newest(b));
        let extra = self.began.len().saturating_sub(MOST);
        self.began.drain(..extra);
    }
}

/// The beginning that is a pause's: the one nearest to its start.
fn nearest(began: &[CollectorEvent], pause: &Pause) -> Option<usize> {
    let apart = |b: &CollectorEvent| b.start_ns.abs_diff(pause.start_ns);
    let own = |b: &CollectorEvent| b.interpreter == pause.interpreter && apart(b) <= APART_NS;
    let own = began.iter().enumerate().filter(|(_, b)| own(b));
    own.min_by_key(|(_, b)| apart(b)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(interpreter: i64, start_ns: u64) -> CollectorEvent {
        CollectorEvent { interpreter, tid: 1, start_ns, stack: Vec::new(), cut: false }
    }

    #[test]
    fn a_beginning_goes_with_the_pause_that_starts_there() {
        let pause = |interpreter, start_ns| Pause {
            start_ns,
            duration_ns: 1_000_000,
            generation: None,
            pid: 1,
            interpreter,
            tid: None,
            ..Pause::default()
        };
        let all = [began(0, 1_000_000), began(1, 1_040_000), began(0, 1_100_000)];
        assert_eq!(nearest(&all, &pause(0, 1_030_000)), Some(0));
        assert_eq!(nearest(&all, &pause(0, 1_090_000)), Some(2));
        assert_eq!(nearest(&all, &pause(1, 1_090_000)), Some(1));
        assert_eq!(nearest(&all, &pause(0, 2_000_000)), None);
    }
}
