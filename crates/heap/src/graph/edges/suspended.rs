//! Frames of code that waits on a stack of its own (greenlets of gevent, of SQLAlchemy's asyncio): from 3.11 on they lie
//! in chunks that no thread points to, only the object that will switch back to them.

use super::{Visit, Walker};
use crate::census::kind::Kind;
use crate::graph::dict::word;
use m5_cpython::layout::objects::{FrameFields, Frames};
use std::ops::Range;

/// Smallest chunk, and more than any is.
const SMALLEST: u64 = 1 << 14;
const LARGEST: u64 = 1 << 32;
/// Of a chunk: the one before, its size, the end of what is used while it is not the last, its first frame.
const SIZE: u64 = 8;
const TOP: u64 = 16;
const DATA: u64 = 24;
/// Larger blocks are no state of something that waits.
const REMEMBERS: u64 = 1 << 12;
/// More chunks than a stack has.
const MOST: usize = 1 << 16;

impl Walker<'_> {
    /// The references of the frames whose stack a block of an object remembers: the chunk, the end of what is used, the
    /// end of the chunk. Says whether there are any.
    pub(super) fn suspended(&self, block: &[u8], see: &mut impl Visit) -> bool {
        let Frames::Interpreter(fields) = self.anchor.layout.frames else { return false };
        let remembered = self.remembered(block);
        remembered.iter().for_each(|(chunk, top)| self.chunks(*chunk, *top, &fields, see));
        !remembered.is_empty()
    }

    /// The pages of those stacks that an object leads to.
    pub(crate) fn stacks_of(&self, object: u32) -> Vec<Range<u64>> {
        let mut out = Vec::new();
        let blocks = self.owners.get(&object).into_iter().flatten().filter(|(_, bytes)| *bytes <= REMEMBERS);
        for (block, bytes) in blocks {
            let words = self.image.tail(*block).unwrap_or(&[]);
            let words = words.get(..words.len().min(*bytes as usize)).unwrap_or(&[]);
            for (chunk, _) in self.remembered(words) {
                self.chain(chunk, &mut out);
            }
        }
        out
    }

    /// The pages of the stacks of Python frames that threads are on.
    pub(crate) fn stacks_of_threads(&self) -> Vec<Range<u64>> {
        let mut out = Vec::new();
        self.each_thread(|chunk| {
            self.chain(chunk, &mut out);
            false
        });
        out
    }

    /// A chunk and those before it.
    fn chain(&self, mut chunk: u64, out: &mut Vec<Range<u64>>) {
        let sound = |size: &u64| (SMALLEST..LARGEST).contains(size);
        while let Some(size) = self.image.word_in(chunk, SIZE).filter(|s| chunk != 0 && sound(s)) {
            if out.len() >= MOST {
                return;
            }
            out.push(chunk..chunk.saturating_add(size));
            chunk = self.image.word(chunk).unwrap_or(0);
        }
    }

    /// The last chunk of each such stack, and the end of what is used of it.
    fn remembered(&self, block: &[u8]) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        for at in (0..(block.len() / 8).saturating_sub(2)).map(|i| i * 8) {
            let (chunk, top, limit) = (word(block, at), word(block, at + 8), word(block, at + 16));
            let size = limit.wrapping_sub(chunk);
            let fits = chunk.is_multiple_of(4096)
                && (SMALLEST..LARGEST).contains(&size)
                && (chunk + DATA..=limit).contains(&top)
                && self.image.word_in(chunk, SIZE) == Some(size);
            if fits && !self.runs(chunk) {
                out.push((chunk, top));
            }
        }
        out
    }

    /// Whether a thread is on that stack now: then what was remembered is old, and the frames are the thread's.
    fn runs(&self, chunk: u64) -> bool {
        self.each_thread(|last| last == chunk)
    }

    /// Whether `is` holds of the last chunk of any thread.
    fn each_thread(&self, mut is: impl FnMut(u64) -> bool) -> bool {
        let layout = self.anchor.layout;
        let Some(offset) = layout.data_stack.map(u64::from) else { return false };
        let word = |at: u64, offset: u64| self.image.word_in(at, offset).unwrap_or(0);
        self.anchor.interpreters.iter().any(|interpreter| {
            let mut thread = word(*interpreter, u64::from(layout.threads));
            for _ in 0..MOST {
                if thread == 0 {
                    return false;
                }
                if is(word(thread, offset)) {
                    return true;
                }
                thread = word(thread, u64::from(layout.thread_next));
            }
            false
        })
    }

    /// Frames lie one after the other from the beginning of each chunk.
    fn chunks(&self, mut chunk: u64, mut top: u64, fields: &FrameFields, see: &mut impl Visit) {
        for _ in 0..MOST {
            let Some(before) = self.image.word(chunk) else { return };
            // The first word of the first chunk is left free.
            let mut frame = chunk + DATA + if before == 0 { 8 } else { 0 };
            while let Some(size) = self.frame_size(frame, fields).filter(|s| frame + s <= top) {
                self.interpreter_frame(frame, fields, see);
                frame += size;
            }
            if before == 0 {
                return;
            }
            let used = self.image.word_in(before, TOP).unwrap_or(0).min(LARGEST / 8);
            (chunk, top) = (before, before + DATA + used * 8);
        }
    }

    fn frame_size(&self, frame: u64, fields: &FrameFields) -> Option<u64> {
        let code = self.image.word_in(frame, u64::from(fields.code))? & !7;
        let known = self.census.desc(self.object(code)?)?.kind == Kind::Code;
        let count = |offset: u16| self.image.half_at(code, u64::from(offset)).map(u64::from);
        let slots = count(fields.code_locals)? + count(fields.code_stack)?;
        (known && slots < LARGEST / 8).then_some(u64::from(fields.locals) + slots * 8)
    }
}
