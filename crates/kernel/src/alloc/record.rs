//! What the program writes down of an allocation.

use super::contents::Early;
use crate::bpf;
use crate::frames::{DEPTH, FrameImage};

/// Where the frames begin.
pub(super) const FRAMES: usize = 216;

/// How long a record is.
pub(super) fn length(image: &FrameImage) -> usize {
    FRAMES + DEPTH * image.size
}

/// Offsets of the words before the frames.
pub(super) struct Head {
    pub(super) time: i16,
    pub(super) task: i16,
    pub(super) thread: i16,
    pub(super) size: i16,
    pub(super) block: i16,
    pub(super) depth: i16,
    pub(super) done: i16,
    pub(super) back: i16,
    /// An earlier block, and what it holds.
    pub(super) earlier: i16,
    pub(super) earlier_words: i16,
    pub(super) earlier_item: i16,
    pub(super) earlier_table: i16,
}

pub(super) const HEAD: Head = Head {
    time: 0,
    task: 8,
    thread: 16,
    size: 24,
    block: 32,
    depth: 40,
    done: 48,
    back: 56,
    earlier: 64,
    earlier_words: 72,
    earlier_item: 128,
    earlier_table: 136,
};

/// One allocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Allocation {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub(super) time_ns: u64,
    /// How long the program ran, nanoseconds.
    pub(super) took_ns: u64,
    /// Its thread's state.
    pub(super) thread: u64,
    /// Bytes asked for; 0 where it was seen as it returned.
    pub(super) size: u64,
    /// The block that it got, where that is known.
    pub(super) block: Option<u64>,
    /// Where the call returns to, where the block is not known before it does.
    pub(super) back: Option<u64>,
    /// A block that its thread got a few allocations before, and what that holds now, where that was read.
    pub(super) earlier: Option<(u64, Early)>,
    /// Code object and instruction of each frame, innermost first.
    pub(super) frames: Vec<(u64, u64)>,
    /// Whether the stack is deeper than what was kept.
    pub(super) cut: bool,
}

/// Decodes a record; `None` where it is none.
pub(super) fn decode(bytes: &[u8], image: &FrameImage) -> Option<Allocation> {
    let head = |at: i16| bpf::word(bytes, at as usize);
    let (frames, cut) = image.cut_out(bytes, FRAMES, head(HEAD.depth)? as usize, DEPTH)?;
    Some(Allocation {
        time_ns: head(HEAD.time)?,
        took_ns: head(HEAD.done)?.saturating_sub(head(HEAD.time)?),
        thread: head(HEAD.thread)?,
        size: head(HEAD.size)?,
        block: Some(head(HEAD.block)?).filter(|b| *b != 0),
        back: Some(head(HEAD.back)?).filter(|b| *b != 0),
        earlier: Some(head(HEAD.earlier)?).filter(|b| *b != 0).and_then(|b| Some((b, early(bytes)?))),
        frames,
        cut,
    })
}

fn early(bytes: &[u8]) -> Option<Early> {
    let at = |at: i16| bytes.get(at as usize..);
    Some(Early {
        words: *at(HEAD.earlier_words)?.first_chunk()?,
        item: bpf::word(bytes, HEAD.earlier_item as usize)?,
        table: *at(HEAD.earlier_table)?.first_chunk()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_cpython::layout::objects::OBJECTS;

    #[test]
    fn short_or_foreign_bytes_are_no_record() {
        let Some(image) = FrameImage::of(&OBJECTS[3]) else { return };
        assert!(decode(&[1; 48], &image).is_none());
        assert!(decode(&vec![0xff; length(&image)], &image).is_some_and(|a| a.frames.len() == DEPTH));
        assert!(decode(&[0xff; 100], &image).is_none());
    }
}
