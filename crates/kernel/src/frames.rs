//! Raw frames: which bytes of each frame the programs keep, and how code and instruction are cut out of them.

use crate::bpf::{self, Assembler, Helper, If, Label, Reg};
use m5_cpython::layout::lines::Instruction;
use m5_cpython::layout::objects::{Frames, ObjectLayout};

/// Frames that are kept at most.
pub(crate) const DEPTH: usize = 32;
/// Bytes of a frame that are kept: enough for every version's fields.
const LARGEST_FRAME: usize = 112;

/// Where a version keeps what matters of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameImage {
    /// Offset of the current frame in a thread's state, or of what points to it.
    pub(crate) current: i32,
    /// Offset in that.
    pub(crate) through: Option<i32>,
    /// Bytes that are kept.
    pub(crate) size: usize,
    pub(crate) previous: usize,
    code: usize,
    instruction: usize,
    /// The instruction is a number of 32 bits.
    narrow: bool,
    shim: Option<(usize, u8)>,
}

impl FrameImage {
    /// That of a layout of objects.
    pub(crate) fn of(objects: &ObjectLayout) -> Option<Self> {
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

    /// Puts the walk over the frames of the thread whose state is in R8 into a program: they go into the record at R7 from `at`
    /// on, `most` at most, and their number to `depth`. Goes to `end` where that is all.
    pub(crate) fn walk(&self, a: &mut Assembler, at: usize, depth: i16, most: usize, end: Label) {
        read(a, -8, Reg::R8, self.current, end);
        a.load(Reg::R8, Reg::R10, -8);
        if let Some(inner) = self.through {
            read(a, -8, Reg::R8, inner, end);
            a.load(Reg::R8, Reg::R10, -8);
        }
        for frame in 0..most {
            let at = at + frame * self.size;
            a.jump_if(Reg::R8, If::Equal, 0, end);
            a.copy(Reg::R1, Reg::R7).add(Reg::R1, at as i32).set(Reg::R2, self.size as i32);
            a.copy(Reg::R3, Reg::R8).call(Helper::ReadUser).jump_if(Reg::R0, If::NotEqual, 0, end);
            a.store_value(Reg::R7, depth, frame as i32 + 1);
            a.load(Reg::R8, Reg::R7, (at + self.previous) as i16);
        }
    }

    /// Code object and instruction of each of `depth` frames that begin at `at`, innermost first, and whether the stack is
    /// deeper than the `most` that were kept; `None` where the bytes are too few.
    pub(crate) fn cut_out(
        &self,
        bytes: &[u8],
        at: usize,
        depth: usize,
        most: usize,
    ) -> Option<(Vec<(u64, u64)>, bool)> {
        let word = |at: usize| bpf::word(bytes, at);
        let depth = depth.min(most);
        let mut frames = Vec::with_capacity(depth);
        for n in 0..depth {
            let at = at + n * self.size;
            let is_shim = self.shim.is_some_and(|(owner, value)| bytes.get(at + owner) == Some(&value));
            if !is_shim {
                let mut instruction = word(at + self.instruction)?;
                if self.narrow {
                    instruction = i64::from((instruction as u32).cast_signed()).cast_unsigned();
                }
                frames.push((word(at + self.code)? & !7, instruction));
            }
        }
        let cut = depth == most && word(at + (most - 1) * self.size + self.previous) != Some(0);
        Some((frames, cut))
    }
}

/// Reads 64 bits of the target at `base + offset` into the stack at `slot`; goes to `failed` where it cannot.
pub(crate) fn read(a: &mut Assembler, slot: i32, base: Reg, offset: i32, failed: Label) {
    a.copy(Reg::R1, Reg::R10).add(Reg::R1, slot).set(Reg::R2, 8);
    a.copy(Reg::R3, base).add(Reg::R3, offset).call(Helper::ReadUser);
    a.jump_if(Reg::R0, If::NotEqual, 0, failed);
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
}
