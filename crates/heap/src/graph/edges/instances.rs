//! References of instances to their attributes, in the forms that versions keep them.

use super::{Label, Visit, Walker};
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::graph::dict::InImage;
use m5_cpython::KeyTable;
use m5_cpython::layout::objects::{Managed, type_fields as tf};

/// Most attributes that instances of a class share keys for.
const MOST_SHARED: u64 = 64;

impl Walker<'_> {
    /// Attributes that lie outside the struct.
    pub(super) fn attributes(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        if desc.flags & tf::MANAGED_DICT == 0 || self.anchor.layout.managed == Managed::None {
            self.behind_items(at, desc, see);
            return;
        }
        let word = |back: u64| self.image.word(at.wrapping_sub(back)).unwrap_or(0);
        match self.anchor.layout.managed {
            Managed::None => {}
            Managed::ValuesAndDict => {
                let (values, dict) = (word(32), word(24));
                if dict != 0 {
                    see.see(dict, Label::Namespace);
                } else if values != 0 {
                    self.values(values, desc.address, see);
                }
            }
            Managed::Tagged => match word(24) {
                0 => {}
                tagged if tagged & 1 != 0 => self.values(tagged.wrapping_add(1), desc.address, see),
                dict => see.see(dict, Label::Namespace),
            },
            Managed::Inline => {
                let dict = word(self.anchor.layout.collector_head() + 8);
                if dict != 0 {
                    see.see(dict, Label::Namespace);
                }
                let values = at.wrapping_add(desc.basic_size);
                let valid = self.image.byte_in(values, 3) == Some(1);
                if desc.flags & tf::INLINE_VALUES != 0 && valid {
                    self.values(values.wrapping_add(8), desc.address, see);
                }
            }
        }
    }

    /// Values in the order of the keys that the class keeps.
    fn values(&self, values: u64, class: u64, see: &mut impl Visit) {
        let layout = self.anchor.layout;
        let keys = self.image.word_at(class, u64::from(layout.cached_keys));
        let Some(keys) = keys.and_then(|k| KeyTable::read(self.image, layout, k)) else { return };
        for (i, (key, _)) in keys.pairs_in(self.image).take(MOST_SHARED as usize).enumerate() {
            let value = self.image.word_in(values, 8 * i as u64).unwrap_or(0);
            if value != 0 {
                see.see(value, Label::Attribute(key));
            }
        }
    }

    /// A dictionary pointer behind the struct's own words, where items of variable number come before it.
    fn behind_items(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        let offset = match desc.dict_offset {
            // The dictionary of a class or function is one of its known fields.
            _ if matches!(desc.kind, Kind::Type | Kind::Function) => return,
            0 => return,
            // Inside the basic size it was seen by the scan, unless a parser covers it.
            o if o > 0 && (o as u64) >= desc.covered && (o as u64) < desc.basic_size => return,
            o if o > 0 => o as u64,
            o => {
                let items = (self.image.word_at(at, 16).unwrap_or(0) as i64).unsigned_abs();
                let size = desc.basic_size + items.min(1 << 40) * desc.item_size;
                size.next_multiple_of(8).saturating_sub(o.unsigned_abs())
            }
        };
        if let Some(dict) = self.image.word_in(at, offset).filter(|d| *d != 0) {
            see.see(dict, Label::Namespace);
        }
    }
}
