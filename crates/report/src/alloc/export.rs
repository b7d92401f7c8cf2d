//! Stacks of allocations for other tools: folded, pprof, speedscope, and a page with a flame graph.

use super::doc::AllocDoc;
use crate::Lang;
use crate::shared::pprof::{Builder, Place};
use m5_cpython::PyFrame;
use m5_kernel::{AllocSource, AllocStack};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;

/// The page; everything is embedded, nothing is fetched.
const PAGE: &str = include_str!("flame.html");

/// Folded stacks, outermost first, with the bytes that the samples asked for, or the new objects that they stand for.
#[must_use]
pub fn folded(doc: &AllocDoc) -> String {
    let mut out = String::new();
    for stack in &doc.profile.stacks {
        let frames: Vec<String> = stack.frames.iter().rev().map(frame).collect();
        let stack_name = if frames.is_empty() { "?".to_owned() } else { frames.join(";") };
        out.push_str(&format!("{stack_name} {}\n", stack.weight()));
    }
    out
}

/// What a stack's weight counts.
fn unit(doc: &AllocDoc) -> &'static str {
    match doc.profile.source {
        AllocSource::Kernel => "bytes",
        AllocSource::Collections => "objects",
    }
}

fn title(doc: &AllocDoc) -> String {
    let what = match doc.profile.source {
        AllocSource::Kernel => "a sample, not every allocation",
        AllocSource::Collections => "stacks at the starts of young collections",
    };
    format!("m5 alloc of PID {}: {what}", doc.pid)
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
    let bytes = doc.profile.source == AllocSource::Kernel;
    let kinds = if bytes { ["alloc_objects", "alloc_space"] } else { ["collections", "net_tracked_objects"] };
    let mut profile = Builder::new(&[(kinds[0], "count"), (kinds[1], unit(doc))]);
    for stack in &doc.profile.stacks {
        let place = |f: &'_ PyFrame| (f.function.clone(), f.file.clone(), f.line.unwrap_or(0));
        let frames: Vec<_> = stack.frames.iter().map(place).collect();
        let places = frames.iter().map(|(function, file, line)| Place { function, file, line: *line });
        profile.sample(places, &[stack.samples, stack.weight()]);
    }
    let nanos = |seconds: f64| (seconds.max(0.0) * 1e9) as i64;
    profile.describe(nanos(doc.taken_at), nanos(doc.profile.seconds), &title(doc));
    profile.finish()
}

/// A profile for speedscope: a stack weighs the bytes that its samples asked for.
#[must_use]
pub fn speedscope(doc: &AllocDoc) -> Value {
    let (mut numbers, mut frames) = (HashMap::new(), Vec::new());
    let mut samples: Vec<Vec<usize>> = Vec::new();
    for stack in &doc.profile.stacks {
        let number = |f: &PyFrame| {
            *numbers.entry(f.clone()).or_insert_with(|| {
                frames.push(json!({"name": f.function, "file": f.file, "line": f.line}));
                frames.len() - 1
            })
        };
        samples.push(stack.frames.iter().rev().map(number).collect());
    }
    let weights: Vec<u64> = doc.profile.stacks.iter().map(AllocStack::weight).collect();
    json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "m5",
        "name": title(doc),
        "shared": {"frames": frames},
        "profiles": [{"type": "sampled", "name": unit(doc), "unit": if unit(doc) == "bytes" { "bytes" } else { "none" }, "startValue": 0,
            "endValue": weights.iter().sum::<u64>(), "samples": samples, "weights": weights}],
    })
}

/// A page for a browser with a flame graph of the bytes that were asked for, in a language that its button changes.
///
/// # Errors
/// Never: the document's keys are strings.
pub fn html(doc: &AllocDoc, lang: Lang) -> serde_json::Result<String> {
    let stack = |s: &AllocStack| json!({"weight": s.weight(), "samples": s.samples, "frames": s.frames.iter().rev().map(frame).collect::<Vec<_>>()});
    let stacks: Vec<Value> = doc.profile.stacks.iter().map(stack).collect();
    let data =
        serde_json::to_string(&json!({"lang": lang.code(), "pid": doc.pid, "seconds": doc.profile.seconds,
        "samples": doc.profile.samples, "unit": unit(doc), "stacks": stacks}))?;
    // `</script>` inside the data would end the element; JSON may spell `<` otherwise.
    Ok(PAGE.replace("{{data}}", &data.replace('<', "\\u003c")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_kernel::AllocProfile;

    fn doc() -> AllocDoc {
        let frame = |function: &str, line| PyFrame { function: function.into(), file: "a.py".into(), line };
        let stack =
            |frames, samples, bytes| AllocStack { frames, samples, bytes: Some(bytes), net_objects: None };
        let stacks = vec![
            stack(vec![frame("inner</script>", Some(3)), frame("outer", Some(9))], 2, 96),
            stack(vec![frame("outer", Some(9))], 1, 32),
        ];
        let profile = AllocProfile { samples: 3, bytes: Some(128), stacks, ..AllocProfile::default() };
        AllocDoc { schema: String::new(), pid: 7, taken_at: 0.0, re_executed_seconds: None, profile }
    }

    #[test]
    fn speedscope_has_each_frame_once_outermost_first() {
        let profile = speedscope(&doc());
        assert_eq!(profile["shared"]["frames"].as_array().map(Vec::len), Some(2));
        assert_eq!(profile["profiles"][0]["samples"], json!([[0, 1], [0]]));
        assert_eq!(profile["profiles"][0]["weights"], json!([96, 32]));
        assert_eq!(profile["profiles"][0]["endValue"], 128);
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let page = html(&doc(), Lang::Zh).unwrap_or_default();
        assert!(page.contains("inner\\u003c/script>") && page.matches("</script>").count() == 1);
        assert!(page.contains("\"lang\":\"zh\""));
    }
}
