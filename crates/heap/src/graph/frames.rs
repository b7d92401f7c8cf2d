//! The frames on a thread's stack and what they are called.

use crate::graph::edges::{Visit, Walker};
use crate::names::text;
use m5_cpython::current_line;
use m5_cpython::layout::objects::Frames;
use rustc_hash::FxHashSet;

/// Deeper recursion than any stack holds: that of Python code is bounded by memory alone (3.11 on).
const DEEPEST: usize = 1 << 24;

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    at: u64,
    code: u64,
}

/// The frames of a thread, innermost first.
pub(crate) fn stack(walker: &Walker<'_>, thread: u64) -> Vec<Frame> {
    let image = walker.image;
    let field = |at: u64, offset: u16| image.word(at.wrapping_add(u64::from(offset))).unwrap_or(0);
    let mut frames = Vec::new();
    let mut seen = FxHashSet::default();
    let mut at = match walker.anchor.layout.frames {
        Frames::Objects { current, .. } => field(thread, current),
        Frames::Interpreter(f) => match f.through {
            Some(inner) => field(field(thread, f.current), inner),
            None => field(thread, f.current),
        },
    };
    // A frame that comes twice ends the walk: the image may be torn.
    while at != 0 && frames.len() < DEEPEST && seen.insert(at) {
        let (code, previous) = match walker.anchor.layout.frames {
            Frames::Objects { .. } => (field(at, 32), field(at, 24)),
            Frames::Interpreter(f) => (field(at, f.code) & !7, field(at, f.previous)),
        };
        frames.push(Frame { at, code });
        at = previous;
    }
    frames
}

impl Frame {
    /// `function at file.py:12`, with the line that it is at.
    pub(crate) fn name(&self, walker: &Walker<'_>) -> String {
        let (image, layout) = (walker.image, walker.anchor.layout);
        let string = |offset: u16| {
            image.word_at(self.code, u64::from(offset)).and_then(|s| text::of(image, layout, s))
        };
        let function = string(layout.code_name).unwrap_or_else(|| "?".to_owned());
        let file = string(layout.code_file).unwrap_or_else(|| "?".to_owned());
        let file = file.rsplit('/').next().unwrap_or(&file);
        match current_line(image, layout, self.at, self.code) {
            Some(line) => format!("{function} at {file}:{line}"),
            None => format!("{function} at {file}"),
        }
    }

    /// What it holds.
    pub(crate) fn visit(&self, walker: &Walker<'_>, see: &mut impl Visit) {
        match walker.anchor.layout.frames {
            Frames::Objects { .. } => {
                // The frame is an object: it is the root itself.
                see.see(self.at, crate::graph::edges::Label::Member);
            }
            Frames::Interpreter(f) => walker.interpreter_frame(self.at, &f, see),
        }
    }
}
