//! The keys of a dictionary in their two forms.

use crate::decode::word;
use crate::layout::objects::Keys;

/// Bytes of a table's head that are looked at.
pub const KEYS_HEAD: usize = 40;

/// The keys of a dictionary, or those that instances of a class share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTable {
    /// References to the table.
    pub references: u64,
    /// First entry.
    pub entries: u64,
    /// Entries in use.
    pub count: u64,
    /// Free entries.
    pub usable: u64,
    /// Bytes of an entry: key at 8 and value at 16 of 24, or key at 0 and value at 8 of 16.
    pub stride: u64,
    /// Bytes of the whole table.
    pub bytes: u64,
    /// Slots of the hash table.
    pub slots: u64,
}

impl KeyTable {
    /// Decodes the head of the table at an address; `None` where it is none.
    #[must_use]
    pub fn decode(form: Keys, at: u64, head: &[u8; KEYS_HEAD]) -> Option<Self> {
        let table = match form {
            Keys::Sized => {
                let size = word(head, 8);
                let index = match size {
                    0..=0xff => 1u64,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => return None,
                };
                Self {
                    references: word(head, 0),
                    entries: at.wrapping_add(40 + size * index),
                    count: word(head, 32),
                    usable: word(head, 24),
                    stride: 24,
                    bytes: 40 + size * index + (size << 1) / 3 * 24,
                    slots: size,
                }
            }
            Keys::Logarithmic => {
                let (log, index, kind) = (head[8], head[9], head[10]);
                if log > 40 || index > 43 {
                    return None;
                }
                let stride = if kind == 0 { 24 } else { 16 };
                Self {
                    references: word(head, 0) & 0xffff_ffff,
                    entries: at.wrapping_add(32 + (1 << index)),
                    count: word(head, 24),
                    usable: word(head, 16),
                    stride,
                    bytes: 32 + (1 << index) + (2u64 << log) / 3 * stride,
                    slots: 1 << log,
                }
            }
        };
        (table.count <= 1 << 40 && table.count * table.stride <= table.bytes).then_some(table)
    }

    /// Key and value of every entry in the bytes of a table's entries, zero where there is none.
    pub fn pairs(self, entries: &[u8]) -> impl Iterator<Item = (u64, u64)> {
        let key = if self.stride == 24 { 8 } else { 0 };
        entries.chunks_exact(self.stride as usize).map(move |e| (word(e, key), word(e, key + 8)))
    }
}
