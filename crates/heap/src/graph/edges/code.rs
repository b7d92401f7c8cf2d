//! References out of classes, frames and generators.

use super::{EXECUTOR, Label, Visit, Walker, flags};
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::graph::dict::InImage;
use m5_cpython::KeyTable;
use m5_cpython::layout::objects::{FrameFields, Frames, type_fields as tf};
use m5_process::LOWEST_ADDRESS;

/// More locals and stack than any code object has.
const MOST_SLOTS: u64 = 1 << 16;

/// A code object has no more executors, and none is longer, bytes.
const MOST_EXECUTORS: u64 = 256;
const LONGEST_EXECUTOR: usize = 1 << 20;

impl Walker<'_> {
    pub(super) fn code(&self, at: u64, see: &mut impl Visit) {
        self.fields(at, self.anchor.layout.code, see);
        let offset = self.anchor.layout.code_executors;
        let Some(table) = offset.and_then(|o| self.image.word_at(at, o.into())).filter(|t| *t != 0) else {
            return;
        };
        // Two numbers of four bytes, how many there are and have room, then the executors.
        let count = self.image.half_in(table, 0).map_or(0, u64::from).min(MOST_EXECUTORS);
        for i in 0..count {
            let target = self.image.word_in(table, 8 + 8 * i).unwrap_or(0);
            if self.is_executor(target) {
                see.see(target, Label::Member);
            }
        }
    }

    /// An executor holds those that its exits lead to; of its instructions, and of its links to its neighbours, it counts
    /// nothing.
    pub(super) fn exits(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        let length = usize::try_from(self.image.word_at(at, 16).unwrap_or(0)).unwrap_or(0);
        let bytes = self.image.tail(at.wrapping_add(desc.basic_size)).unwrap_or(&[]);
        let bytes = bytes.get(..length.min(LONGEST_EXECUTOR).min(bytes.len())).unwrap_or(&[]);
        for word in bytes.as_chunks::<8>().0 {
            let target = u64::from_le_bytes(*word);
            if target != at && target >= LOWEST_ADDRESS && self.is_executor(target) {
                see.see(target, Label::Member);
            }
        }
    }

    fn is_executor(&self, address: u64) -> bool {
        let desc = self.object(address).and_then(|object| self.census.desc(object));
        desc.is_some_and(|d| d.item_size == 1 && d.name == EXECUTOR)
    }

    pub(super) fn class(&self, at: u64, see: &mut impl Visit) {
        let layout = self.anchor.layout;
        for (offset, name) in tf::HOLDS {
            let target = self.image.word_at(at, u64::from(*offset)).unwrap_or(0);
            let label = if u64::from(*offset) == tf::DICT { Label::Namespace } else { Label::Field(name) };
            if target >= LOWEST_ADDRESS {
                see.see(target, label);
            }
        }
        if flags(self.image, at) & tf::HEAP == 0 {
            return;
        }
        self.fields(at, layout.heap_type, see);
        // The keys that its instances share hold their names.
        let keys = self.image.word_at(at, u64::from(layout.cached_keys)).filter(|k| *k != 0);
        if let Some(keys) = keys.and_then(|k| KeyTable::read(self.image, layout, k)) {
            for (key, _) in keys.pairs_in(self.image).filter(|(key, _)| *key != 0) {
                see.see(key, Label::Member);
            }
        }
    }

    pub(super) fn generator(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        match self.anchor.layout.frames {
            Frames::Objects { .. } => self.scan(at, 16, desc.basic_size, desc, see),
            Frames::Interpreter(f) => {
                let offset = u64::from(f.generator_frame) + self.image.shift();
                let frame = at.wrapping_add(offset);
                self.scan(at, self.anchor.layout.header(), offset, desc, see);
                let state = self.image.byte_at(at, u64::from(f.generator_state)).unwrap_or(0) as i8;
                if state < f.generator_over {
                    self.interpreter_frame(frame, &f, see);
                }
            }
        }
    }

    pub(super) fn frame_object(&self, at: u64, see: &mut impl Visit) {
        match self.anchor.layout.frames {
            Frames::Objects { locals, depth, .. } => {
                const FIELDS: [(u16, &str); 5] =
                    [(24, "f_back"), (32, "f_code"), (40, "f_builtins"), (48, "f_globals"), (56, "f_locals")];
                self.fields(at, &FIELDS, see);
                self.fields(at, &[(if depth.is_some() { 72 } else { 80 }, "f_trace")], see);
                self.old_locals(at, u64::from(locals), depth.map(u64::from), see);
            }
            Frames::Interpreter(f) => {
                self.fields(at, &[(16, "f_back"), (32, "f_trace")], see);
                let own = at.wrapping_add(u64::from(f.object_inline) + self.image.shift());
                if self.image.word_at(at, u64::from(f.object_frame)) == Some(own) {
                    self.interpreter_frame(own, &f, see);
                }
            }
        }
    }

    /// Up to 3.10: locals, cells and free variables, then the stack as far as it is known.
    fn old_locals(&self, at: u64, locals: u64, depth: Option<u64>, see: &mut impl Visit) {
        let Some(code) = self.image.word_at(at, 32).filter(|c| *c != 0) else { return };
        let length = |offset: u64| {
            let tuple = self.image.word_at(code, offset).unwrap_or(0);
            self.image.word_at(tuple, 16).unwrap_or(0).min(MOST_SLOTS)
        };
        let named =
            u64::from(self.image.half_at(code, 28).unwrap_or(0)).min(MOST_SLOTS) + length(80) + length(88);
        let first = at.wrapping_add(locals);
        let stack = first.wrapping_add(named * 8);
        let used = match depth {
            // A depth below zero or a null pointer: the frame runs and its top is in a register.
            Some(offset) => (self.image.half_at(at, offset).unwrap_or(0) as i32).max(0) as u64,
            None => self.image.word_at(at, 72).unwrap_or(0).saturating_sub(stack) / 8,
        };
        for i in 0..named + used.min(MOST_SLOTS) {
            let target = self.image.word_in(first, i * 8).unwrap_or(0);
            if target != 0 {
                see.see(target, if i < named { Label::Local(code, i) } else { Label::Member });
            }
        }
    }

    /// From 3.11 on: fields, locals and stack of a frame that is not an object.
    pub(crate) fn interpreter_frame(&self, frame: u64, f: &FrameFields, see: &mut impl Visit) {
        let field = |offset: u16| self.image.word_in(frame, u64::from(offset)).unwrap_or(0);
        let code = field(f.code) & !7;
        if !self.is(code, Kind::Code) {
            return;
        }
        for (offset, name) in f.holds {
            let target = field(*offset) & !7;
            if target != 0 {
                see.see(target, Label::Field(name));
            }
        }
        let count = |offset: u16| u64::from(self.image.half_at(code, u64::from(offset)).unwrap_or(0));
        let named = count(f.code_locals).min(MOST_SLOTS);
        let first = frame.wrapping_add(u64::from(f.locals));
        let used = if f.top_is_pointer {
            let top = field(f.top);
            (top >= first).then(|| (top - first) / 8)
        } else {
            u64::try_from(self.image.half_in(frame, u64::from(f.top)).unwrap_or(0) as i32).ok()
        };
        // Of a running frame the top is in a register: what lies above its locals may be in use, or left over.
        let used = used.unwrap_or(named).min(MOST_SLOTS);
        for i in 0..used {
            let raw = self.image.word_in(first, i * 8).unwrap_or(0);
            let target = if f.top_is_pointer { raw & !7 } else { raw };
            if target != 0 {
                see.see(target, if i < named { Label::Local(code, i) } else { Label::Member });
            }
        }
    }
}
