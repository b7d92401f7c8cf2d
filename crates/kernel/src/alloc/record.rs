//! What the program writes down of an allocation, and how a version's frames are cut out of it.

use m5_cpython::layout::lines::Instruction;
use m5_cpython::layout::objects::{Frames, ObjectLayout};

/// Frames that are kept at most.
pub(super) const DEPTH: usize = 32;
/// Bytes of a frame that are kept: enough for every version's fields.
const LARGEST_FRAME: usize = 112;
/// Where the frames begin, and how long a record is.
pub(super) const FRAMES: usize = 48;
pub(super) const RECORD: usize = FRAMES + DEPTH * LARGEST_FRAME;

/// Offsets of the words before the frames.
pub(super) struct Head {
    pub(super) time: i16,
    pub(super) task: i16,
    pub(super) thread: i16,
    pub(super) size: i16,
    pub(super) block: i16,
    pub(super) depth: i16,
}

pub(super) const HEAD: Head = Head { time: 0, task: 8, thread: 16, size: 24, block: 32, depth: 40 };

/// Where a version keeps what matters of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameImage {
    /// Offset of the current frame in a thread's state, or of what points to it.
    pub(super) current: i32,
    /// Offset in that.
    pub(super) through: Option<i32>,
    /// Bytes that are kept.
    pub(super) size: usize,
    pub(super) previous: usize,
    code: usize,
    instruction: usize,
    /// The instruction is a number of 32 bits.
    narrow: bool,
    shim: Option<(usize, u8)>,
}

impl FrameImage {
    /// That of a layout of objects.
    pub(super) fn of(objects: &ObjectLayout) -> Option<Self> {
        let lines = &objects.lines;
        let (instruction, narrow) = match lines.instruction {
            Instruction::Index { at, .. } => (at as usize, true),
            Instruction::Pointer { at, .. } => (at as usize, false),
        };
        let shim = lines.shim.map(|(at, value)| (at as usize, value));
        let image = match objects.frames {
            Frames::Objects { current, .. } => Self {
                current: current.into(),
                through: None,
                size: LARGEST_FRAME,
                previous: 24,
                code: 32,
                instruction,
                narrow,
                shim,
            },
            Frames::Interpreter(f) => Self {
                current: f.current.into(),
                through: f.through.map(i32::from),
                size: 80,
                previous: f.previous.into(),
                code: f.code.into(),
                instruction,
                narrow,
                shim,
            },
        };
        let words = [image.previous, image.code, image.instruction];
        let owner = image.shim.is_none_or(|(at, _)| at < image.size);
        (owner && words.iter().all(|at| at + 8 <= image.size)).then_some(image)
    }
}

/// One allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allocation {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub(super) time_ns: u64,
    /// Its thread's state.
    pub(super) thread: u64,
    /// Bytes asked for.
    pub(super) size: u64,
    /// The block that it got, where that is known.
    pub(super) block: Option<u64>,
    /// Code object and instruction of each frame, innermost first.
    pub(super) frames: Vec<(u64, u64)>,
    /// Whether the stack is deeper than what was kept.
    pub(super) cut: bool,
}

/// Decodes a record; `None` where it is none.
pub(super) fn decode(bytes: &[u8], image: &FrameImage) -> Option<Allocation> {
    let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let head = |at: i16| word(at as usize);
    let depth = (head(HEAD.depth)? as usize).min(DEPTH);
    let mut frames = Vec::with_capacity(depth);
    for n in 0..depth {
        let at = FRAMES + n * image.size;
        let is_shim = image.shim.is_some_and(|(owner, value)| bytes.get(at + owner) == Some(&value));
        if !is_shim {
            let mut instruction = word(at + image.instruction)?;
            if image.narrow {
                instruction = i64::from((instruction as u32).cast_signed()).cast_unsigned();
            }
            frames.push((word(at + image.code)? & !7, instruction));
        }
    }
    Some(Allocation {
        time_ns: head(HEAD.time)?,
        thread: head(HEAD.thread)?,
        size: head(HEAD.size)?,
        block: Some(head(HEAD.block)?).filter(|b| *b != 0),
        frames,
        cut: depth == DEPTH && word(FRAMES + (DEPTH - 1) * image.size + image.previous) != Some(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_cpython::layout::objects::OBJECTS;

    #[test]
    fn every_version_has_an_image() {
        for objects in OBJECTS {
            assert!(FrameImage::of(objects).is_some(), "3.{}", objects.minor);
        }
    }

    #[test]
    fn short_or_foreign_bytes_are_no_record() {
        let Some(image) = FrameImage::of(&OBJECTS[3]) else { return };
        assert!(decode(&[1; 40], &image).is_none());
        assert!(decode(&[0xff; RECORD], &image).is_some_and(|a| a.frames.len() == DEPTH));
        assert!(decode(&[0xff; 100], &image).is_none());
    }
}
