//! Objects of a free-threaded build that wait for the thread that owns them: another thread dropped the last reference,
//! and they are freed when the owner looks at its queue, which a thread that sleeps does not.

use crate::graph::model::{HeapGraph, RootKind};
use crate::graph::roots::QUEUE_OF;
use crate::take::snapshot::{OwnerState, QueuedFor};
use std::collections::BTreeMap;

/// Threads that are told of.
const TOLD: usize = 5;

/// The threads that many wait for; `state` is the kernel's letter for what a thread does.
pub(crate) fn queued(graph: &HeapGraph, state: impl Fn(i32) -> Option<char>) -> Vec<QueuedFor> {
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
    let told = |(thread, (objects, bytes))| {
        let state = match state(thread) {
            Some('S') => Some(OwnerState::Sleeps),
            Some('R') => Some(OwnerState::Runs),
            Some('D') => Some(OwnerState::WaitsInKernel),
            Some('T' | 't') => Some(OwnerState::Stopped),
            _ => None,
        };
        QueuedFor { thread, state, objects, bytes }
    };
    most.into_iter().take(TOLD).map(told).collect()
}
