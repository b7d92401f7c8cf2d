//! Objects of a free-threaded build that wait for the thread that owns them: another thread dropped the last reference,
//! and they are freed when the owner looks at its queue, which a thread that sleeps does not.

use crate::graph::model::{HeapGraph, RootKind};
use crate::graph::roots::QUEUE_OF;
use std::collections::BTreeMap;

/// Threads that are told of.
const TOLD: usize = 5;

/// A note for each thread that many wait for; `state` is the kernel's letter for what a thread does.
pub(crate) fn notes(graph: &HeapGraph, state: impl Fn(i32) -> Option<char>) -> Vec<String> {
    let mut waiting: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    for root in graph.roots.iter().filter(|r| r.kind == RootKind::Interpreter) {
        let thread = root.name.strip_prefix(QUEUE_OF).and_then(|rest| rest.trim().parse().ok());
        if let Some(thread) = thread {
            let (count, bytes) = waiting.entry(thread).or_default();
            *count += 1;
            *bytes += graph.size.get(root.object as usize).copied().unwrap_or(0);
        }
    }
    let mut most: Vec<(i32, (u64, u64))> = waiting.into_iter().collect();
    most.sort_by_key(|(_, counted)| std::cmp::Reverse(*counted));
    let note = |(thread, (count, bytes)): (i32, (u64, u64))| {
        let does = match state(thread) {
            Some('S') => ", which sleeps",
            Some('R') => ", which runs",
            Some('D') => ", which waits in the kernel",
            Some('T' | 't') => ", which is stopped",
            _ => "",
        };
        format!(
            "{count} objects ({bytes} bytes, without what they hold) wait for thread {thread}{does}: another thread \
             dropped the last reference to them, and their owner frees them when it next runs Python code"
        )
    };
    most.into_iter().take(TOLD).map(note).collect()
}
