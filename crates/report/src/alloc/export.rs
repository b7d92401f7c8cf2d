//! Stacks of allocations for other tools: folded, and pprof.

use super::doc::AllocDoc;
use crate::shared::pprof::{Builder, Place};
use m5_cpython::PyFrame;
use std::io;

/// Folded stacks, outermost first, with the bytes that the samples asked for.
#[must_use]
pub fn folded(doc: &AllocDoc) -> String {
    let mut out = String::new();
    for stack in &doc.profile.stacks {
        let frames: Vec<String> = stack.frames.iter().rev().map(frame).collect();
        let stack_name = if frames.is_empty() { "?".to_owned() } else { frames.join(";") };
        out.push_str(&format!("{stack_name} {}\n", stack.bytes));
    }
    out
}

fn frame(frame: &PyFrame) -> String {
    let line = frame.line.map(|l| format!(":{l}")).unwrap_or_default();
    format!("{} ({}{line})", frame.function, frame.file).replace([';', '\n', '\r'], ",")
}

/// A pprof profile, gzipped: sampled allocations and the bytes that they asked for.
///
/// # Errors
/// Never but where memory cannot be had.
pub fn pprof(doc: &AllocDoc) -> io::Result<Vec<u8>> {
    let mut profile = Builder::new(&[("alloc_objects", "count"), ("alloc_space", "bytes")]);
    for stack in &doc.profile.stacks {
        let place = |f: &'_ PyFrame| (f.function.clone(), f.file.clone(), f.line.unwrap_or(0));
        let frames: Vec<_> = stack.frames.iter().map(place).collect();
        let places = frames.iter().map(|(function, file, line)| Place { function, file, line: *line });
        profile.sample(places, &[stack.samples, stack.bytes]);
    }
    let nanos = |seconds: f64| (seconds.max(0.0) * 1e9) as i64;
    profile.describe(
        nanos(doc.taken_at),
        nanos(doc.profile.seconds),
        &format!("m5 alloc of PID {}: a sample, not every allocation", doc.pid),
    );
    profile.finish()
}
