//! Whether the object in a block is still the one that was made there.
//!
//! Of some types the interpreter keeps dead objects for the next that asks, past the allocator: a line that makes many for a moment asks
//! for memory, and a line that keeps one is handed an object of the first one's. A block with an object of the same type in it proves
//! nothing then. But what the object holds does: the kernel reads it a few allocations after the block was given out.

use crate::bpf::word;
use m5_cpython::layout::objects::Keys;
use m5_cpython::{KEYS_HEAD, KeyTable};
use m5_process::LiveMemory;

/// The beginning of a block: as much as tells the type of the object in it.
pub(super) type Words = [u8; 56];

/// Where a list keeps its items, and a dict its table, from the begin of their block, with and without the GIL.
pub(super) const ITEMS_OF_LIST: i16 = 40;
pub(super) const TABLE_OF_DICT: i16 = 48;
/// What lies before such an object, or what its header is longer by without the GIL.
const BEFORE: usize = 16;
/// As much of a dict's table as holds the first key of a small one.
pub(super) const TABLE: usize = 80;
/// What a number holds, and the length of a text, from the begin of its block (that of a tuple as much behind); where bytes begin, and
/// the state of a text, from there on; and the bit of that for ASCII from its kind on.
const NUMBER: usize = 16;
const BYTES_BEGIN: usize = 16;
const STR_STATE: usize = 16;
const ASCII_BEHIND_KIND: u8 = 4;

/// Types of which the contents are known.
pub(super) const KNOWN: [&str; 7] = ["float", "int", "tuple", "list", "dict", "str", "bytes"];

/// Texts of this length are hardly alike by chance.
const SURE: u64 = 6;

/// A block as it was at one moment, with what two of its words lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Early {
    pub(super) words: Words,
    /// The first item, if it is a list.
    pub(super) item: u64,
    /// The begin of its table, if it is a dict.
    pub(super) table: [u8; TABLE],
}

/// What tells an object from another one of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// Of a number: its value.
    Value([u64; 2]),
    /// Of a tuple: its first items; 0 where there is none (yet).
    Items([u64; 2]),
    /// Of a list its first item, of a dict its first key.
    First(u64),
    /// Of a text or bytes: how long it is, and the word at its begin.
    Text(u64, u64),
}

/// Where a version keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// How much longer than elsewhere an object's header is, of a build without the GIL.
    pub(super) shift: u64,
    pub(super) tuple_items: usize,
    pub(super) keys: Keys,
    /// Bits before the kind in the state of a text, and where one in ASCII begins.
    pub(super) str_kind: u8,
    pub(super) str_ascii: usize,
}

impl Contents {
    /// Of an object of this type in a block; `None` of another type, and of one that holds nothing (yet).
    pub(super) fn of(kind: &str, early: &Early, places: Places) -> Option<Self> {
        let at = |offset: usize| word(&early.words, offset).unwrap_or(0);
        let some = |first: u64| (first != 0).then_some(Self::First(first));
        let shift = places.shift as usize;
        let number = NUMBER + shift;
        let items = BEFORE + places.tuple_items;
        match kind {
            "float" => Some(Self::Value([at(number), 0])),
            "int" => Some(Self::Value([at(number), at(number + 8)])),
            "tuple" => {
                // What follows the only item is the next block.
                let second = if at(BEFORE + NUMBER) > 1 { at(items + 8) } else { 0 };
                (at(items) != 0).then_some(Self::Items([at(items), second]))
            }
            "list" => some(early.item),
            "dict" => some(first_key(&early.table, places.keys)?),
            "bytes" => text(early, number, number + BYTES_BEGIN),
            "str" => {
                let ascii = at(number + STR_STATE) >> (places.str_kind + ASCII_BEHIND_KIND) & 1 == 1;
                ascii.then(|| text(early, number, places.str_ascii + shift)).flatten()
            }
            _ => None,
        }
    }

    /// Whether they are the same object's at another time; `None` where that is not known.
    pub(super) fn are_of_one(self, later: Option<Self>) -> Option<bool> {
        match (self, later) {
            (Self::Items([first, second]), Some(Self::Items(now))) => {
                Some(first == now[0] && (second == 0 || second == now[1]))
            }
            (Self::Text(length, begin), Some(Self::Text(now, other))) => {
                let differs = (begin ^ other) & shown(length.min(now)) != 0;
                // A text is written into a block for a longer one, and becomes shorter there; and short ones may be alike by chance.
                (differs || (length == now && length >= SURE)).then_some(!differs)
            }
            (Self::Text(..), None) => None,
            (own, other) => Some(Some(own) == other),
        }
    }
}

/// A text whose length and begin lie there.
fn text(early: &Early, length: usize, begin: usize) -> Option<Contents> {
    let (length, begin) = (word(&early.words, length)?, word(&early.words, begin)?);
    (length > 0).then_some(Contents::Text(length, begin))
}

/// The bits of a word that show a text of this length.
fn shown(length: u64) -> u64 {
    if length < 8 { (1 << (8 * length)) - 1 } else { u64::MAX }
}

/// What blocks hold now, and what that leads to.
pub(super) fn now(memory: &LiveMemory, blocks: &[u64]) -> Vec<Option<Early>> {
    let words = memory.each::<{ size_of::<Words>() }>(blocks).unwrap_or_default();
    let led = |offset: i16| -> Vec<u64> {
        let at = |words: &Option<Words>| word(words.as_ref()?, offset as usize);
        words.iter().map(|words| at(words).unwrap_or(0)).collect()
    };
    let items = memory.each::<8>(&led(ITEMS_OF_LIST)).unwrap_or_default();
    let tables = memory.each::<TABLE>(&led(TABLE_OF_DICT)).unwrap_or_default();
    let early = |(n, words): (usize, &Option<Words>)| {
        let item = items.get(n).copied().flatten().map_or(0, u64::from_le_bytes);
        let table = tables.get(n).copied().flatten().unwrap_or([0; TABLE]);
        Some(Early { words: (*words)?, item, table })
    };
    words.iter().enumerate().map(early).collect()
}

fn first_key(table: &[u8; TABLE], keys: Keys) -> Option<u64> {
    let head = table.first_chunk::<KEYS_HEAD>()?;
    let known = KeyTable::decode(keys, 0, head)?;
    let at = known.entries as usize + if known.stride == 24 { 8 } else { 0 };
    word(table, at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn early(words: &[(usize, u64)], table: &[(usize, u64)]) -> Early {
        let mut early = Early { words: [0; 56], item: 7, table: [0; TABLE] };
        words.iter().for_each(|(at, n)| early.words[*at..*at + 8].copy_from_slice(&n.to_le_bytes()));
        table.iter().for_each(|(at, n)| early.table[*at..*at + 8].copy_from_slice(&n.to_le_bytes()));
        early
    }

    fn places(keys: Keys) -> Places {
        Places { shift: 0, tuple_items: 24, keys, str_kind: 2, str_ascii: 40 }
    }

    #[test]
    fn the_same_object_holds_the_same() {
        let of = |kind: &str, early: &Early| Contents::of(kind, early, places(Keys::Logarithmic));
        let made = early(&[(32, 2), (40, 5)], &[]);
        let filled = early(&[(32, 2), (40, 5), (48, 6)], &[]);
        let other = early(&[(32, 2), (40, 9), (48, 6)], &[]);
        let [made, filled, other] = [made, filled, other].map(|e| of("tuple", &e));
        let are = |one: Option<Contents>, other| one.unwrap().are_of_one(other);
        assert_eq!([filled, other, None].map(|now| are(made, now)), [true, false, false].map(Some));
        assert_eq!([filled, made].map(|now| are(filled, now)), [true, false].map(Some));
        assert_eq!(of("tuple", &early(&[(32, 2)], &[])), None);
        let single = [7, 8].map(|next| of("tuple", &early(&[(32, 1), (40, 5), (48, next)], &[])));
        assert_eq!(are(single[0], single[1]), Some(true));
        assert_eq!(of("list", &early(&[], &[])), Some(Contents::First(7)));
        assert_eq!(of("Tick", &early(&[(40, 5)], &[])), None);
        let one = [of("float", &early(&[(16, 1)], &[])), of("float", &early(&[(16, 2)], &[]))];
        assert!(one[0] != one[1] && one[0].is_some());
    }

    #[test]
    fn texts_are_compared_as_far_as_both_go() {
        let word = |text: &[u8; 8]| u64::from_le_bytes(*text);
        let of = |length, text| early(&[(16, length), (32, 1 << 6), (40, word(text))], &[]);
        let text = |length, text| Contents::of("str", &of(length, text), places(Keys::Logarithmic));
        let own = text(3, b"BTC\0junk").unwrap();
        assert_eq!(own.are_of_one(text(3, b"BTC\0else")), None);
        assert_eq!(own.are_of_one(text(3, b"ETH\0junk")), Some(false));
        assert_eq!(text(9, b"BTC/USDT").unwrap().are_of_one(text(9, b"BTC/USDT")), Some(true));
        assert_eq!(own.are_of_one(text(2, b"BU\0\0junk")), Some(false));
        assert_eq!((own.are_of_one(text(2, b"BT\0\0junk")), own.are_of_one(None)), (None, None));
        assert_eq!(text(0, b"\0\0\0\0junk"), None);
        let bytes = Contents::of("bytes", &early(&[(16, 2), (32, 0x0201)], &[]), places(Keys::Logarithmic));
        assert_eq!(bytes, Some(Contents::Text(2, 0x0201)));
    }

    #[test]
    fn the_first_key_of_a_dict_is_found_in_both_forms() {
        // Eight slots, keys that are texts: entries of 16 bytes after 32 and eight of indices.
        let of = |keys, table: &[(usize, u64)]| Contents::of("dict", &early(&[], table), places(keys));
        let table = [(0, 1), (8, 3 | 3 << 8 | 1 << 16), (16, 4), (24, 1), (40, 77)];
        assert_eq!(of(Keys::Logarithmic, &table), Some(Contents::First(77)));
        let table = [(0, 1), (8, 8), (24, 4), (32, 1), (56, 78)];
        assert_eq!(of(Keys::Sized, &table), Some(Contents::First(78)));
        assert_eq!(of(Keys::Sized, &[]), None);
        // Sixteen thousand slots: the first key lies too far behind.
        let table = [(0, 1), (8, 14 | 15 << 8 | 1 << 16), (24, 1), (40, 77)];
        assert_eq!(of(Keys::Logarithmic, &table), None);
    }

    proptest! {
        #[test]
        fn any_bytes_may_lie_in_a_block(words: [u64; 7], item: u64, table in prop::collection::vec(any::<u8>(), TABLE), sized: bool) {
            let keys = if sized { Keys::Sized } else { Keys::Logarithmic };
            let mut early = early(&[0, 1, 2, 3, 4, 5, 6].map(|n| (8 * n, words[n])), &[]);
            early.item = item;
            early.table.copy_from_slice(&table);
            for kind in KNOWN {
                for (shift, str_kind) in [(0, 2), (16, 16)] {
                    let places = Places { shift, str_kind, ..places(keys) };
                    let contents = Contents::of(kind, &early, places);
                    prop_assert!(contents.is_none_or(|c| c.are_of_one(contents) != Some(false)));
                }
            }
        }
    }
}
