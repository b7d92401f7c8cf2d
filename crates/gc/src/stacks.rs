//! What long pauses were doing: the stack of the collecting thread, read while it stands in the collector.

use crate::{Detail, Pause};
use m5_cpython::{GcState, Interpreter, PyFrame};
use m5_process::monotonic_ns as now_ns;
use std::time::Duration;

/// The shortest time between two looks.
const FASTEST: Duration = Duration::from_millis(1);

/// Stacks read during pauses that had not ended yet.
#[derive(Debug)]
pub(crate) struct Stacks {
    limit_ns: u64,
    caught: Vec<CaughtStack>,
}

/// One stack and the time that its reading took, which a collection outlasted.
#[derive(Debug)]
pub(crate) struct CaughtStack {
    pid: i32,
    interpreter: i64,
    from_ns: u64,
    at_ns: u64,
    stack: Vec<PyFrame>,
}

impl CaughtStack {
    /// Reads a stack; nothing where the collection that ran had ended by then: what runs afterwards is not what collected.
    pub(crate) fn during(
        pid: i32,
        interpreter: &Interpreter,
        read: impl FnOnce() -> Vec<PyFrame>,
    ) -> Option<Self> {
        let state = || interpreter.read().ok().filter(|s| s.collecting);
        let counts = |state: GcState| state.generations.map(|g| g.collections);
        let (from_ns, before) = (now_ns(), counts(state()?));
        let stack = read();
        let same = counts(state()?) == before;
        let (interpreter, at_ns) = (interpreter.id(), now_ns());
        (same && !stack.is_empty()).then_some(Self { pid, interpreter, from_ns, at_ns, stack })
    }
}

impl Stacks {
    pub(crate) fn above(limit: Duration) -> Self {
        Self { limit_ns: limit.as_nanos() as u64, caught: Vec::new() }
    }

    /// How often to look, so that no pause above the limit goes unseen for more than half of it.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_nanos(self.limit_ns / 2).max(FASTEST)
    }

    /// Whether a collection that has run since `start` is long enough to look at, and was not yet.
    pub(crate) fn wants(&self, pid: i32, start: u64, now: u64) -> bool {
        !self.has_since(pid, start) && now.saturating_sub(start) >= self.limit_ns / 2
    }

    /// Whether a stack was read since then.
    pub(crate) fn has_since(&self, pid: i32, start: u64) -> bool {
        self.caught.iter().any(|t| t.pid == pid && t.at_ns >= start)
    }

    /// Keeps a stack until its pause has ended.
    pub(crate) fn keep(&mut self, stack: CaughtStack) {
        self.caught.push(stack);
    }

    /// The details of those pauses that were above the limit and looked at; `slack_ns` is what was taken off
    /// their length.
    pub(crate) fn details(&mut self, pauses: &[Pause], slack_ns: u64) -> Vec<Detail> {
        let mut details = Vec::new();
        for pause in pauses {
            let end = pause.start_ns + pause.duration_ns + slack_ns;
            let its = |t: &CaughtStack| (t.pid, t.interpreter) == (pause.pid, pause.interpreter);
            let during = |t: &CaughtStack| its(t) && t.from_ns >= pause.start_ns && t.at_ns <= end;
            let Some(at) = self.caught.iter().position(during) else { continue };
            let stack = self.caught.swap_remove(at).stack;
            if pause.duration_ns >= self.limit_ns {
                details.push(Detail { pid: pause.pid, start_ns: pause.start_ns, stack, ..Detail::default() });
            }
        }
        // What belongs to no pause that was seen is not kept for ever.
        if let Some(newest) = pauses.last() {
            self.caught.retain(|t| t.at_ns >= newest.start_ns);
        }
        details
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(from_ns: u64, at_ns: u64, line: Option<u32>) -> CaughtStack {
        let stack = vec![PyFrame { function: "f".into(), file: "x.py".into(), line }];
        CaughtStack { pid: 1, interpreter: 0, from_ns, at_ns, stack }
    }

    fn pause(start_ns: u64, duration_ns: u64) -> Pause {
        Pause { start_ns, duration_ns, pid: 1, ..Pause::default() }
    }

    #[test]
    fn a_stack_goes_with_the_pause_around_it() {
        let mut stacks = Stacks::above(Duration::from_nanos(100));
        assert!(!stacks.wants(1, 1000, 1049) && stacks.wants(1, 1000, 1050));
        stacks.keep(caught(1050, 1060, Some(3)));
        assert!(!stacks.wants(1, 1000, 1090), "once is enough");
        let details = stacks.details(&[pause(10, 200), pause(1000, 150)], 0);
        assert_eq!(details.len(), 1);
        assert_eq!((details[0].start_ns, details[0].stack[0].line), (1000, Some(3)));
    }

    #[test]
    fn shorter_than_the_limit_is_not_told() {
        let mut stacks = Stacks::above(Duration::from_nanos(100));
        stacks.keep(caught(1060, 1070, None));
        assert_eq!(stacks.details(&[pause(1000, 90)], 0), []);
    }

    #[test]
    fn one_that_was_read_over_an_end_belongs_to_no_pause() {
        let mut stacks = Stacks::above(Duration::from_nanos(100));
        stacks.keep(caught(1140, 1170, None));
        assert_eq!(stacks.details(&[pause(1000, 150), pause(1160, 300)], 0), []);
    }
}
