//! The longest pauses above a limit, and what each was doing: who collected, from which line, over how much.

use m5_cpython::PyFrame;
use m5_gc::{Detail, Pause};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Pauses above a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LongPauses {
    /// Only those that were at least so long.
    pub limit_seconds: f64,
    /// How many of them were seen.
    pub count: u64,
    /// The longest of them, the longest first.
    pub longest: Vec<LongPause>,
    /// Why the kernel does not tell the stack at the start of each: stacks are read while a collection lasts, which misses short
    /// ones. Absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacks_read: Option<String>,
}

/// One of them. What the source cannot tell is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LongPause {
    /// Start, seconds since the recording began.
    pub start_seconds: f64,
    /// Length.
    pub duration_seconds: f64,
    /// The length is known to within this much; absent where it is exact.
    pub uncertainty_seconds: Option<f64>,
    /// Generation.
    pub generation: Option<u8>,
    /// The process that collected.
    pub pid: i32,
    /// The thread that collected.
    pub tid: Option<i32>,
    /// Objects freed.
    pub collected: Option<u64>,
    /// Objects that it looked at.
    pub candidates: Option<u64>,
    /// Objects alive right after it.
    pub live_objects: Option<u64>,
    /// Objects that survived the last full collection, read once a full one was seen to have ended; only where
    /// the process has one interpreter.
    pub long_lived_objects: Option<u64>,
    /// Until all other threads stood, of a build without the GIL, and while they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_seconds: Option<f64>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_seconds: Option<f64>,
    /// The Python stack of the collecting thread, innermost first, read while it collected; empty where none
    /// was caught.
    pub stack: Vec<PyFrame>,
    /// The stack is that of its very start, told by the kernel.
    #[serde(default)]
    pub stack_at_start: bool,
}

impl LongPauses {
    /// Single pauses that a document keeps at most.
    pub const MOST: usize = 100;

    /// None so far.
    #[must_use]
    pub fn above(limit: Duration) -> Self {
        Self { limit_seconds: limit.as_secs_f64(), count: 0, longest: Vec::new(), stacks_read: None }
    }

    /// Whether a pause belongs here.
    #[must_use]
    pub fn holds(&self, pause: &Pause) -> bool {
        pause.duration_ns as f64 / 1e9 >= self.limit_seconds
    }

    /// Adds a pause, if it is long enough; `origin_ns` is when the recording began.
    pub fn push(&mut self, pause: &Pause, detail: Option<&Detail>, long_lived: Option<u64>, origin_ns: u64) {
        if !self.holds(pause) {
            return;
        }
        self.count += 1;
        let duration_seconds = pause.duration_ns as f64 / 1e9;
        let at = self.longest.partition_point(|p| p.duration_seconds >= duration_seconds);
        if at >= Self::MOST {
            return;
        }
        let world = detail.and_then(|d| d.world);
        let long = LongPause {
            start_seconds: (pause.start_ns as f64 - origin_ns as f64) / 1e9,
            duration_seconds,
            uncertainty_seconds: detail.and_then(|d| d.uncertainty_ns).map(|ns| ns as f64 / 1e9),
            generation: pause.generation,
            pid: pause.pid,
            tid: pause.tid,
            collected: pause.collected,
            candidates: detail.and_then(|d| d.candidates),
            live_objects: detail.and_then(|d| d.live_objects),
            long_lived_objects: long_lived,
            waited_seconds: world.and_then(|w| w.waited_ns).map(|ns| ns as f64 / 1e9),
            stood_seconds: world.map(|w| w.stood_ns as f64 / 1e9),
            stack: detail.map(|d| d.stack.clone()).unwrap_or_default(),
            stack_at_start: detail.is_some_and(|d| d.at_start),
        };
        self.longest.insert(at, long);
        self.longest.truncate(Self::MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(duration_ns: u64) -> Pause {
        Pause {
            start_ns: 5_000_000_000,
            duration_ns,
            generation: Some(2),
            pid: 1,
            interpreter: 0,
            tid: None,
            ..Pause::default()
        }
    }

    #[test]
    fn the_longest_are_kept_and_all_are_counted() {
        let mut long = LongPauses::above(Duration::from_nanos(100));
        for i in 0..1000 {
            long.push(&pause(i * 7919 % 1000), None, None, 0);
        }
        assert_eq!(long.count, 900);
        let lengths: Vec<u64> =
            long.longest.iter().map(|p| (p.duration_seconds * 1e9).round() as u64).collect();
        assert_eq!(lengths, (900..1000).rev().collect::<Vec<u64>>());
    }

    #[test]
    fn what_is_known_of_a_pause_goes_with_it() {
        let mut long = LongPauses::above(Duration::ZERO);
        let frame = PyFrame { function: "f".into(), file: "x.py".into(), line: Some(3) };
        let detail = Detail {
            candidates: Some(7),
            uncertainty_ns: Some(500),
            stack: vec![frame.clone()],
            ..Detail::default()
        };
        long.push(&pause(1000), Some(&detail), Some(9), 4_000_000_000);
        let kept = &long.longest[0];
        assert_eq!((kept.start_seconds, kept.candidates, kept.live_objects), (1.0, Some(7), None));
        assert_eq!((kept.uncertainty_seconds, kept.long_lived_objects), (Some(5e-7), Some(9)));
        assert_eq!(kept.stack, [frame]);
    }
}
