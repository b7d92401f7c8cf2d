//! References out of NumPy's arrays: where in an element they lie is for its dtype to say.

use super::{Label, Visit, Walker};
use crate::census::outside::item_size;
use crate::census::sizes::array_bytes;
use crate::graph::dict::{Dict, word};

/// Numbers of dtypes: an object, a struct.
const OBJECT: u32 = 17;
const STRUCT: u32 = 20;
/// Structs within structs, and references in one element: more than any program has.
const DEEPEST: usize = 16;
const MOST: usize = 1 << 16;

impl Walker<'_> {
    /// Elements are references only where the dtype says object or a struct; a view holds its base.
    pub(super) fn array(&self, at: u64, see: &mut impl Visit) {
        const OWNS_DATA: u32 = 4;
        self.fields(at, &[(48, "base"), (56, "dtype")], see);
        let owns = self.image.half_at(at, 64).unwrap_or(0) & OWNS_DATA != 0;
        let Some(dtype) = self.image.word_at(at, 56).filter(|_| owns) else { return };
        let (Some(data), Some(bytes)) = (self.image.word_at(at, 16), array_bytes(self.image, at)) else {
            return;
        };
        match self.image.half_at(dtype, 28) {
            Some(OBJECT) => self.items(data, bytes / 8, see),
            Some(STRUCT) => self.structs(data, bytes, dtype, see),
            _ => {}
        }
    }

    fn structs(&self, data: u64, bytes: u64, dtype: u64, see: &mut impl Visit) {
        let mut offsets = Vec::new();
        self.references_in(dtype, 0, DEEPEST, &mut offsets);
        let Some(item) = item_size(self.image, dtype).filter(|i| *i > 0 && !offsets.is_empty()) else {
            return;
        };
        // A title is a second name of the same field.
        offsets.sort_unstable();
        offsets.dedup();
        let there = self.image.tail(data).unwrap_or(&[]);
        let there = there.get(..there.len().min(bytes as usize)).unwrap_or(&[]);
        for (i, element) in there.chunks_exact(item as usize).enumerate() {
            for target in offsets.iter().map(|at| word(element, *at as usize)).filter(|t| *t != 0) {
                see.see(target, Label::Index(i as u64));
            }
        }
    }

    /// Offsets of the references in an element of a dtype that begins at `from`.
    fn references_in(&self, dtype: u64, from: u64, deepest: usize, out: &mut Vec<u64>) {
        let word = |offset: u64| self.image.word_at(dtype, offset).unwrap_or(0);
        let number = self.image.half_at(dtype, 28);
        if number == Some(OBJECT) {
            out.push(from);
        }
        if number != Some(STRUCT) || deepest == 0 || out.len() >= MOST {
            return;
        }
        // From NumPy 2 on these lie further back, as its flags say.
        let first = self.image.half_at(dtype, 36).is_some_and(|alignment| alignment != 0);
        let (subarray, fields) = if first { (word(40), word(48)) } else { (word(88), word(96)) };
        if let Some(base) = self.image.word(subarray).filter(|_| subarray != 0) {
            let (all, one) = (item_size(self.image, dtype), item_size(self.image, base));
            let (all, one) = (all.unwrap_or(0), one.unwrap_or(0).max(1));
            for i in 0..(all / one).min(MOST as u64) {
                self.references_in(base, from + i * one, deepest - 1, out);
            }
            return;
        }
        let layout = self.anchor.layout;
        let items = u64::from(layout.tuple_items);
        for (_, field) in Dict::read(self.image, layout, fields).iter().flat_map(|d| d.items(self.image)) {
            let item = |i: u64| self.image.word_at(field, items + 8 * i).unwrap_or(0);
            // An offset is a number of one digit, or zero.
            if let Some(offset) = self.image.half_at(item(1), 24).filter(|_| field != 0) {
                self.references_in(item(0), from + u64::from(offset), deepest - 1, out);
            }
        }
    }
}
