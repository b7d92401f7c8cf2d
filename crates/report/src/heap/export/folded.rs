//! Folded stacks, for flame graphs: `engine;engine.FEED;engine.FEED.history 6272`.

use crate::heap::export::stacks::{Frame, stacks};
use m5_heap::Summary;

/// A line per chain of holders with the bytes that are the last one's own.
#[must_use]
pub fn folded(summary: &Summary) -> String {
    let mut out = String::new();
    for stack in stacks(summary).iter().filter(|s| s.bytes > 0) {
        let frames: Vec<String> = stack.frames.iter().map(frame).collect();
        out.push_str(&format!("{} {}\n", frames.join(";"), stack.bytes));
    }
    out
}

fn frame(frame: &Frame) -> String {
    let name = frame.name.replace([';', '\n', '\r'], ",");
    if frame.objects > 1 { format!("{name} ×{}", frame.objects) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::testing::sample;

    #[test]
    fn every_byte_once() {
        let doc = sample();
        let summary = doc.heap.unwrap();
        let text = folded(&summary);
        let sum: u64 = text.lines().map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
        assert_eq!(sum, summary.bytes);
        assert!(
            text.contains(
                "engine (module);engine.FEED (engine.Feed);engine.FEED.history (list);engine.Tick ×200 "
            ),
            "{text}"
        );
    }
}
