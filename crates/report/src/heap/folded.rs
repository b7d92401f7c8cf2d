//! Folded stacks, for flame graphs: `engine;engine.FEED;engine.FEED.history 6272`.

use super::stacks::stacks;
use m5_heap::Summary;

/// A line per chain of holders with the bytes that are the last one's own.
#[must_use]
pub fn folded(summary: &Summary) -> String {
    let mut out = String::new();
    for stack in stacks(summary) {
        let frames: Vec<String> = stack.frames.iter().map(|f| f.replace([';', '\n', '\r'], ",")).collect();
        out.push_str(&format!("{} {}\n", frames.join(";"), stack.bytes));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::*;

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
