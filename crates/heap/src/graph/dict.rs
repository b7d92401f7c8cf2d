//! Dictionaries in all their forms.

use crate::image::Image;
use crate::names::text;
use m5_cpython::layout::objects::{Keys, Managed, ObjectLayout};

/// The keys of a dictionary, or those that instances of a class share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyTable {
    /// References to the table.
    pub(crate) references: u64,
    /// First entry.
    pub(crate) entries: u64,
    /// Entries in use.
    pub(crate) count: u64,
    /// Free entries.
    pub(crate) usable: u64,
    /// Bytes of an entry: key at 8 and value at 16 of 24, or key at 0 and value at 8 of 16.
    pub(crate) stride: u64,
    /// Bytes of the whole table.
    pub(crate) bytes: u64,
    /// Slots of the hash table.
    pub(crate) slots: u64,
}

impl KeyTable {
    /// Reads the head of a table.
    pub(crate) fn read(image: &Image, layout: &ObjectLayout, at: u64) -> Option<Self> {
        let table = match layout.keys {
            Keys::Sized => {
                let size = image.word_at(at, 8)?;
                let index = match size {
                    0..=0xff => 1u64,
                    0x100..=0xffff => 2,
                    0x1_0000..=0xffff_ffff => 4,
                    _ => return None,
                };
                Self {
                    references: image.word(at)?,
                    entries: at.wrapping_add(40 + size * index),
                    count: image.word_at(at, 32)?,
                    usable: image.word_at(at, 24)?,
                    stride: 24,
                    bytes: 40 + size * index + (size << 1) / 3 * 24,
                    slots: size,
                }
            }
            Keys::Logarithmic => {
                let head = image.slice(at, 32)?;
                let (log, index, kind) = (*head.get(8)?, *head.get(9)?, *head.get(10)?);
                if log > 40 || index > 43 {
                    return None;
                }
                let stride = if kind == 0 { 24 } else { 16 };
                Self {
                    references: image.word(at)? & 0xffff_ffff,
                    entries: at.wrapping_add(32 + (1 << index)),
                    count: image.word_at(at, 24)?,
                    usable: image.word_at(at, 16)?,
                    stride,
                    bytes: 32 + (1 << index) + (2u64 << log) / 3 * stride,
                    slots: 1 << log,
                }
            }
        };
        let fits = table.count <= 1 << 40 && table.count * table.stride <= table.bytes;
        // Entries that were never used may not be in memory.
        let there = || image.holds(table.entries, table.count * table.stride);
        (fits && (table.count == 0 || there())).then_some(table)
    }

    fn key_at(&self) -> usize {
        if self.stride == 24 { 8 } else { 0 }
    }

    /// Key and value of every entry, zero where there is none; stops where the memory does.
    pub(crate) fn pairs<'a>(&self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let wanted = (self.count * self.stride) as usize;
        let bytes = image.tail(self.entries).unwrap_or(&[]);
        let bytes = bytes.get(..wanted.min(bytes.len())).unwrap_or(&[]);
        let key = self.key_at();
        bytes.chunks_exact(self.stride as usize).map(move |e| (word(e, key), word(e, key + 8)))
    }
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// A dictionary object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dict {
    /// Items in it.
    pub(crate) used: u64,
    /// Its keys.
    pub(crate) keys: KeyTable,
    /// Values apart from the keys: first value.
    pub(crate) values: Option<u64>,
    /// Whether these values lie inside the instance whose attributes they are.
    pub(crate) embedded: bool,
}

impl Dict {
    pub(crate) fn read(image: &Image, layout: &ObjectLayout, at: u64) -> Option<Self> {
        let keys = KeyTable::read(image, layout, image.word_at(at, 32)?)?;
        let values = image.word_at(at, 40)?;
        let inline = layout.managed == Managed::Inline;
        Some(Self {
            used: image.word_at(at, 16)?,
            keys,
            values: (values != 0).then_some(if inline { values.wrapping_add(8) } else { values }),
            embedded: inline && values != 0 && image.byte_at(values, 2) == Some(1),
        })
    }

    /// Key and value of every item; zero where there is none.
    pub(crate) fn items<'a>(&self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let values = self.values;
        self.keys.pairs(image).enumerate().map(move |(i, (key, value))| match values {
            Some(at) => (key, image.word_at(at, 8 * i as u64).unwrap_or(0)),
            None => (key, value),
        })
    }
}

/// The value behind a text key.
pub(crate) fn get(image: &Image, layout: &ObjectLayout, dict: u64, key: &str) -> Option<u64> {
    let dict = Dict::read(image, layout, dict)?;
    let found = dict.items(image).find(|(k, v)| {
        *v != 0
            && *k != 0
            && text::shape(image, *k).is_some_and(|s| s.length == key.len() as u64)
            && text::of(image, layout, *k).as_deref() == Some(key)
    });
    found.map(|(_, value)| value)
}
