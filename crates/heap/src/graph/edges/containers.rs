//! References out of lists, dictionaries, sets and deques.

use super::{Label, Visit, Walker};
use crate::census::types::TypeDesc;
use crate::graph::dict::{Dict, word};

impl Walker<'_> {
    pub(super) fn list(&self, at: u64, see: &mut impl Visit) {
        let Some(items) = self.image.word_at(at, 24).filter(|p| *p != 0) else { return };
        self.items(items, self.image.word_at(at, 16).unwrap_or(0), see);
    }

    pub(super) fn tuple(&self, at: u64, see: &mut impl Visit) {
        let length = self.image.word_at(at, 16).unwrap_or(0);
        self.items(at + u64::from(self.anchor.layout.tuple_items) + self.image.shift(), length, see);
    }

    /// Keys that instances of a class share belong to the class; values that lie inside an instance belong to it.
    pub(super) fn dict(&self, at: u64, see: &mut impl Visit) {
        let Some(dict) = Dict::read(self.image, self.anchor.layout, at) else { return };
        if dict.embedded {
            return;
        }
        for (key, value) in dict.items(self.image) {
            if value == 0 {
                continue;
            }
            if dict.values.is_none() {
                see.see(key, Label::Key(key));
            }
            see.see(value, Label::Key(key));
        }
    }

    /// A linked list beside the table keeps the order and holds the keys once more.
    pub(super) fn ordered_dict(&self, at: u64, see: &mut impl Visit) {
        self.dict(at, see);
        self.fields(at, &[(96, "__dict__")], see);
        let most = self.image.word_at(at, 16).unwrap_or(0);
        let mut node = self.image.word_at(at, 48).unwrap_or(0);
        let mut before = 0;
        for _ in 0..most {
            let Some(bytes) = self.image.slice(node, 32).filter(|b| word(b, 24) == before) else { return };
            before = node;
            let key = word(bytes, 0);
            see.see(key, Label::Key(key));
            node = word(bytes, 16);
        }
    }

    pub(super) fn set(&self, at: u64, see: &mut impl Visit) {
        /// The hash of an entry that was removed.
        const REMOVED: u64 = u64::MAX;
        let mask = self.image.word_at(at, 32).unwrap_or(0);
        let table = self.image.word_at(at, 40).unwrap_or(0);
        let bytes = self.image.tail(table).unwrap_or(&[]);
        let wanted = usize::try_from(mask).unwrap_or(usize::MAX).saturating_add(1).saturating_mul(16);
        let bytes = bytes.get(..wanted.min(bytes.len())).unwrap_or(&[]);
        for entry in bytes.chunks_exact(16) {
            let (key, hash) = (word(entry, 0), word(entry, 8));
            if key != 0 && hash != REMOVED {
                see.see(key, Label::Member);
            }
        }
    }

    /// A list of blocks with 64 items each. A block that does not link back ends the walk.
    pub(super) fn deque(&self, at: u64, see: &mut impl Visit) {
        const ITEMS: u64 = 64;
        const NEXT: u64 = 8 + ITEMS * 8;
        let field = |offset: u64| self.image.word_at(at, offset).unwrap_or(0);
        let (length, mut block, last, mut slot) = (field(16), field(24), field(32), field(40));
        for i in 0..length {
            if slot >= ITEMS {
                let next = self.image.word(block.wrapping_add(NEXT)).unwrap_or(0);
                if block == last || self.image.word(next) != Some(block) {
                    return;
                }
                block = next;
                slot = 0;
            }
            let Some(item) = self.image.word(block.wrapping_add(8 + slot * 8)) else { return };
            see.see(item, Label::Index(i));
            slot += 1;
        }
    }

    /// A ring of entries that begins in the wrapper; its links forward are references.
    pub(super) fn lru_cache(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        self.scan(at, 32 + self.image.shift(), desc.basic_size, desc, see);
        let mut entry = self.image.word_at(at, 24).unwrap_or(0);
        let mut before = at;
        // An entry that does not link back ends the walk, so that no ring can be endless.
        while entry != at && self.object(entry).is_some() && self.image.word_at(entry, 16) == Some(before) {
            see.see(entry, Label::Member);
            before = entry;
            entry = self.image.word_at(entry, 24).unwrap_or(0);
        }
    }

    /// The words of an element's struct, its attributes and its children: up to four of them lie in the block that has
    /// the attributes, more in a block of their own, and the four stay behind.
    /// What waits in a queue.
    pub(super) fn ring(&self, at: u64, offset: u64, see: &mut impl Visit) {
        let word = |offset: u64| self.image.word_at(at, offset).unwrap_or(0);
        self.items(word(offset), word(offset + 8), see);
    }

    pub(super) fn element(&self, at: u64, see: &mut impl Visit) {
        let word = |at: u64, offset: u64| self.image.word_in(at, offset).unwrap_or(0);
        let extra = self.image.word_at(at, 40).unwrap_or(0);
        if extra != 0 {
            see.see(word(extra, 0), Label::Field("attrib"));
            self.items(word(extra, 24), word(extra, 8), see);
        }
    }
}
