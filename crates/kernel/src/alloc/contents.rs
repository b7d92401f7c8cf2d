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
/// What a number holds, from the begin of its block.
const NUMBER: usize = 16;

/// Types of which the contents are known.
pub(super) const HANDED_ON: [&str; 5] = ["float", "int", "tuple", "list", "dict"];

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
}

/// Where a version keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// How much longer than elsewhere an object's header is, of a build without the GIL.
    pub(super) shift: usize,
    pub(super) tuple_items: usize,
    pub(super) keys: Keys,
}

impl Contents {
    /// Of an object of this type in a block; `None` of another type, and of one that holds nothing (yet).
    pub(super) fn of(kind: &str, early: &Early, places: Places) -> Option<Self> {
        let at = |offset: usize| word(&early.words, offset).unwrap_or(0);
        let some = |first: u64| (first != 0).then_some(Self::First(first));
        let number = NUMBER + places.shift;
        let items = BEFORE + places.tuple_items;
        match kind {
            "float" => Some(Self::Value([at(number), 0])),
            "int" => Some(Self::Value([at(number), at(number + 8)])),
            "tuple" => {
                let items = [at(items), at(items + 8)];
                (items[0] != 0).then_some(Self::Items(items))
            }
            "list" => some(early.item),
            "dict" => some(first_key(&early.table, places.keys)?),
            _ => None,
        }
    }

    /// Whether they may be the same object's, at another time.
    pub(super) fn may_be(self, later: Option<Self>) -> bool {
        match (self, later) {
            (Self::Items([first, second]), Some(Self::Items(now))) => {
                first == now[0] && (second == 0 || second == now[1])
            }
            (own, Some(other)) => own == other,
            (_, None) => false,
        }
    }
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
mod tests {
    use super::*;

    fn early(words: &[(usize, u64)], table: &[(usize, u64)]) -> Early {
        let mut early = Early { words: [0; 56], item: 7, table: [0; TABLE] };
        words.iter().for_each(|(at, n)| early.words[*at..*at + 8].copy_from_slice(&n.to_le_bytes()));
        table.iter().for_each(|(at, n)| early.table[*at..*at + 8].copy_from_slice(&n.to_le_bytes()));
        early
    }

    fn places(keys: Keys) -> Places {
        Places { shift: 0, tuple_items: 24, keys }
    }

    #[test]
    fn the_same_object_holds_the_same() {
        let of = |kind: &str, early: &Early| Contents::of(kind, early, places(Keys::Logarithmic));
        let made = early(&[(40, 5)], &[]);
        let filled = early(&[(40, 5), (48, 6)], &[]);
        let other = early(&[(40, 9), (48, 6)], &[]);
        let [made, filled, other] = [made, filled, other].map(|e| of("tuple", &e));
        assert!(made.is_some_and(|c| c.may_be(filled) && !c.may_be(other) && !c.may_be(None)));
        assert!(filled.is_some_and(|c| c.may_be(filled) && !c.may_be(made)));
        assert_eq!(of("tuple", &early(&[], &[])), None);
        assert_eq!(of("list", &early(&[], &[])), Some(Contents::First(7)));
        assert_eq!(of("Tick", &early(&[(40, 5)], &[])), None);
        let one = [of("float", &early(&[(16, 1)], &[])), of("float", &early(&[(16, 2)], &[]))];
        assert!(one[0] != one[1] && one[0].is_some());
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
}
