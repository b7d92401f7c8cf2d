//! Dictionaries in all their forms.

use crate::image::Image;
use crate::names::text;
use m5_cpython::layout::objects::{Managed, ObjectLayout};
use m5_cpython::{KEYS_HEAD, KeyTable};

/// A table of keys in an image.
pub(crate) trait InImage: Sized {
    /// Reads the head of a table whose entries are there.
    fn read(image: &Image, layout: &ObjectLayout, at: u64) -> Option<Self>;
    /// Key and value of every entry, zero where there is none; stops where the memory does.
    fn pairs_in<'a>(&self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + use<'a, Self>;
}

impl InImage for KeyTable {
    fn read(image: &Image, layout: &ObjectLayout, at: u64) -> Option<Self> {
        let table = Self::decode(layout.keys, at, image.slice(at, KEYS_HEAD)?.first_chunk()?)?;
        // Entries that were never used may not be in memory.
        let there = || image.holds(table.entries, table.count * table.stride);
        (table.count == 0 || there()).then_some(table)
    }

    fn pairs_in<'a>(&self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let wanted = (self.count * self.stride) as usize;
        let bytes = image.tail(self.entries).unwrap_or(&[]);
        self.pairs(bytes.get(..wanted.min(bytes.len())).unwrap_or(&[]))
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
            embedded: inline && values != 0 && image.byte_in(values, 2) == Some(1),
        })
    }

    /// Key and value of every item; zero where there is none.
    pub(crate) fn items<'a>(&self, image: &'a Image) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let values = self.values;
        self.keys.pairs_in(image).enumerate().map(move |(i, (key, value))| match values {
            Some(at) => (key, image.word_in(at, 8 * i as u64).unwrap_or(0)),
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
            && text::shape(image, layout, *k).is_some_and(|s| s.length == key.len() as u64)
            && text::of(image, layout, *k).as_deref() == Some(key)
    });
    found.map(|(_, value)| value)
}
